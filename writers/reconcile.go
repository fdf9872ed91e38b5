package writers

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Decision is what to do about a planned part.
type Decision uint8

// The decisions.
const (
	// Score: the part is not there.
	Score Decision = iota
	// Skip: the part is there and matches.
	Skip
	// Redo: the part is there, does not match, and the run has Rescore.
	Redo
)

// String gives the name that the run record uses.
func (d Decision) String() string { return [...]string{"score", "skip", "redo"}[d] }

// Reconciled compares a plan with the parts that stand.
type Reconciled struct {
	// Decisions has one entry per spec.
	Decisions []Decision
	// Ledgers has one entry per spec, nil unless its decision is Skip.
	Ledgers []*Ledger
	// Orphaned lists parts whose input is gone. They stay.
	Orphaned []string
	// Superseded lists parts of planned inputs with ranges that are no longer planned. Finish removes those of
	// every input whose new parts all stand.
	Superseded []string

	superseded []oldPart
}

type oldPart struct{ part, input string }

// Reconcile compares the planned parts with those that stand, reading footers only. The keys of inputs are all
// inputs that exist now, in the form of Spec.Input. Parts that do not match are a *MismatchError, unless the run
// has Rescore and they were made by graphscore. Nothing is changed.
func (o *Output) Reconcile(ctx context.Context, specs []Spec, inputs map[string]bool) (*Reconciled, error) {
	if err := o.cfg.described(); err != nil {
		return nil, fmt.Errorf("reconciling the output %q: %w", o.cfg.Dir, err)
	}
	r, bad, err := o.compare(ctx, specs, inputs)
	if err != nil {
		return nil, err
	}
	if len(bad) > 0 {
		return nil, &MismatchError{Dir: o.cfg.Dir, Parts: bad}
	}
	o.adopt(specs, r)
	return r, nil
}

// compare is Reconcile, but for what follows from it. Parts that do not match are in the list.
func (o *Output) compare(ctx context.Context, specs []Spec, inputs map[string]bool) (*Reconciled, []Mismatch, error) {
	r := &Reconciled{Decisions: make([]Decision, len(specs)), Ledgers: make([]*Ledger, len(specs))}
	var bad []Mismatch
	planned := make(map[string]bool, len(specs))
	digest := o.cfg.Settings.Digest()
	for i, s := range specs {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		if err := s.check(); err != nil {
			return nil, nil, fmt.Errorf("reconciling the output %q: %w", o.cfg.Dir, err)
		}
		planned[s.Part] = true
		mismatch, err := o.decide(s, digest, &r.Decisions[i], &r.Ledgers[i])
		if err != nil {
			return nil, nil, err
		}
		if mismatch != nil {
			bad = append(bad, *mismatch)
		}
	}
	others, err := o.others(ctx, specs, planned, inputs, r)
	if err != nil {
		return nil, nil, err
	}
	return r, append(bad, others...), nil
}

// adopt remembers the plan, and which of its parts stand.
func (o *Output) adopt(specs []Spec, r *Reconciled) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.specs = slices.Clone(specs)
	clear(o.stands)
	for i, d := range r.Decisions {
		if d == Skip {
			o.stands[specs[i].Part] = true
		}
	}
}

// decide looks at the part of one spec.
func (o *Output) decide(s Spec, digest string, d *Decision, ledger **Ledger) (*Mismatch, error) {
	l, err := o.ledger(s.Part)
	var damaged *DamagedError
	var reasons []string
	switch {
	case errors.Is(err, fs.ErrNotExist):
		*d = Score
		return nil, nil
	case errors.Is(err, syscall.ENOTDIR):
		return &Mismatch{Part: s.Part, Reasons: []string{"a file stands where its folder is needed"}, Foreign: true}, nil
	case errors.Is(err, ErrForeign):
		return &Mismatch{Part: s.Part, Reasons: []string{"it is not a part of graphscore"}, Foreign: true}, nil
	case errors.As(err, &damaged):
		if damaged.NotFile {
			return &Mismatch{Part: s.Part, Reasons: []string{damaged.Reason}, Foreign: true}, nil
		}
		reasons = []string{"it is damaged: " + damaged.Reason}
	case err != nil:
		return nil, err
	default:
		if reasons = s.differences(l, o.cfg.Settings, digest); reasons == nil {
			*d, *ledger = Skip, l
			return nil, nil
		}
		if o.trialOver(l) {
			return o.trial(s.Part), nil
		}
	}
	if o.cfg.Rescore {
		*d = Redo
		return nil, nil
	}
	return &Mismatch{Part: s.Part, Reasons: reasons}, nil
}

// trialOver says whether a run of the first graphs only would put its parts in the place of whole ones.
func (o *Output) trialOver(l *Ledger) bool { return o.cfg.Settings.Limit > 0 && l.Settings.Limit == 0 }

func (o *Output) trial(part string) *Mismatch {
	reason := fmt.Sprintf("it holds all graphs, and this run is limited to the first %d", o.cfg.Settings.Limit)
	return &Mismatch{Part: part, Reasons: []string{reason}, Trial: true}
}

// ledger reads that of a part of this output.
func (o *Output) ledger(part string) (*Ledger, error) {
	name := filepath.FromSlash(part)
	if info, err := o.root.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return nil, &DamagedError{Path: o.path(part), Reason: "it is not a file", NotFile: true} // opening a pipe blocks
	}
	f, err := o.root.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, &IOError{Op: "reading", Path: o.path(part), Err: err}
	}
	defer f.Close()
	return readLedger(f, o.path(part))
}

// differences says in what a part is not what the spec wants, or nil.
func (s Spec) differences(l *Ledger, settings Settings, digest string) []string {
	var out []string
	differ := func(what, now, was string) {
		if now = text(now); now != was {
			out = append(out, fmt.Sprintf("%s %s, was %s", what, now, was))
		}
	}
	differ("input", s.Input, l.Input)
	differ("fingerprint of the input", s.Fingerprint, l.Fingerprint)
	differ("row groups", groups(s), groups(l.Spec))
	differ("model", s.Model, l.Model)
	if digest != l.SettingsDigest {
		out = append(out, settings.differences(l.settings)...)
	}
	if out == nil && s.Rows != l.RowsIn {
		out = append(out, fmt.Sprintf("rows %d, was %d", s.Rows, l.RowsIn))
	}
	return out
}

func groups(s Spec) string { return fmt.Sprintf("%d to %d", s.FirstGroup, s.LastGroup) }

// others looks at parts that are not planned: orphaned, superseded, or of inputs that this run leaves out.
func (o *Output) others(ctx context.Context, specs []Spec, planned, inputs map[string]bool, r *Reconciled) ([]Mismatch, error) {
	type place struct{ dir, input string }
	shards := make(map[place]bool, len(specs))
	for _, s := range specs {
		shards[place{path.Dir(s.Part), text(s.Input)}] = true
	}
	known := make(map[string]bool, len(inputs))
	for input, there := range inputs {
		known[text(input)] = there
	}
	var bad []Mismatch
	visible := func(name string) bool { return !strings.ContainsAny(path.Base(name)[:1], "._") && ctx.Err() == nil }
	err := walk(o.root, ".", visible, func(name string) error {
		if !strings.HasSuffix(name, partSuffix) || planned[name] || !visible(name) {
			return nil
		}
		l, err := o.ledger(name)
		switch {
		case err != nil:
			o.cfg.Log.Warn("leaving a file that is not a part of graphscore", "path", o.path(name), "reason", err)
		case l.Part != text(name):
			o.cfg.Log.Warn("leaving a copy of a part", "path", o.path(name), "part", l.Part)
		case shards[place{path.Dir(name), l.Input}] && o.trialOver(l):
			bad = append(bad, *o.trial(name))
		case shards[place{path.Dir(name), l.Input}] && o.cfg.Rescore:
			r.Superseded = append(r.Superseded, name)
			r.superseded = append(r.superseded, oldPart{name, l.Input})
		case shards[place{path.Dir(name), l.Input}]:
			reason := fmt.Sprintf("row groups %s of %q are cut in another way now", groups(l.Spec), l.Input)
			bad = append(bad, Mismatch{Part: name, Reasons: []string{reason}})
		case !known[l.Input]:
			r.Orphaned = append(r.Orphaned, name)
		}
		return nil
	})
	if err != nil {
		err = &IOError{Op: "reading", Path: o.cfg.Dir, Err: err}
	}
	return bad, errors.Join(err, ctx.Err())
}
