package readers

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"graphscore/readers/internal/column"
)

// walker looks below one root.
type walker struct {
	*finder
	input   int
	root    string // as named
	real    string // absolute, links resolved
	pattern *string
	depth   int // how many elements a path may have, 0: any
}

// walk takes what is below root, or of that what matches the pattern.
func (f *finder) walk(ctx context.Context, i int, root string, pattern *string) error {
	abs, err := filepath.Abs(root)
	if err != nil {
		return &PlanError{root, fmt.Sprintf("its folder cannot be determined (%v); name an absolute path", err)}
	}
	f.roots[i] = abs
	info, err := os.Stat(root)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !info.IsDir():
		return nil // nothing exists where a glob begins, or at an optional path
	case err != nil:
		f.refuse(root, fmt.Sprintf("the folder cannot be read (%v); check its permissions", column.Cause(err)))
		return nil
	}
	real, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return &PlanError{root, fmt.Sprintf("its links cannot be followed (%v); check the permissions", column.Cause(err))}
	}
	w := &walker{finder: f, input: i, root: root, real: real, pattern: pattern}
	if pattern != nil && !strings.Contains(*pattern, "**") {
		w.depth = strings.Count(*pattern, "/") + 1
	}
	return w.folder(ctx, "")
}

// folder takes what is in the folder rel under the root, and below.
func (w *walker) folder(ctx context.Context, rel string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	name := filepath.Join(w.root, filepath.FromSlash(rel))
	entries, err := os.ReadDir(name)
	if err != nil {
		w.refuse(name, fmt.Sprintf("the folder cannot be read (%v); check its permissions", column.Cause(err)))
		return nil
	}
	if w.pattern == nil && isTables(entries) {
		w.refuse(name, "it holds nodes and edges, and layout tables is not supported yet; write one graph a row")
		return nil
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "_") || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if err := w.entry(ctx, path.Join(rel, e.Name()), e); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) entry(ctx context.Context, rel string, e fs.DirEntry) error {
	if e.IsDir() {
		if w.depth > 0 && strings.Count(rel, "/")+1 >= w.depth {
			return nil
		}
		return w.folder(ctx, rel)
	}
	if w.pattern != nil && !doublestar.MatchUnvalidated(*w.pattern, rel) {
		return nil
	}
	name := filepath.Join(w.root, filepath.FromSlash(rel))
	mode := e.Type()
	file := found{path: name, rel: rel, input: w.input, link: mode&fs.ModeSymlink != 0}
	if file.link {
		info, reason := w.follow(name)
		if reason != "" {
			w.refuse(name, reason)
			return nil
		}
		if mode = info.Mode(); mode.IsDir() {
			w.ignored = append(w.ignored, name) // its files are found where they are
			return nil
		}
	}
	data := w.pattern != nil || slices.Contains(dataNames, strings.ToLower(filepath.Ext(rel)))
	if !mode.IsRegular() {
		if data {
			w.refuse(name, notRegular(mode))
		} else {
			w.ignored = append(w.ignored, name)
		}
		return nil
	}
	if !data {
		var err error
		if data, err = hasKnownContent(name); err != nil {
			w.refuse(name, fmt.Sprintf("it cannot be read (%v); make it readable for this user, or move it away", column.Cause(err)))
			return nil
		}
	}
	if !data {
		w.ignored = append(w.ignored, name)
		return nil
	}
	return w.add(file)
}

// follow looks behind a link, which must not lead out of the root.
func (w *walker) follow(name string) (fs.FileInfo, string) {
	target, err := filepath.EvalSymlinks(name)
	if err == nil {
		target, err = filepath.Abs(target)
	}
	if err != nil {
		return nil, fmt.Sprintf("the link cannot be followed (%v); remove it", column.Cause(err))
	}
	if rel, err := filepath.Rel(w.real, target); err != nil || !filepath.IsLocal(rel) {
		return nil, "it is a link that leads out of " + w.root + "; name the file itself as an input, or copy it"
	}
	info, err := os.Stat(target)
	if err != nil {
		return nil, fmt.Sprintf("the link cannot be followed (%v); remove it", column.Cause(err))
	}
	return info, ""
}
