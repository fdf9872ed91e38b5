package writers

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

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

// QuarantineFault says in what way the quarantine file of a part is not the one that it was committed with: see
// [part.QuarantineFault].
func (v View) QuarantineFault(name string, f *part.Footer) (fault string, err error) {
	return part.QuarantineFault(atomic.At(v.dir), v.dir, name, f)
}

// Size is the number of bytes of a part, 0 where it does not exist. The error is an *atomic.IOError.
func (v View) Size(name string) (int64, error) {
	info, err := os.Lstat(v.Path(name))
	if atomic.Absent(err) {
		return 0, nil
	}
	if err != nil {
		return 0, atomic.LookingFor(v.Path(name), err)
	}
	return info.Size(), nil
}

// Records returns the paths of the run records, newest first. The error is an *atomic.IOError.
func (v View) Records() ([]string, error) { return record.List(v.dir) }

// Succeeded reports whether the output has its _SUCCESS: every planned part is complete, and no gate failed. The error
// is an *atomic.IOError: then nobody can say.
func (v View) Succeeded() (bool, error) {
	_, err := os.Lstat(v.Path(SuccessName))
	if err == nil || atomic.Absent(err) {
		return err == nil, nil
	}
	return false, atomic.LookingFor(v.Path(SuccessName), err)
}

// Holder reads from the lock file who held the output last, and may hold it now. It does not touch the lock, so that a
// run that begins is not disturbed. It is nil where the file does not exist or does not say. The error is an
// *atomic.IOError.
func (v View) Holder() (*Holder, error) {
	file := v.Path(lockName)
	info, err := os.Stat(file)
	switch {
	case atomic.Absent(err):
		return nil, nil
	case err != nil:
		return nil, atomic.LookingFor(file, err)
	case !info.Mode().IsRegular(): // opening a pipe blocks
		return nil, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, &atomic.IOError{Op: "reading", Path: file, Err: err}
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, holderLimit+1))
	if err != nil {
		return nil, &atomic.IOError{Op: "reading", Path: file, Err: err}
	}
	var h Holder
	if len(content) > holderLimit || json.Unmarshal(content, &h) != nil || h.RunID == "" {
		return nil, nil
	}
	return &h, nil
}

// CheckFree returns a *LockedError where a run holds the output, alone or beside others, else nil. It creates nothing. To
// find out, it shares the locks for an instant: a run that begins in just that instant would take the output for held.
func (v View) CheckFree() error {
	if err := v.CheckShared(); err != nil {
		return err
	}
	root, err := openExisting(v.dir)
	if root == nil || err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // it was only read
	return tasksAtWork(root, v.dir)
}

// CheckShared returns a *LockedError where a run has the output alone, else nil. It is otherwise as CheckFree.
func (v View) CheckShared() error { return v.checkFree(lockName, v.dir, true) }

// checkFree is CheckFree for a file in the folder; held is what messages call what it locks. Where the caller would not
// share the lock, it is held by whoever shares it as well.
func (v View) checkFree(name, held string, shared bool) error {
	root, err := openExisting(v.dir)
	if root == nil || err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // it was only read
	f, err := root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return atomic.Creating(v.Path(name), err)
	}
	defer f.Close()
	l := newLock(v.Path(name), os.O_RDONLY)
	try := l.TryLock
	if shared {
		try = l.TryRLock
	}
	free, err := try()
	if err != nil {
		return atomic.Creating(v.Path(name), err)
	}
	if !free {
		return lockedError(held, f, !shared && sharedNow(l))
	}
	if err := l.Close(); err != nil {
		return &atomic.IOError{Op: "unlocking", Path: v.Path(name), Err: err}
	}
	return nil
}

// ExistingIDTypes returns the types of ids in the first of the parts that exists, Int64 for both where none does. The
// error is an *atomic.CreateError where the folder is none or may not be read, or an *atomic.IOError.
func (v View) ExistingIDTypes(parts []string) (graphIDs, nodeIDs graph.IDKind, err error) {
	root, err := openExisting(v.dir)
	if root == nil || err != nil {
		return graph.Int64, graph.Int64, err
	}
	defer func() { _ = root.Close() }() // it was only read
	for _, name := range parts {
		f, err := footerOf(atomic.Below(root), v.dir, name)
		if part.IsPartError(err) || atomic.Absent(err) {
			continue // Reconcile says what is wrong with it
		}
		if err != nil {
			return graph.Int64, graph.Int64, err
		}
		graphIDs, nodeIDs = f.Settings.IDTypes()
		return graphIDs, nodeIDs, nil
	}
	return graph.Int64, graph.Int64, nil
}

// openExisting opens a folder, and returns nil where it does not exist. The error is that of [atomic.Creating].
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
		return nil, atomic.Creating(dir, err)
	}
	return root, nil
}
