package writers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/gofrs/flock"

	"graphscore/pipeline/graph"
)

// Survey is what a run would find in an output.
type Survey struct {
	// Reconciled is the comparison of the plan with the parts that stand. A spec whose part does not match has
	// the decision Score.
	Reconciled
	// Mismatches are the parts for which a run would be refused.
	Mismatches []Mismatch
	// There is false where the output folder is not there yet.
	There bool
	// Bytes is the size of the parts that match.
	Bytes int64
}

// Refusal is the error that a run would end with before it begins, or nil.
func (s *Survey) Refusal(dir string) error {
	if len(s.Mismatches) == 0 {
		return nil
	}
	return &MismatchError{Dir: dir, Parts: s.Mismatches}
}

// Look compares a plan with the parts that stand in cfg.Dir, as [Output.Reconcile] does, and changes nothing: it
// neither creates the folder nor locks it, and leaves the temporary files of others alone. A run that writes
// there meanwhile may be seen half done. Errors are a *CreateError where the folder is none or cannot be read,
// an *IOError, or that of ctx.
func Look(ctx context.Context, cfg Config, specs []Spec, inputs map[string]bool) (*Survey, error) {
	cfg = cfg.WithDefaults()
	if err := errors.Join(cfg.Validate(), cfg.described()); err != nil {
		return nil, fmt.Errorf("looking at the output %q: %w", cfg.Dir, err)
	}
	root, err := openThere(cfg.Dir)
	if err != nil {
		return nil, err
	}
	if root == nil {
		nothing := Reconciled{Decisions: make([]Decision, len(specs)), Ledgers: make([]*Ledger, len(specs))}
		return &Survey{Reconciled: nothing}, ctx.Err()
	}
	defer func() { _ = root.Close() }() // it was only read
	o := &Output{cfg: cfg, root: root}
	r, bad, err := o.compare(ctx, specs, inputs)
	if err != nil {
		return nil, err
	}
	s := &Survey{Reconciled: *r, Mismatches: bad, There: true}
	for i, d := range r.Decisions {
		if d != Skip {
			continue
		}
		if info, err := root.Stat(filepath.FromSlash(specs[i].Part)); err == nil {
			s.Bytes += info.Size()
		}
	}
	return s, nil
}

// openThere opens a folder, and gives nil where it is not there.
func openThere(dir string) (*os.Root, error) {
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
		return nil, &CreateError{Path: dir, Err: err}
	}
	return root, nil
}

// CheckFree gives a *LockedError where a run holds the output, else nil. It creates nothing. To find out, it shares
// the lock for an instant: a run that begins in just that instant would take the output for held.
func CheckFree(dir string) error {
	root, err := openThere(dir)
	if root == nil || err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // it was only read
	f, err := root.Open(lockName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	o := &Output{cfg: Config{Dir: dir}, root: root}
	if err != nil {
		return o.creating(lockName, err)
	}
	defer f.Close()
	l := flock.New(o.path(lockName), flock.SetFlag(os.O_RDONLY|syscall.O_NOFOLLOW))
	free, err := l.TryRLock()
	if err != nil {
		return &CreateError{Path: o.path(lockName), Err: err}
	}
	if !free {
		return o.heldBy(f)
	}
	return l.Close()
}

// Scale takes scores as a [Part] does, and keeps nothing but the size that its files would have. One goroutine
// uses it.
type Scale struct {
	part       *Part
	quarantine int64
}

// NewScale begins with an empty part of the contents.
func NewScale(spec Spec, c Contents) (*Scale, error) {
	o := &Output{cfg: Config{Dir: "."}.WithDefaults()}
	if err := o.Describe(c); err != nil {
		return nil, err
	}
	file := &staged{out: o, final: spec.Part, w: bufio.NewWriterSize(io.Discard, 1<<10), published: true}
	e, err := newEncoder(file, &o.cfg)
	if err != nil {
		return nil, fmt.Errorf("measuring the part %q: %w", spec.Part, err)
	}
	ledger := Ledger{Spec: spec, Settings: o.cfg.Settings, SettingsDigest: o.cfg.Settings.Digest(), Codes: map[string]int64{}}
	return &Scale{part: &Part{out: o, file: file, encoder: e, lastRow: -1, ledger: ledger}}, nil
}

// Write measures the scores of a batch, as [Part.Write] would write them.
func (s *Scale) Write(ctx context.Context, b *graph.Batch, scores *graph.Scores) error {
	return s.part.Write(ctx, b, scores)
}

// Reject measures a line of the quarantine.
func (s *Scale) Reject(ctx context.Context, r graph.Rejection) error {
	s.quarantine += int64(len(quarantineLine(s.part.ledger.Input, r)))
	s.part.ledger.Quarantined++
	s.part.ledger.Codes[string(r.Code)]++
	return ctx.Err()
}

// Commit ends the part: Bytes is complete then.
func (s *Scale) Commit(context.Context) error {
	l := &s.part.ledger
	l.RowsIn = l.Scored + l.Quarantined
	return s.part.encoder.finish(l)
}

// Close does nothing: there is nothing to leave behind.
func (s *Scale) Close() error { return nil }

// Bytes is the size of the part and of its quarantine file so far.
func (s *Scale) Bytes() int64 { return s.part.file.taken + s.quarantine }

// Nodes is the number of rows of the part, after Commit.
func (s *Scale) Nodes() int64 { return s.part.ledger.Nodes }
