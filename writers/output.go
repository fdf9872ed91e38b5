package writers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"graphscore/writers/atomic"
	"graphscore/writers/part"
	"graphscore/writers/record"
)

// Output is the folder of a run, held until Close. Its methods are safe for concurrent use, those of its parts
// are not.
type Output struct {
	cfg    Config
	folder *atomic.Folder
	task   *record.Task // nil for a run that has the output alone
	locks  []locker

	mu       sync.Mutex
	begun    bool
	complete map[string]bool // parts of the plan that match, skipped or committed: whether each has a quarantine file
	retried  map[string]bool // parts of the plan that match and are made again
	specs    []part.Spec     // the plan, once reconciled
}

// Open creates the folder where it does not exist, locks it, and removes the temporary files of runs that were
// killed. It does not wait: a lock that is held is a *LockedError. A folder that cannot be created or written to
// is an *atomic.CreateError.
func Open(ctx context.Context, cfg Config) (*Output, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("opening the output %q: %w", cfg.Dir, err)
	}
	folder, err := atomic.OpenFolder(cfg.Dir, atomic.Options{Wrap: cfg.Disk})
	if err != nil {
		return nil, err
	}
	o := &Output{cfg: cfg, folder: folder, complete: make(map[string]bool), retried: make(map[string]bool)}
	if err := o.take(ctx); err != nil {
		return nil, errors.Join(err, o.Close())
	}
	return o, nil
}

// View is the read side of the output.
func (o *Output) View() View { return NewView(o.cfg.Dir) }

// take locks the folder, removes temporary files, all of which belong to the holder of the lock, and finds out whether
// the folder can be written to.
func (o *Output) take(ctx context.Context) error {
	if err := o.lock(); err != nil {
		return err
	}
	return o.tidy(ctx)
}

// tidy removes temporary files that are of the holder, and finds out whether the folder can be written to.
func (o *Output) tidy(ctx context.Context) error {
	ours := func(name string) bool { return !strings.HasPrefix(path.Base(name), ".") && ctx.Err() == nil }
	if err := o.folder.RemoveTemps(ours); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return o.folder.CheckWritable()
}

// Begin removes _SUCCESS. It comes before the first change of a run and may be called again.
func (o *Output) Begin() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.begun {
		return nil
	}
	if err := o.folder.Remove(SuccessName); err != nil {
		return err
	}
	o.begun = true
	return nil
}

// Settle leaves in the output what belongs there once the shards are done: it removes the superseded parts of every
// input whose new parts are all complete, the prunable parts once all planned ones are, and quarantine files without a
// part. No part may be open.
func (o *Output) Settle(ctx context.Context, r *Reconciled) error {
	if err := o.supersede(ctx, r); err != nil {
		return err
	}
	if err := o.prune(ctx, r); err != nil {
		return err
	}
	return o.sweep(ctx)
}

// Finish ends a run: it settles the output, and with ok, which means that every planned shard has its part and no
// gate failed, it writes _SUCCESS, else it removes it. No part may be open. A part or quarantine file of the plan that
// has gone since this run saw or made it is a *LostError; the others are those of [Output.Stays].
func (o *Output) Finish(ctx context.Context, r *Reconciled, ok bool) error {
	if err := o.Settle(ctx, r); err != nil {
		return err
	}
	if !ok {
		return o.Begin()
	}
	if err := o.checkComplete(); err != nil {
		return err
	}
	if done, err := o.folder.Exists(SuccessName); done || err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.folder.CreateEmpty(SuccessName); err != nil {
		return err
	}
	o.begun = false
	return nil
}

// Stays returns a *MovedError where the output is not at its path any more. Others are those of [atomic.Folder.Named].
func (o *Output) Stays() error {
	named, err := o.folder.Named()
	if err != nil || named {
		return err
	}
	return &MovedError{o.cfg.Dir}
}

// checkComplete looks once more at every part that this run found or made complete, and at its quarantine file. What is
// not there any more is a *LostError.
func (o *Output) checkComplete() error {
	if err := o.Stays(); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	near := atomic.NewNear(o.folder.Looks(), false)
	defer near.Close()
	for _, name := range slices.Sorted(maps.Keys(o.complete)) {
		files := []string{name}
		if o.complete[name] {
			files = append(files, part.QuarantineName(name))
		}
		for _, file := range files {
			exists, err := o.folder.ExistsNear(near, file)
			if err != nil {
				return err
			}
			if !exists {
				return &LostError{o.folder.Path(file)}
			}
		}
	}
	return nil
}

// isComplete reports whether a planned part matches or was committed. The caller holds mu.
func (o *Output) isComplete(name string) bool {
	_, is := o.complete[name]
	return is
}

// Withdraw removes a part of the plan and its quarantine file, where they exist: what they were made from was read
// wrongly. The part must not be open.
func (o *Output) Withdraw(name string) error {
	if err := o.Begin(); err != nil {
		return err
	}
	o.mu.Lock()
	delete(o.complete, name)
	o.mu.Unlock()
	if err := o.folder.Remove(name); err != nil {
		return err
	}
	return o.folder.Remove(part.QuarantineName(name))
}

// supersede removes old ranges whose inputs have all their new parts.
func (o *Output) supersede(ctx context.Context, r *Reconciled) error {
	if r == nil || len(r.superseded) == 0 {
		return nil
	}
	missing := make(map[string]bool)
	o.mu.Lock()
	for _, s := range o.specs {
		if !o.isComplete(s.Part) {
			missing[part.Text(s.Input)] = true
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
		if err := o.folder.Remove(old.part); err != nil {
			return err
		}
	}
	return nil
}

// sweep removes quarantine files whose part does not exist: those of superseded parts, and what a process left
// that died between giving the two their names.
func (o *Output) sweep(ctx context.Context) error {
	everywhere := func(string) bool { return ctx.Err() == nil }
	err := o.folder.Walk(part.QuarantineDir, everywhere, func(name string) error {
		of, ours := part.QuarantinePart(name)
		if !ours || !part.IsName(of) {
			return nil
		}
		exists, err := o.folder.Exists(of)
		if exists || err != nil {
			return err
		}
		o.mu.Lock()
		lost := o.isComplete(of)
		o.mu.Unlock()
		if lost { // what it belongs to was there: the file is not a leftover
			return &LostError{o.folder.Path(of)}
		}
		if err := o.Begin(); err != nil {
			return err
		}
		return o.folder.Remove(name)
	})
	return errors.Join(err, ctx.Err())
}

// Close frees the lock. Parts that are still open must be closed first.
func (o *Output) Close() error {
	return errors.Join(o.unlock(), o.folder.Close())
}

// WriteRecord writes the record of the run and removes all but the last 100 records.
func (o *Output) WriteRecord(rec *record.Run) error { return record.Write(o.folder, rec) }
