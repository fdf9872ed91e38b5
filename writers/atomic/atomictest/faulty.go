// Package atomictest has disks that fail, die and lose power, for tests of what is written through writers/atomic.
// Nothing but tests imports it.
package atomictest

import (
	"errors"
	"io/fs"
	"sync"

	"graphscore/writers/atomic"
)

// ErrDead is what every step of a process fails with that has died.
var ErrDead = errors.New("dead")

// Faulty is a disk whose steps fail as a test says. It is safe for concurrent use.
type Faulty struct {
	atomic.Disk
	// Fail is called before each step that changes the disk, in their order and one at a time: an error is what the step
	// fails with. A write that fails has written half of what it was given, but with [ErrDead] nothing.
	Fail func(op, name string) error
	// Look is the same for each look at the disk. Default: none fails.
	Look func(op, name string) error

	mu sync.Mutex
}

func (d *Faulty) step(op, name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.Fail(op, name)
}

func (d *Faulty) look(op, name string) error {
	if d.Look == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.Look(op, name)
}

// Create implements atomic.Disk.
func (d *Faulty) Create(name string) (atomic.Handle, error) {
	if err := d.step("create", name); err != nil {
		return nil, err
	}
	f, err := d.Disk.Create(name)
	if err != nil {
		return nil, err
	}
	return &faultyFile{f, d, name}, nil
}

// Mkdir implements atomic.Disk.
func (d *Faulty) Mkdir(name string) error {
	if err := d.step("mkdir", name); err != nil {
		return err
	}
	return d.Disk.Mkdir(name)
}

// Rename implements atomic.Disk.
func (d *Faulty) Rename(from, to string) error {
	if err := d.step("rename", to); err != nil {
		return err
	}
	return d.Disk.Rename(from, to)
}

// RenameNew implements atomic.Disk.
func (d *Faulty) RenameNew(from, to string) error {
	if err := d.step("rename", to); err != nil {
		return err
	}
	return d.Disk.RenameNew(from, to)
}

// Remove implements atomic.Disk.
func (d *Faulty) Remove(name string) error {
	if err := d.step("remove", name); err != nil {
		return err
	}
	return d.Disk.Remove(name)
}

// SyncDir implements atomic.Disk.
func (d *Faulty) SyncDir(name string) error {
	if err := d.step("syncdir", name); err != nil {
		return err
	}
	return d.Disk.SyncDir(name)
}

// Lstat implements atomic.Disk.
func (d *Faulty) Lstat(name string) (fs.FileInfo, error) {
	if err := d.look("lstat", name); err != nil {
		return nil, err
	}
	return d.Disk.Lstat(name)
}

// ReadDir implements atomic.Disk.
func (d *Faulty) ReadDir(name string) ([]fs.DirEntry, error) {
	if err := d.look("readdir", name); err != nil {
		return nil, err
	}
	return d.Disk.ReadDir(name)
}

// Open implements atomic.Disk.
func (d *Faulty) Open(name string) (atomic.Opened, error) {
	if err := d.look("open", name); err != nil {
		return nil, err
	}
	return d.Disk.Open(name)
}

type faultyFile struct {
	atomic.Handle
	d    *Faulty
	name string
}

func (f *faultyFile) Write(p []byte) (int, error) {
	if err := f.d.step("write", f.name); err != nil {
		n := 0
		if !errors.Is(err, ErrDead) {
			n, _ = f.Handle.Write(p[:len(p)/2]) // the other error is the one that is injected
		}
		return n, err
	}
	return f.Handle.Write(p)
}

func (f *faultyFile) Sync() error {
	if err := f.d.step("sync", f.name); err != nil {
		return err
	}
	return f.Handle.Sync()
}

// Close frees the descriptor even of a process that died.
func (f *faultyFile) Close() error {
	return errors.Join(f.d.step("close", f.name), f.Handle.Close())
}
