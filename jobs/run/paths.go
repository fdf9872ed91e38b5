package run

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"graphscore/readers"
	"graphscore/writers/atomic"
)

// CheckPaths returns an *OverlapError for an output inside an input and the reverse: the next run would read what
// this one wrote. Where nobody can say where the output lies, the error is that of [atomic.Creating].
func (c Config) CheckPaths() error {
	job := c.Job
	output, unseen, err := realPath(job.Output.Path)
	if err = cmp.Or(err, unseen); err != nil {
		return atomic.Creating(job.Output.Path, err)
	}
	for _, in := range job.Input.Path {
		base, pattern := in.Path, ""
		if _, err := os.Stat(in.Path); err != nil && readers.IsGlob(in.Path) { // a name may hold brackets of its own
			base, pattern = readers.SplitGlob(in.Path)
		}
		input, _, err := realPath(base) // what of it cannot be seen is refused when it is planned
		if err != nil {
			return err
		}
		switch {
		case within(output, input) && reaches(pattern, input, output):
			return &OverlapError{"output " + job.Output.Path + " lies inside input " + in.Path}
		case within(input, output):
			return &OverlapError{"input " + in.Path + " lies inside output " + job.Output.Path}
		}
	}
	return nil
}

// reaches reports whether a pattern below a folder may match a path below it, what is above that path, or what is in
// it. An empty pattern takes the whole folder. Where it is not known, the answer is yes.
func reaches(pattern, folder, path string) bool {
	rel, err := filepath.Rel(folder, path)
	if err != nil || rel == "." || pattern == "" || strings.Contains(pattern, "{") { // alternatives may have slashes
		return true
	}
	names := strings.Split(filepath.ToSlash(rel), "/")
	for i, element := range strings.Split(pattern, "/") {
		if element == "**" || i == len(names) {
			return true
		}
		if matches, err := doublestar.Match(element, names[i]); err == nil && !matches {
			return false
		}
	}
	return true // a folder that matches is read whole
}

// realPath follows the links of the longest part of path that exists. unseen says why there may be a longer one.
func realPath(path string) (real string, unseen, err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return "", nil, err
	}
	rest := ""
	for dir := path; ; dir = filepath.Dir(dir) {
		real, err := filepath.EvalSymlinks(dir)
		if err == nil {
			return filepath.Join(real, rest), unseen, nil
		}
		if !atomic.Absent(err) {
			unseen = cmp.Or(unseen, err)
		}
		if dir == filepath.Dir(dir) {
			return path, unseen, nil
		}
		rest = filepath.Join(filepath.Base(dir), rest)
	}
}

// within reports whether path is dir or is below it.
func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}
