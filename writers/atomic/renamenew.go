package atomic

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"
)

// renameIn is renameNew for names with slashes in a folder that open opens. Both lie in the same folder.
func renameIn(open func(name string) (*os.File, error), from, to string) error {
	dir, err := open(filepath.FromSlash(path.Dir(to)))
	if err != nil {
		return err
	}
	err = renameNew(dir, path.Base(from), path.Base(to))
	if err != nil {
		err = &os.LinkError{Op: "renaming", Old: from, New: to, Err: err}
	}
	return errors.Join(err, dir.Close())
}

func (d rootDisk) RenameNew(from, to string) error { return renameIn(d.root.Open, from, to) }

func (d pathDisk) RenameNew(from, to string) error {
	return renameIn(func(name string) (*os.File, error) { return os.Open(d.path(name)) }, from, to)
}

// PublishNew is Publish where no file may have the name yet: it never replaces one. exists is true where one has it, and
// the sealed file is as it was.
func (f *File) PublishNew() (exists bool, err error) {
	err = f.disk.RenameNew(f.temp, f.final)
	switch {
	case errors.Is(err, fs.ErrExist):
		return true, nil
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.ENOTSUP), errors.Is(err, syscall.ENOSYS):
		return false, &CreateError{Path: f.path, Err: err, Remedy: "its file system can neither rename without replacing nor link: choose an output on another, or run without --shard"}
	case err != nil:
		return false, f.failed("renaming to", err)
	}
	return false, f.named()
}
