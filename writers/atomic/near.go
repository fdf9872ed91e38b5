package atomic

import (
	"errors"
	"io/fs"
	"os"
	"path"
)

// Near is looks at many files, most of them in the folder of the one before: that is opened once, where each look would open
// it again. One goroutine uses it, and closes it.
type Near struct {
	Looks
	root    *os.Root // nil where the looks are not at one: then they are asked each time
	absence bool     // is remembered

	dir    string
	in     *os.Root // of dir, nil where it cannot be opened
	absent error    // why, where dir does not exist
}

// NewNear returns near looks of other looks, which it does not close. With absence, a folder that was found absent is
// absent for all its names, until a name of another folder is asked for: it may have been made since.
func NewNear(looks Looks, absence bool) *Near {
	n := &Near{Looks: looks, absence: absence}
	if d, is := looks.(rootDisk); is {
		n.root = d.root
	}
	return n
}

// enter opens the folder of a name, and returns what is left of the name. in is nil where the looks below must be asked.
func (n *Near) enter(name string) (in *os.Root, base string, absent error) {
	dir, base := path.Split(name)
	if n.root == nil || dir == "" {
		return nil, "", nil
	}
	if dir != n.dir {
		n.leave()
		var err error
		if n.in, err = n.root.OpenRoot(path.Clean(dir)); n.absence && errors.Is(err, fs.ErrNotExist) {
			n.absent = err
		}
		n.dir = dir
	}
	return n.in, base, n.absent
}

func (n *Near) leave() {
	if n.in != nil {
		_ = n.in.Close() // it was only read
	}
	n.dir, n.in, n.absent = "", nil, nil
}

// Close closes the folder that is open. It may be called more than once.
func (n *Near) Close() { n.leave() }

// look looks at a name in its folder, or where nobody knows better below.
func look[T any](n *Near, name string, near func(in *os.Root, base string) (T, error), below func(string) (T, error)) (T, error) {
	in, base, absent := n.enter(name)
	switch {
	case absent != nil:
		var none T
		return none, absent
	case in == nil:
		return below(name)
	}
	found, err := near(in, base)
	if err == nil {
		return found, nil
	}
	return below(name) // which names it by its path
}

// Lstat implements [Looks].
func (n *Near) Lstat(name string) (fs.FileInfo, error) {
	return look(n, name, (*os.Root).Lstat, n.Looks.Lstat)
}

// Stat implements [Looks].
func (n *Near) Stat(name string) (fs.FileInfo, error) {
	return look(n, name, (*os.Root).Stat, n.Looks.Stat)
}

// Open implements [Looks].
func (n *Near) Open(name string) (Opened, error) {
	return look(n, name, func(in *os.Root, base string) (Opened, error) { return opened(in.Open(base)) }, n.Looks.Open)
}
