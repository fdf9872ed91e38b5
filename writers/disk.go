package writers

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// disk is every step that changes the output, under slash-separated names within it. Tests put one between
// that fails or dies at a step of their choice. It is safe for concurrent use.
type disk interface {
	// Create makes a file that is not there yet, with mode 0666 less the umask.
	Create(name string) (handle, error)
	Mkdir(name string) error
	Rename(from, to string) error
	Remove(name string) error
	// SyncDir makes what was created, renamed and removed in a folder durable.
	SyncDir(name string) error
}

// handle is a file that is being written.
type handle interface {
	io.Writer
	Sync() error
	Close() error
}

// rootDisk is the disk below an os.Root, which follows no link that leads out of it.
type rootDisk struct{ root *os.Root }

func (d rootDisk) Create(name string) (handle, error) {
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

// createFolder creates the output folder and those above it, and makes their names durable.
func createFolder(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return syscall.ENOTDIR
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := createFolder(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	f, err := os.Open(parent)
	if errors.Is(err, fs.ErrPermission) { // a folder that may be written but not read cannot be synced
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return syncFolder(f)
}

// folders makes folders within the output, each once a run. The caller holds a lock.
type folders struct {
	disk disk
	root *os.Root
	done map[string]bool
}

// make creates a folder and syncs the one it is in, which a run that was killed may not have done.
func (f *folders) make(name string) error {
	if name == "." || f.done[name] {
		return nil
	}
	if err := f.make(path.Dir(name)); err != nil {
		return err
	}
	if err := f.disk.Mkdir(name); err != nil {
		info, statErr := f.root.Stat(filepath.FromSlash(name))
		if !errors.Is(err, fs.ErrExist) || statErr != nil {
			return errors.Join(err, statErr)
		}
		if !info.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: name, Err: syscall.ENOTDIR}
		}
	}
	if err := f.disk.SyncDir(path.Dir(name)); err != nil {
		return err
	}
	f.done[name] = true
	return nil
}

// walk visits the files below a folder of the output in the order of their names. Links are not followed.
// A folder that is not there, or that this user may not read, has no files for us.
func walk(root *os.Root, dir string, enter func(name string) bool, visit func(name string) error) error {
	f, err := root.Open(filepath.FromSlash(dir))
	if errors.Is(err, fs.ErrNotExist) || dir != "." && errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	entries, err := f.ReadDir(-1)
	f.Close()
	if err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case e.IsDir() && enter(name):
			err = walk(root, name, enter, visit)
		case e.Type().IsRegular():
			err = visit(name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Temporary files are ".graphscore-<number>.tmp" beside the file they become: short, as the names of parts may
// have all the length that the file system allows.
const tempPrefix, tempSuffix = ".graphscore-", ".tmp"

func isTemp(name string) bool {
	base := path.Base(name)
	number, ok := strings.CutPrefix(base, tempPrefix)
	if !ok {
		return false
	}
	number, ok = strings.CutSuffix(number, tempSuffix)
	return ok && number != "" && strings.Trim(number, "0123456789") == ""
}

// staged is a file on its way: written under a temporary name, sealed, then published under its own. One
// goroutine uses it. discard may be called at any time and does nothing once it is published.
type staged struct {
	out         *Output
	final, temp string
	f           handle
	w           *bufio.Writer
	taken       int64 // bytes given to Write
	written     int64 // bytes that reached f
	published   bool
}

const writeBuffer = 256 << 10

// stage begins the file that will be called final.
func (o *Output) stage(final string) (*staged, error) {
	dir := path.Dir(final)
	o.mu.Lock()
	err := o.folders.make(dir)
	o.mu.Unlock()
	if err != nil {
		return nil, o.creating(dir, err)
	}
	s := &staged{out: o, final: final, temp: path.Join(dir, fmt.Sprintf("%s%d%s", tempPrefix, o.temps.Add(1), tempSuffix))}
	if s.f, err = o.disk.Create(s.temp); err != nil {
		return nil, o.creating(final, err)
	}
	s.w = bufio.NewWriterSize(rawFile{s}, writeBuffer)
	return s, nil
}

func (s *staged) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.taken += int64(n)
	return n, err
}

// Tell is the place in the file where the next byte goes.
func (s *staged) Tell() int64 { return s.taken }

// rawFile is what the buffer of a staged file writes to: it gives errors the name that the file will have.
type rawFile struct{ s *staged }

func (r rawFile) Write(p []byte) (int, error) {
	n, err := r.s.f.Write(p)
	r.s.written += int64(n)
	if err != nil {
		return n, &IOError{
			Op: "writing", Path: r.s.out.path(r.s.final), Err: err, Written: r.s.written, Need: int64(len(p) - n),
		}
	}
	return n, nil
}

// seal makes the content durable and closes the file.
func (s *staged) seal() error {
	if err := s.w.Flush(); err != nil {
		return err
	}
	if err := s.f.Sync(); err != nil {
		return s.failed("syncing", err)
	}
	f := s.f
	s.f = nil
	if err := f.Close(); err != nil {
		return s.failed("closing", err)
	}
	return nil
}

// publish gives the sealed file its name and makes that durable. Where that fails the name is taken away again:
// what may not last must not be seen.
func (s *staged) publish() error {
	if err := s.out.disk.Rename(s.temp, s.final); err != nil {
		return s.failed("renaming to", err)
	}
	s.published = true
	if err := s.out.disk.SyncDir(path.Dir(s.final)); err != nil {
		return errors.Join(s.failed("syncing the folder of", err), s.withdraw())
	}
	return nil
}

// withdraw removes the published file.
func (s *staged) withdraw() error {
	if err := s.out.disk.Remove(s.final); err != nil {
		return s.failed("removing", err)
	}
	return nil
}

// discard closes and removes the temporary file unless it was published.
func (s *staged) discard() error {
	if s == nil || s.published {
		return nil
	}
	s.published = true
	var closing error
	if s.f != nil {
		closing = s.f.Close()
	}
	if err := s.out.disk.Remove(s.temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s.failed("removing the temporary file of", err)
	}
	if closing != nil {
		return s.failed("closing", closing)
	}
	return nil
}

func (s *staged) failed(op string, err error) error {
	return &IOError{Op: op, Path: s.out.path(s.final), Err: err}
}

// creating tells a disk that is full or broken from an output that may not be written to.
func (o *Output) creating(name string, err error) error {
	for _, hardware := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.EMFILE, syscall.ENFILE} {
		if errors.Is(err, hardware) {
			return &IOError{Op: "creating", Path: o.path(name), Err: err}
		}
	}
	return &CreateError{Path: o.path(name), Err: err}
}

// path is the name of a file of the output as messages and the operating system know it.
func (o *Output) path(name string) string { return filepath.Join(o.cfg.Dir, filepath.FromSlash(name)) }
