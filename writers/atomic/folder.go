package atomic

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
)

// Folder is a directory below which files are written. It follows no link that leads out. Its methods are safe for
// concurrent use. Names have slashes and are relative to it.
type Folder struct {
	dir  string
	tag  string
	root *os.Root
	disk Disk
	// temps numbers temporary files. It begins at random: writers that share a folder and no lock never take the same
	// name, not even one after the other.
	temps atomic.Int64

	mu   sync.Mutex
	made map[string]bool // folders that exist and whose names are durable
}

// Options are what may differ between folders. The zero value is the usual one.
type Options struct {
	// Tag is a word of small letters and digits, a letter first, in the names of temporary files, for writers that share a folder with others but
	// not a lock: RemoveTemps removes those of its own tag only.
	Tag string
	// Wrap returns the disk to use in the place of the real one, for tests.
	Wrap func(Disk) Disk
}

// OpenFolder creates a folder and those above it where they do not exist, makes their names durable, and opens it.
// The error is that of [Creating]. The caller must call Close.
func OpenFolder(dir string, opts Options) (*Folder, error) {
	if err := createFolder(filepath.Clean(dir)); err != nil {
		return nil, Creating(dir, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, Creating(dir, err)
	}
	f := &Folder{dir: dir, tag: opts.Tag, root: root, disk: rootDisk{root}, made: make(map[string]bool)}
	if opts.Wrap != nil {
		f.disk = opts.Wrap(f.disk)
	}
	f.temps.Store(rand.Int64N(1 << 53))
	return f, nil
}

// Close frees the folder. Files that are still staged must be discarded first.
func (f *Folder) Close() error {
	if err := f.root.Close(); err != nil {
		return &IOError{Op: "closing", Path: f.dir, Err: err}
	}
	return nil
}

// Root is the opened directory. It belongs to the folder.
func (f *Folder) Root() *os.Root { return f.root }

// Named reports whether the name that the folder was opened by still leads to it: not where it was moved, or another one took
// its place. Who asks has written to the folder, or could. Errors are those of [LookingFor], [Creating], or an *IOError.
func (f *Folder) Named() (bool, error) {
	opened, err := f.root.Stat(".")
	if err != nil {
		return false, LookingFor(f.dir, err)
	}
	named, err := os.Stat(f.dir)
	switch {
	case err != nil && !Absent(err):
		return false, LookingFor(f.dir, err)
	case err != nil || os.SameFile(opened, named):
		return err == nil, nil
	}
	return f.shows()
}

// shows reports whether a temporary file that is written to the folder is below its name, too. Some network disks number a
// folder anew at each look.
func (f *Folder) shows() (bool, error) {
	probe := tempName(f.tag, f.temps.Add(1))
	h, err := f.disk.Create(probe)
	if err != nil {
		return false, f.creating(probe, err)
	}
	_, seen := os.Lstat(f.Path(probe))
	if err := errors.Join(h.Close(), f.disk.Remove(probe)); err != nil {
		return false, &IOError{Op: "removing", Path: f.Path(probe), Err: err}
	}
	if seen != nil && !Absent(seen) {
		return false, LookingFor(f.Path(probe), seen)
	}
	return seen == nil, nil
}

// Looks are those at the folder, for reading.
func (f *Folder) Looks() Looks { return f.disk }

// Path is the name of a file as messages and the operating system know it.
func (f *Folder) Path(name string) string { return PathBelow(f.dir, name) }

// PathBelow is the path of a name with slashes below a folder.
func PathBelow(dir, name string) string { return filepath.Join(dir, filepath.FromSlash(name)) }

// CheckWritable creates and removes a temporary file. The error is a *CreateError, or an *IOError where the disk is
// full or broken.
func (f *Folder) CheckWritable() error {
	probe := tempName(f.tag, 0)
	h, err := f.disk.Create(probe)
	if err == nil {
		err = errors.Join(h.Close(), f.disk.Remove(probe))
	}
	return f.creating(".", err)
}

// RemoveTemps removes temporary files in the folder itself and in those below it for which enter returns true: all of
// them, or with a tag those of the tag. Only who holds the lock under which they are written may call it. The error is
// an *IOError.
func (f *Folder) RemoveTemps(enter func(name string) bool) error {
	return f.Walk(".", enter, func(name string) error {
		if tag, ok := tempTag(name); !ok || f.tag != "" && tag != f.tag {
			return nil
		}
		return f.RemoveLater(name)
	})
}

// Exists reports whether anything has the name. The error is an *IOError: then nobody can say.
func (f *Folder) Exists(name string) (bool, error) { return f.ExistsNear(f.disk, name) }

// ExistsNear is Exists by other looks at the folder, as those of many names.
func (f *Folder) ExistsNear(looks Looks, name string) (bool, error) {
	_, err := looks.Lstat(name)
	switch {
	case err == nil:
		return true, nil
	case Absent(err):
		return false, nil
	default:
		return false, LookingFor(f.Path(name), err)
	}
}

// Remove removes a file durably. It does nothing where there is none. The error is an *IOError.
func (f *Folder) Remove(name string) error {
	err := f.disk.Remove(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &IOError{Op: "removing", Path: f.Path(name), Err: err}
	}
	if err := f.disk.SyncDir(path.Dir(name)); err != nil {
		return &IOError{Op: "syncing the folder of", Path: f.Path(name), Err: err}
	}
	return nil
}

// RemoveLater removes a file, which a power failure may bring back. The error is an *IOError.
func (f *Folder) RemoveLater(name string) error {
	if err := f.disk.Remove(name); err != nil {
		return &IOError{Op: "removing", Path: f.Path(name), Err: err}
	}
	return nil
}

// CreateEmpty creates an empty file durably, directly under its name: it has no content that could be incomplete.
func (f *Folder) CreateEmpty(name string) error {
	h, err := f.disk.Create(name)
	if err != nil {
		return f.creating(name, err)
	}
	if err := errors.Join(h.Sync(), h.Close(), f.disk.SyncDir(path.Dir(name))); err != nil {
		return &IOError{Op: "syncing", Path: f.Path(name), Err: err}
	}
	return nil
}

// Stage begins a file that will have the name, and makes the folders that it lies in. The error is a *CreateError, or
// an *IOError where the disk is full or broken. The caller must publish or discard the file.
func (f *Folder) Stage(name string) (*File, error) {
	dir := path.Dir(name)
	if err := f.MakeFolder(dir); err != nil {
		return nil, err
	}
	temp := path.Join(dir, tempName(f.tag, f.temps.Add(1)))
	return newFile(f.disk, name, temp, f.Path(name))
}

// Same reports whether a sealed file of the folder has the bytes of the file that has its name now. The error is an
// *IOError.
func (f *Folder) Same(file *File) (bool, error) {
	same, err := f.sameBytes(file.temp, file.final)
	if err != nil {
		return false, &IOError{Op: "reading", Path: file.path, Err: err}
	}
	return same, nil
}

// sameBytes compares two files. One that does not exist, or is none, is the same as no other.
func (f *Folder) sameBytes(a, b string) (same bool, err error) {
	info, err := f.disk.Lstat(b)
	if Absent(err) || err == nil && !info.Mode().IsRegular() { // opening a pipe blocks
		return false, nil
	}
	if err != nil {
		return false, err
	}
	x, err := f.disk.Open(a)
	if err != nil {
		return false, err
	}
	defer x.Close()
	y, err := f.disk.Open(b)
	if err != nil {
		return false, err
	}
	defer y.Close()
	p, q := make([]byte, compareBuffer), make([]byte, compareBuffer)
	for {
		n, err := io.ReadFull(x, p)
		m, other := io.ReadFull(y, q)
		ends := err == io.EOF || err == io.ErrUnexpectedEOF
		switch {
		case err != nil && !ends:
			return false, err
		case other != nil && other != io.EOF && other != io.ErrUnexpectedEOF:
			return false, other
		case !bytes.Equal(p[:n], q[:m]):
			return false, nil
		case ends:
			return true, nil
		}
	}
}

// compareBuffer is how many bytes of two files are compared at a time.
const compareBuffer = 64 << 10

// MakeFolder creates a folder and those above it where they do not exist. The error is that of [Creating].
func (f *Folder) MakeFolder(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.creating(name, f.makeFolder(name))
}

// makeFolder creates a folder, once, and syncs the one it is in, which a run that was killed may not have done. The
// caller holds mu.
func (f *Folder) makeFolder(name string) error {
	if name == "." || f.made[name] {
		return nil
	}
	if err := f.makeFolder(path.Dir(name)); err != nil {
		return err
	}
	if err := f.disk.Mkdir(name); err != nil {
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		info, err := f.disk.Stat(name)
		if err != nil {
			return err
		}
		if !info.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: name, Err: syscall.ENOTDIR}
		}
	}
	if err := f.disk.SyncDir(path.Dir(name)); err != nil {
		return err
	}
	f.made[name] = true
	return nil
}

func (f *Folder) creating(name string, err error) error { return Creating(f.Path(name), err) }

// createFolder creates a folder and those above it, and makes their names durable.
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
	return pathDisk{parent}.SyncDir(".")
}

// Walk is [Walk] in the folder.
func (f *Folder) Walk(dir string, enter func(name string) bool, visit func(name string) error) error {
	return Walk(f.disk, f.dir, dir, enter, visit)
}

// LostAndFound is the folder that file systems keep at their root for their repairs, which only the administrator may
// read: nothing of ours is ever in it.
const LostAndFound = "lost+found"

// Walk visits the files below the folder dir of looks, which are those at the folder root, in the order of their names,
// and enters the folders for which enter returns true. Links are not followed. A folder that does not exist has no
// files; one that cannot be read is an *IOError, as nobody can say what is in it. Errors of visit end the walk as they
// are.
func Walk(looks Looks, root, dir string, enter func(name string) bool, visit func(name string) error) error {
	entries, err := looks.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &IOError{Op: "reading", Path: PathBelow(root, dir), Err: err}
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case name == LostAndFound:
		case e.IsDir() && enter(name):
			err = Walk(looks, root, name, enter, visit)
		case e.Type().IsRegular():
			err = visit(name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
