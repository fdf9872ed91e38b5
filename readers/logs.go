package readers

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// tableLogs are the folders in which tables keep the log that says which of their files count.
var tableLogs = []struct{ name, of string }{
	{"_delta_log", "a Delta table"}, {".hoodie", "a Hudi table"}, {"_spark_metadata", "the sink of a Spark stream"},
}

// tableIn says of which table a folder is the root, "" for none.
func tableIn(dir string) string {
	for _, log := range tableLogs {
		if isFolder(filepath.Join(dir, log.name)) {
			return log.of + " (" + log.name + ")"
		}
	}
	if !isFolder(filepath.Join(dir, "data")) {
		return ""
	}
	entries, err := os.ReadDir(filepath.Join(dir, "metadata"))
	if err != nil {
		return ""
	}
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, ".metadata.json") || strings.HasSuffix(name, ".metadata.json.gz") {
			return "an Iceberg table (metadata/" + name + ")"
		}
	}
	return ""
}

func isFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// tableAround says in which table a folder lies, or is the root of which, "" for none.
func tableAround(real string) string {
	for {
		if table := tableIn(real); table != "" {
			return table
		}
		above := filepath.Dir(real)
		if above == real {
			return ""
		}
		real = above
	}
}

// logged refuses a folder or a file of a table whose log was not asked.
func logged(path, table string) error {
	return &PlanError{path, "it belongs to " + table + ", whose log says which files count, and that log is not read; export a snapshot of the table, or name the files themselves as inputs"}
}

// mayHaveTable reports whether a folder can be the root of a table, by its entries.
func mayHaveTable(entries []fs.DirEntry) bool {
	for _, e := range entries {
		if e.Name() == "metadata" {
			return true
		}
		for _, log := range tableLogs {
			if e.Name() == log.name {
				return true
			}
		}
	}
	return false
}
