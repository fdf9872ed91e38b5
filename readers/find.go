package readers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"graphscore/pipeline/display"
)

// found is a file that an input led to.
type found struct {
	path  string // as a user would name it
	rel   string // under its root, with slashes
	input int    // the number of the input
	real  string // absolute, links resolved
	links int    // 0: none led to it, 1: it is one, 2: it is below a linked folder, 3: both
	named bool   // by the user, not found below a folder or by a glob
}

// finder collects the files of all inputs.
type finder struct {
	inputs  []Input
	require string   // the file that a finished folder has, "" for none
	roots   []string // [inputs], absolute
	kinds   []string // [inputs], what each is: folder, file or glob
	files   []found
	refused []*FileError
	left    LeftOut
	pending []found      // files that their writers have not finished
	led     map[int]bool // inputs that led to a file
}

// dataNames are the ends of names that promise a file of a known format.
var dataNames = []string{".parquet", ".pq", ".parq", ".arrow", ".feather", ".ipc", ".arrows"}

// find returns the files of all inputs, sorted by their path under the roots, each once.
func find(ctx context.Context, inputs []Input, require string) (*finder, error) {
	f := &finder{
		inputs: inputs, require: require, roots: make([]string, len(inputs)), kinds: make([]string, len(inputs)), led: map[int]bool{},
	}
	for i := range inputs {
		if err := f.input(ctx, i); err != nil {
			return nil, err
		}
	}
	if err := f.name(); err != nil {
		return nil, err
	}
	f.unique()
	slices.SortFunc(f.files, func(a, b found) int { return cmp.Compare(a.rel, b.rel) })
	slices.SortFunc(f.refused, func(a, b *FileError) int { return cmp.Compare(a.Path, b.Path) })
	f.left.sort()
	if len(f.files)+len(f.refused) == 0 && len(f.pending) > 0 {
		return nil, &UnfinishedError{f.pending[0].path, "its writer has not finished it, and there is no other input; try again later"}
	}
	return f, nil
}

// input collects one input.
func (f *finder) input(ctx context.Context, i int) error {
	if scheme, _, remote := strings.Cut(f.inputs[i].Path, "://"); remote && isScheme(scheme) {
		return &PlanError{f.inputs[i].Path, scheme + ":// is not supported; copy or mount the files, and name their path on this machine"}
	}
	name := filepath.Clean(f.inputs[i].Path)
	info, err := os.Stat(name)
	switch {
	case err == nil && info.IsDir():
		f.kinds[i] = kindFolder
		return f.walk(ctx, i, name, nil)
	case err == nil:
		f.kinds[i] = kindFile
		return f.file(i, name, info)
	case (errors.Is(err, fs.ErrNotExist) || noName(err)) && IsGlob(name):
		base, pattern := SplitGlob(name)
		g := newGlob(pattern)
		if g == nil {
			return &PlanError{f.inputs[i].Path, "the glob is malformed; check its brackets and braces"}
		}
		f.kinds[i] = kindGlob
		return f.walk(ctx, i, base, g)
	case errors.Is(err, fs.ErrNotExist) && f.inputs[i].Optional && !isLink(name):
		f.kinds[i] = kindFolder
		return f.walk(ctx, i, name, nil)
	case errors.Is(err, fs.ErrPermission):
		f.refuse(name, permissionDenied, err)
		return nil
	case errors.Is(err, fs.ErrNotExist) || strings.ContainsRune(name, 0):
		return &NotFoundError{f.inputs[i].Path, err}
	}
	return &PlanError{f.inputs[i].Path, fmt.Sprintf("it cannot be opened (%v); check its name and permissions", display.Cause(err))}
}

// isScheme reports whether what is before a :// is that of a URL.
func isScheme(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("+-.", r)
	})
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// isLink says whether name is a link, which leads nowhere if nothing exists there: it was meant to lead somewhere.
func isLink(name string) bool {
	info, err := os.Lstat(name)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

// file takes a path that the user named.
func (f *finder) file(i int, name string, info fs.FileInfo) error {
	abs, err := filepath.Abs(name)
	if err != nil {
		return &PlanError{name, fmt.Sprintf("its folder cannot be determined (%v); name an absolute path", err)}
	}
	f.roots[i] = filepath.Dir(abs)
	if f.require != "" && !exists(filepath.Join(f.roots[i], f.require)) {
		return unmarked(filepath.Dir(name), f.require)
	}
	if !info.Mode().IsRegular() {
		f.refuse(name, notRegular(info.Mode()), nil)
		return nil
	}
	return f.add(found{path: name, rel: filepath.Base(abs), input: i, named: true})
}

func notRegular(m fs.FileMode) string {
	kind := "something else than a file"
	switch {
	case m&fs.ModeNamedPipe != 0:
		kind = "a pipe"
	case m&fs.ModeSocket != 0:
		kind = "a socket"
	case m&fs.ModeDevice != 0:
		kind = "a device"
	case m.IsDir():
		kind = "a folder"
	}
	return "it is " + kind + ", not a regular file; name a file, a folder or a glob"
}

// refuse refuses a file; cause is the error of the system for which it is, nil for none.
func (f *finder) refuse(name, reason string, cause error) {
	f.refused = append(f.refused, &FileError{Path: name, RowGroup: -1, Row: -1, Reason: reason, Err: cause})
}

// unlessAbsent is an error, or nil where it is that nothing is there: as behind a link that leads nowhere.
func unlessAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ELOOP) {
		return nil
	}
	return err
}

// add takes a file. Where it leads is looked up unless real is known.
func (f *finder) add(file found) error {
	if file.real == "" {
		real, err := filepath.EvalSymlinks(file.path)
		if err == nil {
			real, err = filepath.Abs(real)
		}
		if err != nil {
			f.refuse(file.path, fmt.Sprintf("it cannot be opened (%v); check the link and the permissions", display.Cause(err)), unlessAbsent(err))
			return nil
		}
		file.real = real
	}
	f.led[file.input] = true
	f.files = append(f.files, file)
	return nil
}

// name puts the names of the inputs before the paths. It depends on what is asked for, never on what exists
// today: or parts would move when a root cannot be read, or a second one comes.
func (f *finder) name() error {
	several := len(slices.Compact(slices.Sorted(slices.Values(f.roots)))) > 1
	for _, in := range f.inputs {
		if several && in.Name == "" {
			return &PlanError{in.Path, "there are several roots, so each input needs a `name`, which becomes the first folder of its parts"}
		}
	}
	for _, files := range [][]found{f.files, f.pending} {
		for i := range files {
			files[i].rel = path.Join(f.inputs[files[i].input].Name, files[i].rel)
		}
	}
	return nil
}

// unique keeps each file once: that of the first input, with as few links as there are.
func (f *finder) unique() {
	slices.SortStableFunc(f.files, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.real, b.real), cmp.Compare(a.input, b.input), cmp.Compare(a.links, b.links), cmp.Compare(a.rel, b.rel))
	})
	named := make(map[string]bool)
	for _, file := range f.files {
		named[file.real] = named[file.real] || file.named
	}
	f.files = slices.CompactFunc(f.files, func(a, b found) bool { return a.real == b.real })
	for i := range f.files {
		f.files[i].named = named[f.files[i].real]
	}
}
