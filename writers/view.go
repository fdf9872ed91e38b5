package writers

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/gofrs/flock"

	"graphscore/pipeline/graph"
	"graphscore/writers/atomic"
	"graphscore/writers/part"
	"graphscore/writers/record"
)

// View is the read side of an output: it reads, changes nothing and holds nothing. The folder need not exist. A run
// that writes there meanwhile may be seen half done. Names of parts have slashes and are relative to the folder.
type View struct{ dir string }

// NewView returns the view of the output in a folder.
func NewView(dir string) View { return View{dir: dir} }

// Dir is the folder.
func (v View) Dir() string { return v.dir }

// Path is the name of a file of the output as the operating system knows it.
func (v View) Path(name string) string { return filepath.Join(v.dir, filepath.FromSlash(name)) }

// Footer reads the footer of a part. Errors are those of [part.ReadFooter].
func (v View) Footer(name string) (*part.Footer, error) { return part.ReadFooter(v.Path(name)) }

// OpenPart opens a part to read its rows. Errors are those of [part.Open].
func (v View) OpenPart(name string) (*part.Reader, error) { return part.Open(v.Path(name)) }

// Quarantine opens the quarantine file of a part that was made from the input. Errors are those of
// [part.OpenQuarantine].
func (v View) Quarantine(name, input string) (*part.QuarantineReader, error) {
	return part.OpenQuarantine(v.Path(part.QuarantineName(name)), input)
}

// Size is the number of bytes of a part, 0 where it does not exist.
func (v View) Size(name string) int64 {
	info, err := os.Lstat(v.Path(name))
	if err != nil {
		return 0
	}
	return info.Size()
}

// Records returns the paths of the run records, newest first. The error is an *atomic.IOError.
func (v View) Records() ([]string, error) { return record.List(v.dir) }

// Succeeded reports whether the output has its _SUCCESS: every planned part is complete, and no gate failed.
func (v View) Succeeded() bool {
	_, err := os.Lstat(v.Path(SuccessName))
	return err == nil
}

// Holder reads from the lock file who held the output last, and may hold it now. It does not touch the lock, so that a
// run that begins is not disturbed. It is nil where the file does not exist or does not say.
func (v View) Holder() *Holder {
	file := v.Path(lockName)
	if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() { // opening a pipe blocks
		return nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, holderLimit+1))
	var h Holder
	if err != nil || len(content) > holderLimit || json.Unmarshal(content, &h) != nil || h.RunID == "" {
		return nil
	}
	return &h
}

// CheckFree returns a *LockedError where a run holds the output, else nil. It creates nothing. To find out, it shares
// the lock for an instant: a run that begins in just that instant would take the output for held.
func (v View) CheckFree() error {
	root, err := openExisting(v.dir)
	if root == nil || err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // it was only read
	f, err := root.Open(lockName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return atomic.Creating(v.Path(lockName), err)
	}
	defer f.Close()
	l := flock.New(v.Path(lockName), flock.SetFlag(os.O_RDONLY|syscall.O_NOFOLLOW))
	free, err := l.TryRLock()
	if err != nil {
		return &atomic.CreateError{Path: v.Path(lockName), Err: err}
	}
	if !free {
		return lockedError(v.dir, f)
	}
	return l.Close()
}

// ExistingIDTypes returns the types of ids in the first of the parts that exists, Int64 for both where none does. The
// error is an *atomic.CreateError where the folder is none or cannot be read.
func (v View) ExistingIDTypes(parts []string) (graphIDs, nodeIDs graph.IDKind, err error) {
	root, err := openExisting(v.dir)
	if root == nil || err != nil {
		return graph.Int64, graph.Int64, err
	}
	defer func() { _ = root.Close() }() // it was only read
	for _, name := range parts {
		f, err := footerOf(root, v.dir, name)
		if err != nil {
			continue // Reconcile says what is wrong with it
		}
		graphIDs, nodeIDs = f.Settings.IDTypes()
		return graphIDs, nodeIDs, nil
	}
	return graph.Int64, graph.Int64, nil
}

// openExisting opens a folder, and returns nil where it does not exist. The error is an *atomic.CreateError.
func openExisting(dir string) (*os.Root, error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err == nil && !info.IsDir():
		err = syscall.ENOTDIR
	}
	var root *os.Root
	if err == nil {
		root, err = os.OpenRoot(dir)
	}
	if err != nil {
		return nil, &atomic.CreateError{Path: dir, Err: err}
	}
	return root, nil
}
