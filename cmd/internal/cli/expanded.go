package cli

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"graphscore/jobs"
)

// expanded refuses arguments that a shell made of a pattern without quotes: data where at most a job file may be.
// Nothing of the files is shown.
func expanded(cmd *cobra.Command, inputs, args []string) error {
	var data []string
	what := ""
	for _, path := range args {
		if kind := dataKind(path); kind != "" {
			data = append(data, path)
			if what == "" {
				what = kind
			}
		}
	}
	if len(data) == 0 || len(args) == 1 && len(inputs) == 0 { // one file is read as the job, which says what it is
		return nil
	}
	where := pattern(slices.Concat(inputs[max(0, len(inputs)-1):], data))
	return usagef("%s is %s, and %s takes a job file: the shell has expanded a pattern that is not in quotes; write --input %s",
		data[0], what, cmd.CommandPath(), where)
}

// dataKind says what a path is if it is data or a folder of it, "" for what may be a job file or does not exist.
func dataKind(path string) string {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return ""
	case info.IsDir():
		return "a folder"
	case !info.Mode().IsRegular():
		return ""
	}
	switch ending := strings.ToLower(filepath.Ext(path)); ending {
	case ".parquet", ".arrow", ".arrows", ".feather", ".ipc":
		return "a file of data"
	}
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	head := make([]byte, 1024)
	n, _ := io.ReadFull(f, head)
	kind, data := jobs.Kind(head[:n])
	if !data {
		return ""
	}
	return kind
}

// pattern guesses what a shell has expanded to paths, as a word for a shell.
func pattern(paths []string) string {
	dir, ending := filepath.Dir(paths[0]), filepath.Ext(paths[0])
	for _, path := range paths {
		if filepath.Dir(path) != dir {
			return "'PATTERN'"
		}
		if filepath.Ext(path) != ending {
			ending = ""
		}
	}
	return "'" + strings.ReplaceAll(filepath.Join(dir, "*"+ending), "'", `'\''`) + "'"
}
