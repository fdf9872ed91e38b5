package readers

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// unfinishedEnds are the ends of the names that programs give to a file until it is whole.
var unfinishedEnds = []string{
	"._copying_", ".crdownload", ".opdownload", ".download", ".tmp", ".temp", ".part", ".partial", ".inprogress", ".in-progress",
	".in_progress", ".filepart", ".incomplete", ".unfinished", ".uploading", ".upload", ".downloading", ".writing", ".copying",
	".pending", "_.gstmp", ".gstmp", ".aria2", ".!ut", ".!qb", "~",
}

// otherNames are the ends of names that no input has, so that notes.txt.tmp does not wait for an input.
var otherNames = []string{
	".txt", ".md", ".json", ".jsonl", ".csv", ".tsv", ".log", ".yaml", ".yml", ".toml", ".xml", ".html", ".pdf", ".png", ".jpg",
	".zip", ".gz", ".tar", ".py", ".ipynb", ".sql", ".sh", ".crc", ".npz", ".npy", ".pt", ".safetensors",
}

// unfinishedForms are names that are not known by their end alone; the group is the name that the file will have.
var unfinishedForms = []*regexp.Regexp{
	regexp.MustCompile(`^\.(.+)\.inprogress\..+$`),                                                         // Flink
	regexp.MustCompile(`^[._](.+)\.(?:in-progress|pending)$`),                                              // Flink, before 1.12
	regexp.MustCompile(`^\.syncthing\.(.+)\.tmp$`),                                                         // Syncthing
	regexp.MustCompile(`^\.azDownload-[0-9a-fA-F-]{36}-(.+)$`),                                             // AzCopy
	regexp.MustCompile(`^\.(.+\.(?i:parquet|pq|parq|arrow|feather|ipc|arrows))\.[A-Za-z0-9]{6}$`),          // rsync
	regexp.MustCompile(`^(.+\.(?i:parquet|pq|parq|arrow|feather|ipc|arrows))\.[0-9a-fA-F]{8}$`),            // AWS
	regexp.MustCompile(`^\.?(.+\.(?i:parquet|pq|parq|arrow|feather|ipc|arrows))\.(?i:te?mp|part)[-._].+$`), // tmp-1234
}

// formsFor returns the forms that a name may have: none where it neither begins with a dot or an underscore nor has two dots.
func formsFor(name string) []*regexp.Regexp {
	if name[0] != '.' && name[0] != '_' && strings.Count(name, ".") < 2 {
		return nil
	}
	return unfinishedForms
}

// unfinishedName says whether a name is that of a file, or a folder, which its writer has not finished, and which name
// it will have. end is what the name ends with until then, "" where the name is known by more than its end.
func unfinishedName(name string) (stem, end string, is bool) {
	for _, form := range formsFor(name) {
		if m := form.FindStringSubmatch(name); m != nil {
			return m[1], "", true
		}
	}
	for _, end := range unfinishedEnds {
		if len(name) <= len(end) || !strings.EqualFold(name[len(name)-len(end):], end) {
			continue
		}
		stem := name[:len(name)-len(end)]
		ext := strings.ToLower(filepath.Ext(stem))
		data := slices.Contains(dataNames, ext)
		if slices.Contains(otherNames, ext) || end == "~" && !data {
			return "", "", false
		}
		if data { // a writer may hide it until it is whole
			stem = strings.TrimPrefix(stem, ".")
		}
		return stem, name[len(name)-len(end):], true
	}
	return "", "", false
}

// unfinishedMark returns the name in a folder that says that a writer is at work there, or "".
func unfinishedMark(entries []fs.DirEntry) string {
	names := make(map[string]bool, len(entries))
	for _, e := range entries {
		names[e.Name()] = true
	}
	for _, e := range entries {
		name := e.Name()
		switch {
		case strings.HasPrefix(name, "_started_") && !names["_committed_"+strings.TrimPrefix(name, "_started_")]:
			return name
		case !e.IsDir():
		case name == "_temporary", strings.HasPrefix(name, ".spark-staging-"), strings.HasPrefix(name, ".hive-staging"),
			name == "__magic", strings.HasPrefix(name, "__magic_job-"):
			return name
		}
	}
	return ""
}

// checkWriters refuses a partition, key=value, of a table whose writer is at work: it has its mark above the partitions.
func checkWriters(real string) error {
	for strings.Contains(filepath.Base(real), "=") {
		real = filepath.Dir(real)
		entries, err := os.ReadDir(real)
		if err != nil {
			return nil // what is above an input need not be readable
		}
		if mark := unfinishedMark(entries); mark != "" {
			return unfinished(real, mark)
		}
	}
	return nil
}

func unfinished(folder, mark string) error {
	return &UnfinishedError{folder, "its writer has not finished (it holds " + mark + "); try again later, or remove that where no writer is at work"}
}

// unmarked is a folder without the file that the job requires.
func unmarked(folder, require string) error {
	return &UnfinishedError{folder, "its writer has not finished (it has no " + require + ", which input.require asks for); try again later"}
}

// isHidden reports whether a name is left out below folders and globs that do not spell it: one that begins with a dot,
// or with an underscore, unless it is key=value.
func isHidden(name string) bool {
	return name[0] == '.' || name[0] == '_' && !strings.Contains(name, "=")
}
