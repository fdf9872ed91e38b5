package writers

import (
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"graphscore/writers/atomic"
)

// quick is a disk that syncs nothing: most tests need not wait for it.
func quick(inner atomic.Disk) atomic.Disk { return quickDisk{inner} }

type quickDisk struct{ atomic.Disk }

func (d quickDisk) SyncDir(string) error { return nil }

func (d quickDisk) Create(name string) (atomic.Handle, error) {
	f, err := d.Disk.Create(name)
	if err != nil {
		return nil, err
	}
	return quickFile{f}, nil
}

type quickFile struct{ atomic.Handle }

func (f quickFile) Sync() error { return nil }

// powerDisk remembers what a power failure would undo: names in folders that were not synced since, and the
// content of files that were not.
type powerDisk struct {
	atomic.Disk
	dir   string
	mu    sync.Mutex
	undo  map[string][]func() error // by folder, oldest first
	dirty map[string]bool           // files by their present name
}

func newPowerDisk(dir string) *powerDisk {
	return &powerDisk{dir: dir, undo: map[string][]func() error{}, dirty: map[string]bool{}}
}

func (d *powerDisk) real(name string) string { return filepath.Join(d.dir, filepath.FromSlash(name)) }

func (d *powerDisk) later(name string, undo func() error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.undo[path.Dir(name)] = append(d.undo[path.Dir(name)], undo)
}

func (d *powerDisk) Create(name string) (atomic.Handle, error) {
	f, err := d.Disk.Create(name)
	if err != nil {
		return nil, err
	}
	d.later(name, func() error { return os.RemoveAll(d.real(name)) })
	d.mu.Lock()
	d.dirty[name] = true
	d.mu.Unlock()
	return &powerFile{f, d, name}, nil
}

func (d *powerDisk) Mkdir(name string) error {
	if err := d.Disk.Mkdir(name); err != nil {
		return err
	}
	d.later(name, func() error { return os.RemoveAll(d.real(name)) })
	return nil
}

func (d *powerDisk) Rename(from, to string) error {
	old, oldErr := os.ReadFile(d.real(to))
	if err := d.Disk.Rename(from, to); err != nil {
		return err
	}
	d.mu.Lock()
	d.dirty[to] = d.dirty[from]
	delete(d.dirty, from)
	d.mu.Unlock()
	d.later(to, func() error {
		if err := os.Rename(d.real(to), d.real(from)); err != nil || oldErr != nil {
			return err
		}
		return os.WriteFile(d.real(to), old, 0o666)
	})
	return nil
}

func (d *powerDisk) RenameNew(from, to string) error {
	if err := d.Disk.RenameNew(from, to); err != nil {
		return err
	}
	d.mu.Lock()
	d.dirty[to] = d.dirty[from]
	delete(d.dirty, from)
	d.mu.Unlock()
	d.later(to, func() error { return os.Rename(d.real(to), d.real(from)) })
	return nil
}

func (d *powerDisk) Remove(name string) error {
	old, err := os.ReadFile(d.real(name))
	if err != nil {
		return err
	}
	if err := d.Disk.Remove(name); err != nil {
		return err
	}
	d.later(name, func() error { return os.WriteFile(d.real(name), old, 0o666) })
	return nil
}

func (d *powerDisk) SyncDir(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.undo, name)
	return d.Disk.SyncDir(name)
}

type powerFile struct {
	atomic.Handle
	d    *powerDisk
	name string
}

func (f *powerFile) Sync() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	delete(f.d.dirty, f.name)
	return f.Handle.Sync()
}

// lose is the power failure: folders for which lost says so go back to their last sync, files that were not
// synced lose half of what they had.
func (d *powerDisk) lose(t *testing.T, lost func(dir string) bool) {
	t.Helper()
	for name, dirty := range d.dirty {
		if info, err := os.Stat(d.real(name)); dirty && err == nil {
			must(t, os.Truncate(d.real(name), info.Size()/2))
		}
	}
	dirs := slices.Sorted(maps.Keys(d.undo))
	slices.Reverse(dirs) // those within others first
	for _, dir := range dirs {
		if !lost(dir) {
			continue
		}
		for _, undo := range slices.Backward(d.undo[dir]) {
			must(t, undo())
		}
	}
}
