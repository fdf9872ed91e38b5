package atomic

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Disk is every step that changes a folder, under slash-separated names within it. Tests put one between that fails
// or dies at a step of their choice. It is safe for concurrent use.
type Disk interface {
	// Create makes a file that does not exist yet, with mode 0666 less the umask.
	Create(name string) (Handle, error)
	Mkdir(name string) error
	Rename(from, to string) error
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

// syncFolder takes it as done where the file system cannot sync folders.
func syncFolder(f *os.File) error {
	err := f.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil
	}
	return err
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
	if errors.Is(err, fs.ErrPermission) { // a folder that may be written but not read cannot be synced
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return syncFolder(f)
}
