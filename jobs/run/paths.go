package run

import (
	"os"
	"path/filepath"
	"strings"

	"graphscore/readers"
)

// CheckPaths returns an *OverlapError for an output inside an input and the reverse: the next run would read what
// this one wrote.
func (c Config) CheckPaths() error {
	job := c.Job
	output, err := realPath(job.Output.Path)
	if err != nil {
		return err
	}
	for _, in := range job.Input.Path {
		base := in.Path
		if _, err := os.Stat(in.Path); err != nil && readers.IsGlob(in.Path) { // a name may hold brackets of its own
			base, _ = readers.SplitGlob(in.Path)
		}
		input, err := realPath(base)
		if err != nil {
			return err
		}
		switch {
		case within(output, input):
			return &OverlapError{"output " + job.Output.Path + " lies inside input " + in.Path}
		case within(input, output):
			return &OverlapError{"input " + in.Path + " lies inside output " + job.Output.Path}
		}
	}
	return nil
}

// realPath follows the links of the longest part of path that exists.
func realPath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	rest := ""
	for dir := path; ; dir = filepath.Dir(dir) {
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			return filepath.Join(real, rest), nil
		}
		if dir == filepath.Dir(dir) {
			return path, nil
		}
		rest = filepath.Join(filepath.Base(dir), rest)
	}
}

// within reports whether path is dir or is below it.
func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}
