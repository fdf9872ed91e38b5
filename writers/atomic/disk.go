package atomic

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Looks is every look at a folder, under slash-separated names within it. Only an error that
// is [Absent] says that something is not there; after any other nobody can say. It is safe for concurrent use.
type Looks interface {
	// Lstat describes what has a name: a link itself, not what it leads to.
	Lstat(name string) (fs.FileInfo, error)
	// Stat follows links.
	Stat(name string) (fs.FileInfo, error)
	// ReadDir lists a folder in the order of names: all of it, or nothing and an error.
	ReadDir(name string) ([]fs.DirEntry, error)
	// Open opens a file to read it. The caller closes it.
	Open(name string) (Opened, error)
}

// Opened is a file that is being read.
type Opened interface {
	io.ReadCloser
	io.ReaderAt
	Stat() (fs.FileInfo, error)
}

// Below returns the looks at an opened folder, which follow no link that leads out of it.
func Below(root *os.Root) Looks { return rootDisk{root} }

// At returns the looks at the folder of a path, which follow all links.
func At(dir string) Looks { return pathDisk{dir} }

// Disk is every look at a folder and every step that changes it, under slash-separated names within it. Tests put one
// between that fails or dies at a step of their choice. It is safe for concurrent use.
type Disk interface {
	Looks
	// Create makes a file that does not exist yet, with mode 0666 less the umask.
	Create(name string) (Handle, error)
	Mkdir(name string) error
	Rename(from, to string) error
	// RenameNew is Rename within one folder where nothing may have the new name: else the error is an fs.ErrExist.
	RenameNew(from, to string) error
	Remove(name string) error
	// SyncDir makes what was created, renamed and removed in a folder durable.
	SyncDir(name string) error
}

// Handle is a file that is being written.
type Handle interface {
	io.Writer
	Sync() error
	Close() error
}

// rootDisk is the disk below an os.Root, which follows no link that leads out of it.
type rootDisk struct{ root *os.Root }

func (d rootDisk) Create(name string) (Handle, error) {
	return d.root.OpenFile(filepath.FromSlash(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
}

func (d rootDisk) Mkdir(name string) error { return d.root.Mkdir(filepath.FromSlash(name), 0o777) }

func (d rootDisk) Rename(from, to string) error {
	return d.root.Rename(filepath.FromSlash(from), filepath.FromSlash(to))
}

func (d rootDisk) Remove(name string) error { return d.root.Remove(filepath.FromSlash(name)) }

func (d rootDisk) SyncDir(name string) error {
	f, err := d.root.Open(filepath.FromSlash(name))
	if err != nil {
		return err
	}
	defer f.Close()
	return syncFolder(f)
}

func (d rootDisk) Lstat(name string) (fs.FileInfo, error) {
	return d.root.Lstat(filepath.FromSlash(name))
}

func (d rootDisk) Stat(name string) (fs.FileInfo, error) {
	return d.root.Stat(filepath.FromSlash(name))
}

func (d rootDisk) ReadDir(name string) ([]fs.DirEntry, error) {
	f, err := d.root.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := entriesOf(f, filepath.Join(d.root.Name(), filepath.FromSlash(name)))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// entriesOf lists a folder that was opened below a root. Package os would ask for each of its entries what it is; of the same
// folder by its path the list says it.
func entriesOf(f *os.File, path string) ([]fs.DirEntry, error) {
	byPath, err := os.Open(path)
	if err != nil {
		return f.ReadDir(-1)
	}
	defer byPath.Close()
	was, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if is, err := byPath.Stat(); err != nil || !os.SameFile(was, is) {
		return f.ReadDir(-1)
	}
	return byPath.ReadDir(-1)
}

func (d rootDisk) Open(name string) (Opened, error) {
	return opened(d.root.Open(filepath.FromSlash(name)))
}

// opened keeps a file that is nil from becoming an interface that is not.
func opened(f *os.File, err error) (Opened, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}

// pathDisk is the disk of one folder by its path, for a single file: the folder need not be readable, and links are
// followed.
type pathDisk struct{ dir string }

func (d pathDisk) path(name string) string { return filepath.Join(d.dir, filepath.FromSlash(name)) }

func (d pathDisk) Create(name string) (Handle, error) {
	return os.OpenFile(d.path(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
}

func (d pathDisk) Mkdir(name string) error { return os.Mkdir(d.path(name), 0o777) }

func (d pathDisk) Rename(from, to string) error { return os.Rename(d.path(from), d.path(to)) }

func (d pathDisk) Remove(name string) error { return os.Remove(d.path(name)) }

func (d pathDisk) SyncDir(name string) error {
	f, err := os.Open(d.path(name))
	if errors.Is(err, fs.ErrPermission) {
		return syncUnread(err)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return syncFolder(f)
}

func (d pathDisk) Lstat(name string) (fs.FileInfo, error) { return os.Lstat(d.path(name)) }

func (d pathDisk) Stat(name string) (fs.FileInfo, error) { return os.Stat(d.path(name)) }

func (d pathDisk) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := os.ReadDir(d.path(name))
	if err != nil {
		return nil, err
	}
	return entries, nil
}

func (d pathDisk) Open(name string) (Opened, error) { return opened(os.Open(d.path(name))) }
