package run

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"graphscore/jobs"
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
		base, _ := doublestar.SplitPattern(filepath.ToSlash(in.Path))
		if _, err := os.Stat(in.Path); err == nil || !hasWildcard(in.Path) { // a name may hold brackets of its own
			base = in.Path
		}
		input, err := realPath(filepath.FromSlash(base))
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

func hasWildcard(path string) bool { return strings.ContainsAny(path, "*?[{") }

// datedPath is what the reader is told to read: where a path with a date and without a wildcard leads nowhere,
// this date has no input, which is nothing that a user mistyped. A glob below a path that is not there matches
// nothing, and has the same root.
func datedPath(p jobs.Path) string {
	if !p.Dated || hasWildcard(p.Path) {
		return p.Path
	}
	if _, err := os.Lstat(p.Path); !errors.Is(err, fs.ErrNotExist) {
		return p.Path
	}
	return filepath.Join(p.Path, "**")
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
