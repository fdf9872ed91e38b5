package cli

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"graphscore/jobs"
	"graphscore/readers"
)

// separate refuses an output inside an input and the reverse: the next run would read what this one wrote.
func separate(job *jobs.Job) error {
	output, err := realPath(job.Output.Path)
	if err != nil {
		return err
	}
	for _, in := range job.Input.Path {
		base, _ := doublestar.SplitPattern(filepath.ToSlash(in.Path))
		if _, err := os.Stat(in.Path); err == nil || !readers.IsGlob(in.Path) { // a name may hold brackets of its own
			base = in.Path
		}
		input, err := realPath(filepath.FromSlash(base))
		if err != nil {
			return err
		}
		switch {
		case within(output, input):
			return &overlapError{"output " + job.Output.Path + " lies inside input " + in.Path}
		case within(input, output):
			return &overlapError{"input " + in.Path + " lies inside output " + job.Output.Path}
		}
	}
	return nil
}

// overlapError is an input and an output that overlap.
type overlapError struct{ what string }

func (e *overlapError) Error() string { return e.what + ": choose an output folder beside the input" }

// realPath follows the links of the longest part of path that is there.
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

// within tells whether path is dir or lies below it.
func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}
