package atomictest

import (
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"

	"graphscore/writers/atomic"
)

// Quick is a disk that syncs nothing: most tests need not wait for it.
func Quick(inner atomic.Disk) atomic.Disk { return quick{inner} }

type quick struct{ atomic.Disk }

func (quick) SyncDir(string) error { return nil }

func (d quick) Create(name string) (atomic.Handle, error) {
	f, err := d.Disk.Create(name)
	if err != nil {
		return nil, err
	}
	return quickFile{f}, nil
}

type quickFile struct{ atomic.Handle }

func (quickFile) Sync() error { return nil }

// Power is that of the machine with the disks of one folder. It remembers what a power failure would undo: names in
// folders that were not synced since, and the content of files that were not. It is safe for concurrent use.
type Power struct {
	dir   string
	mu    sync.Mutex
	undo  map[string][]func() error // by folder, oldest first
	dirty map[string]bool           // files by their present name
}

// NewPower is the power of the machine with a folder that is durable as it is.
func NewPower(dir string) *Power {
	return &Power{dir: dir, undo: map[string][]func() error{}, dirty: map[string]bool{}}
}

// Disk returns a disk of the folder, which is that of one process of several.
func (p *Power) Disk(inner atomic.Disk) atomic.Disk { return &powerDisk{inner, p} }

// Lose is the power failure: folders for which lost says so go back to their last sync, files that were not synced lose
// half of what they had. No process may be at work. Everything that is left is durable.
func (p *Power) Lose(lost func(dir string) bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, dirty := range p.dirty {
		info, err := os.Stat(p.real(name))
		if !dirty || err != nil {
			continue
		}
		if err := os.Truncate(p.real(name), info.Size()/2); err != nil {
			return err
		}
	}
	dirs := slices.Sorted(maps.Keys(p.undo))
	slices.Reverse(dirs) // those within others first
	for _, dir := range dirs {
		if !lost(dir) {
			continue
		}
		for _, undo := range slices.Backward(p.undo[dir]) {
			if err := undo(); err != nil {
				return err
			}
		}
	}
	clear(p.undo)
	clear(p.dirty)
	return nil
}

func (p *Power) real(name string) string { return filepath.Join(p.dir, filepath.FromSlash(name)) }

// later records how a step would be undone. It is called with the lock held.
func (p *Power) later(name string, undo func() error) {
	p.undo[path.Dir(name)] = append(p.undo[path.Dir(name)], undo)
}

// renamed records that a file has another name. It is called with the lock held.
func (p *Power) renamed(from, to string, undo func() error) {
	p.dirty[to] = p.dirty[from]
	delete(p.dirty, from)
	p.later(to, undo)
}

type powerDisk struct {
	atomic.Disk
	p *Power
}

func (d *powerDisk) Create(name string) (atomic.Handle, error) {
	d.p.mu.Lock()
	defer d.p.mu.Unlock()
	f, err := d.Disk.Create(name)
	if err != nil {
		return nil, err
	}
	d.p.later(name, func() error { return os.RemoveAll(d.p.real(name)) })
	d.p.dirty[name] = true
	return &powerFile{f, d.p, name}, nil
}

func (d *powerDisk) Mkdir(name string) error {
	d.p.mu.Lock()
	defer d.p.mu.Unlock()
	if err := d.Disk.Mkdir(name); err != nil {
		return err
	}
	d.p.later(name, func() error { return os.RemoveAll(d.p.real(name)) })
	return nil
}

func (d *powerDisk) Rename(from, to string) error {
	d.p.mu.Lock()
	defer d.p.mu.Unlock()
	old, oldErr := os.ReadFile(d.p.real(to))
	if err := d.Disk.Rename(from, to); err != nil {
		return err
	}
	d.p.renamed(from, to, func() error {
		if err := os.Rename(d.p.real(to), d.p.real(from)); err != nil || oldErr != nil {
			return err
		}
		return os.WriteFile(d.p.real(to), old, 0o666)
	})
	return nil
}

func (d *powerDisk) RenameNew(from, to string) error {
	d.p.mu.Lock()
	defer d.p.mu.Unlock()
	if err := d.Disk.RenameNew(from, to); err != nil {
		return err
	}
	d.p.renamed(from, to, func() error { return os.Rename(d.p.real(to), d.p.real(from)) })
	return nil
}

func (d *powerDisk) Remove(name string) error {
	d.p.mu.Lock()
	defer d.p.mu.Unlock()
	old, err := os.ReadFile(d.p.real(name))
	if err != nil {
		return err
	}
	if err := d.Disk.Remove(name); err != nil {
		return err
	}
	d.p.later(name, func() error { return os.WriteFile(d.p.real(name), old, 0o666) })
	return nil
}

func (d *powerDisk) SyncDir(name string) error {
	d.p.mu.Lock()
	defer d.p.mu.Unlock()
	delete(d.p.undo, name)
	return d.Disk.SyncDir(name)
}

type powerFile struct {
	atomic.Handle
	p    *Power
	name string
}

func (f *powerFile) Sync() error {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	delete(f.p.dirty, f.name)
	return f.Handle.Sync()
}
