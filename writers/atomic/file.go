package atomic

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
)

// File is a file on its way: written under a temporary name, sealed, then published under its own. One goroutine
// uses it. Discard may be called at any time and does nothing once the file is published. Errors are *IOError.
type File struct {
	disk        Disk
	final, temp string // names on the disk
	path        string // of the final name, for messages
	h           Handle
	w           *bufio.Writer
	taken       int64 // bytes that Write was given
	written     int64 // bytes that reached h
	published   bool
	fresh       bool // it replaces no file
}

const writeBuffer = 256 << 10

// newFile creates the temporary file. The error is that of [Creating].
func newFile(disk Disk, final, temp, path string) (*File, error) {
	f := &File{disk: disk, final: final, temp: temp, path: path}
	var err error
	if f.h, err = disk.Create(temp); err != nil {
		return nil, Creating(path, err)
	}
	f.w = bufio.NewWriterSize(rawFile{f}, writeBuffer)
	return f, nil
}

func (f *File) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	f.taken += int64(n)
	return n, err
}

// Tell is the offset in the file at which the next byte is written.
func (f *File) Tell() int64 { return f.taken }

// rawFile is what the buffer of a File writes to: its errors have the name that the file will have.
type rawFile struct{ f *File }

func (r rawFile) Write(p []byte) (int, error) {
	n, err := r.f.h.Write(p)
	r.f.written += int64(n)
	if err != nil {
		return n, &IOError{Op: "writing", Path: r.f.path, Err: err, Written: r.f.written, Need: int64(len(p) - n)}
	}
	return n, nil
}

// Seal makes the content durable and closes the file.
func (f *File) Seal() error {
	if err := f.w.Flush(); err != nil {
		return err
	}
	if err := f.h.Sync(); err != nil {
		return f.failed("syncing", err)
	}
	h := f.h
	f.h = nil
	if err := h.Close(); err != nil {
		return f.failed("closing", err)
	}
	return nil
}

// Publish renames the sealed file to its name and makes the name durable. Where that fails the name is removed again:
// what may not last must not be seen.
func (f *File) Publish() error {
	if f.fresh {
		if err := f.free(); err != nil {
			return err
		}
	}
	if err := f.disk.Rename(f.temp, f.final); err != nil {
		return f.failed("renaming to", err)
	}
	return f.named()
}

// named makes the new name of the file durable.
func (f *File) named() error {
	f.published = true
	if err := f.disk.SyncDir(path.Dir(f.final)); err != nil {
		return errors.Join(f.failed("syncing the folder of", err), f.Withdraw())
	}
	return nil
}

// Withdraw removes the published file.
func (f *File) Withdraw() error {
	if err := f.disk.Remove(f.final); err != nil {
		return f.failed("removing", err)
	}
	return nil
}

// Commit seals and publishes the file.
func (f *File) Commit() error {
	if err := f.Seal(); err != nil {
		return err
	}
	return f.Publish()
}

// Discard closes and removes the temporary file unless it was published. A nil File has none.
func (f *File) Discard() error {
	if f == nil || f.published {
		return nil
	}
	f.published = true
	var closing error
	if f.h != nil {
		closing = f.h.Close()
	}
	if err := f.disk.Remove(f.temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return f.failed("removing the temporary file of", err)
	}
	if closing != nil {
		return f.failed("closing", closing)
	}
	return nil
}

func (f *File) failed(op string, err error) error { return &IOError{Op: op, Path: f.path, Err: err} }

// StageFile begins a file that is no part, in a folder that must exist. A file that has the name already is not
// replaced: the error is then a *CreateError, else that of [Creating]. The caller must publish or discard the file.
func StageFile(file string) (*File, error) {
	dir, name := filepath.Dir(file), filepath.Base(file)
	f, err := newFile(pathDisk{dir}, name, tempName("", rand.Int64N(1<<53)), file)
	if err != nil {
		return nil, withoutFolder(err)
	}
	f.fresh = true
	if err := f.free(); err != nil {
		return nil, errors.Join(err, f.Discard())
	}
	return f, nil
}

// free reports a file or a folder that has the name of f.
func (f *File) free() error {
	switch info, err := f.disk.Lstat(f.final); {
	case err == nil && info.IsDir():
		return isFolder(f.path)
	case err == nil:
		return &CreateError{
			Path: f.path, Err: errors.New("it exists already, and is not replaced"), Remedy: "choose another name, or remove it",
		}
	case !Absent(err):
		return Creating(f.path, err)
	}
	return nil
}

// isFolder is the error for a file that has the name of a folder.
func isFolder(file string) error {
	return &CreateError{Path: file, Err: errors.New("it is a folder"), Remedy: "choose another name"}
}

// withoutFolder says what to do where the folder of a file does not exist.
func withoutFolder(err error) error {
	var e *CreateError
	if errors.As(err, &e) && errors.Is(e.Err, fs.ErrNotExist) {
		e.Remedy = "create its folder first, or choose another"
	}
	return err
}

// Staged is the path of the content before it is published, for reading it back.
func (f *File) Staged() string { return filepath.Join(filepath.Dir(f.path), path.Base(f.temp)) }

// WriteFile writes a file that is no part, whole or not at all. Its folder must exist. It takes no lock, so that a
// report may be written while a run goes on; in an output its name should begin with an underscore, which readers of
// scores skip. The error is a *CreateError or an *IOError.
func WriteFile(file string, content []byte) error {
	return WriteFileFrom(file, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// WriteFileFrom is [WriteFile] for content that write writes. It may be called twice; its own errors are returned as they are.
func WriteFileFrom(file string, write func(io.Writer) error) error {
	err := writeFile(file, write)
	if errors.Is(err, os.ErrNotExist) {
		if _, gone := os.Stat(filepath.Dir(file)); gone == nil {
			return writeFile(file, write) // a run that began has removed the temporary file
		}
	}
	return err
}

func writeFile(file string, write func(io.Writer) error) (err error) {
	dir, name := filepath.Dir(file), filepath.Base(file)
	f, err := newFile(pathDisk{dir}, name, tempName("", rand.Int64N(1<<53)), file)
	if err != nil {
		return withoutFolder(err)
	}
	defer func() {
		if err != nil {
			_ = f.Discard() // the first error counts
		}
	}()
	if err := write(f); err != nil {
		return err
	}
	if err := f.Seal(); err != nil {
		return err
	}
	switch info, err := f.disk.Lstat(name); {
	case err == nil && info.IsDir():
		return isFolder(file)
	case err != nil && !Absent(err):
		return Creating(file, err)
	}
	return f.Publish()
}
