package writers

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gofrs/flock"
)

// Names of the output that are not parts.
const (
	successName   = "_SUCCESS"
	quarantineDir = "_quarantine"
	runsDir       = "_runs"
)

// Output is the folder of a run, held until Close. Its methods are safe for concurrent use, those of its parts
// are not.
type Output struct {
	cfg   Config
	root  *os.Root
	disk  disk
	flock *flock.Flock
	temps atomic.Int64 // numbers temporary files

	mu      sync.Mutex
	folders folders
	begun   bool
	stands  map[string]bool // parts of the plan that match: skipped or committed
	specs   []Spec          // the plan, once reconciled
}

// Open creates the folder where it is not there, locks it, and removes the temporary files of runs that were
// killed. It does not wait: a lock that is held is a *LockedError. A folder that cannot be created or written to
// is a *CreateError.
func Open(ctx context.Context, cfg Config) (*Output, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("opening the output %q: %w", cfg.Dir, err)
	}
	if err := createFolder(filepath.Clean(cfg.Dir)); err != nil {
		return nil, &CreateError{Path: cfg.Dir, Err: err}
	}
	root, err := os.OpenRoot(cfg.Dir)
	if err != nil {
		return nil, &CreateError{Path: cfg.Dir, Err: err}
	}
	o := &Output{cfg: cfg, root: root, stands: make(map[string]bool)}
	o.disk = cfg.disk(rootDisk{root})
	o.folders = folders{disk: o.disk, root: root, done: make(map[string]bool)}
	if err := o.take(ctx); err != nil {
		return nil, errors.Join(err, o.Close())
	}
	return o, nil
}

// take locks the folder, cleans it, and finds out whether it can be written to.
func (o *Output) take(ctx context.Context) error {
	if err := o.lock(); err != nil {
		return err
	}
	if err := o.clean(ctx); err != nil {
		return err
	}
	const probe = tempPrefix + "0" + tempSuffix
	f, err := o.disk.Create(probe)
	if err == nil {
		err = errors.Join(f.Close(), o.disk.Remove(probe))
	}
	if err != nil {
		return o.creating(".", err)
	}
	return nil
}

// clean removes temporary files. Whoever holds the lock owns them all.
func (o *Output) clean(ctx context.Context) error {
	ours := func(name string) bool { return !strings.HasPrefix(path.Base(name), ".") && ctx.Err() == nil }
	err := walk(o.root, ".", ours, func(name string) error {
		if !isTemp(name) {
			return nil
		}
		return o.disk.Remove(name)
	})
	if err != nil {
		return o.creating(".", err)
	}
	return ctx.Err()
}

// Begin removes _SUCCESS. It comes before the first change of a run and may be called again.
func (o *Output) Begin() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.begun {
		return nil
	}
	if err := o.remove(successName); err != nil {
		return err
	}
	o.begun = true
	return nil
}

// remove removes a file, if it is there, for good.
func (o *Output) remove(name string) error {
	if _, err := o.root.Lstat(filepath.FromSlash(name)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := o.disk.Remove(name); err != nil {
		return &IOError{Op: "removing", Path: o.path(name), Err: err}
	}
	if err := o.disk.SyncDir(path.Dir(name)); err != nil {
		return &IOError{Op: "syncing the folder of", Path: o.path(name), Err: err}
	}
	return nil
}

// exists says whether anything has the name.
func (o *Output) exists(name string) bool {
	_, err := o.root.Lstat(filepath.FromSlash(name))
	return err == nil
}

// Settle leaves in the output what belongs there once the shards are done: it removes the superseded parts of every
// input whose new parts all stand, and quarantine files without a part. No part may be open.
func (o *Output) Settle(ctx context.Context, r *Reconciled) error {
	if err := o.supersede(ctx, r); err != nil {
		return err
	}
	return o.sweep(ctx)
}

// Finish ends a run: it settles the output, and with ok, which means that every planned shard has its part and no
// gate failed, it writes _SUCCESS, else it removes it. No part may be open.
func (o *Output) Finish(ctx context.Context, r *Reconciled, ok bool) error {
	if err := o.Settle(ctx, r); err != nil {
		return err
	}
	if !ok {
		return o.Begin()
	}
	if o.exists(successName) {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	s, err := o.disk.Create(successName)
	if err != nil {
		return o.creating(successName, err)
	}
	if err := errors.Join(s.Sync(), s.Close(), o.disk.SyncDir(".")); err != nil {
		return &IOError{Op: "syncing", Path: o.path(successName), Err: err}
	}
	o.begun = false
	return nil
}

// supersede removes old ranges whose inputs have all their new parts.
func (o *Output) supersede(ctx context.Context, r *Reconciled) error {
	if r == nil || len(r.superseded) == 0 {
		return nil
	}
	missing := make(map[string]bool)
	o.mu.Lock()
	for _, s := range o.specs {
		if !o.stands[s.Part] {
			missing[text(s.Input)] = true
		}
	}
	o.mu.Unlock()
	for _, old := range r.superseded {
		if missing[old.input] {
			continue
		}
		if err := errors.Join(ctx.Err(), o.Begin()); err != nil {
			return err
		}
		if err := o.remove(old.part); err != nil {
			return err
		}
	}
	return nil
}

// sweep removes quarantine files whose part is not there: those of superseded parts, and what a process left
// that died between giving the two their names.
func (o *Output) sweep(ctx context.Context) error {
	everywhere := func(string) bool { return ctx.Err() == nil }
	err := walk(o.root, quarantineDir, everywhere, func(name string) error {
		part, ours := strings.CutSuffix(strings.TrimPrefix(name, quarantineDir+"/"), quarantineSuffix)
		if !ours || !strings.HasSuffix(part, partSuffix) || o.exists(part) {
			return nil
		}
		if err := o.Begin(); err != nil {
			return err
		}
		return o.remove(name)
	})
	var failed *IOError
	if err != nil && !errors.As(err, &failed) {
		err = &IOError{Op: "reading", Path: o.path(quarantineDir), Err: err}
	}
	return errors.Join(err, ctx.Err())
}

// Close frees the lock. Parts that are still open must be closed first.
func (o *Output) Close() error {
	err := o.unlock()
	if closing := o.root.Close(); closing != nil {
		err = errors.Join(err, &IOError{Op: "closing", Path: o.cfg.Dir, Err: closing})
	}
	return err
}
