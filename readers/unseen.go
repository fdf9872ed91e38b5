package readers

import (
	"path"
	"path/filepath"
	"slices"
)

// unseen returns where files may exist that could not be looked at, as paths under the roots: whoever asks whether a
// file is gone must know. A root that could not be looked at is all that is below the name of its input.
func (f *finder) unseen() []string {
	var unseen []string
	for i, in := range f.inputs {
		for _, refused := range f.refused {
			if rel, below := f.below(i, refused); below {
				unseen = append(unseen, path.Join(in.Name, rel))
			}
		}
	}
	slices.Sort(unseen)
	return slices.Compact(unseen)
}

// unmatched returns the inputs that led to no file, and the folders of their files.
func (f *finder) unmatched() (inputs, folders []string) {
	for i, in := range f.inputs {
		if !f.led[i] && !f.refusedBelow(i) {
			inputs, folders = append(inputs, in.Path), append(folders, path.Clean(in.Name))
		}
	}
	return inputs, folders
}

// refusedBelow reports whether something of an input exists that cannot be read.
func (f *finder) refusedBelow(i int) bool {
	return slices.ContainsFunc(f.refused, func(refused *FileError) bool {
		_, below := f.below(i, refused)
		return below
	})
}

// below returns where a refused file is below the root of an input, with slashes; "." is all of the root, also where
// nobody can say. It is false for a file that is elsewhere.
func (f *finder) below(i int, refused *FileError) (rel string, is bool) {
	abs, err := filepath.Abs(refused.Path)
	if f.roots[i] == "" || err != nil {
		return ".", true
	}
	rel, err = filepath.Rel(f.roots[i], abs)
	return filepath.ToSlash(rel), err == nil && filepath.IsLocal(rel)
}
