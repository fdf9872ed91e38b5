package writers

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"graphscore/writers/part"
)

// OnOrphan is what becomes of parts whose input does not exist any more.
type OnOrphan uint8

// What may become of them. A part whose input was renamed, so that a planned input has its fingerprint, is refused
// unless orphans are pruned: its graphs would be in the output twice.
const (
	// KeepOrphans: they stay.
	KeepOrphans OnOrphan = iota
	// RefuseOrphans: the run is refused.
	RefuseOrphans
	// PruneOrphans: they are removed once every planned part is complete.
	PruneOrphans
)

// orphans finds the parts whose input does not exist any more.
type orphans struct {
	plan   Plan
	inputs map[string]string // planned ones, by fingerprint
}

func newOrphans(plan Plan) *orphans {
	o := &orphans{plan: plan, inputs: make(map[string]string, len(plan.Specs))}
	o.plan.Inputs = make(map[string]bool, len(plan.Inputs))
	for input, exists := range plan.Inputs {
		o.plan.Inputs[part.Text(input)] = exists
	}
	for _, specs := range [][]part.Spec{plan.Specs, plan.Beside} {
		for _, s := range specs {
			o.inputs[s.Fingerprint] = s.Input
		}
	}
	return o
}

// take decides about a part that is not planned. It adds an orphan to r, or returns why the run is refused.
func (o *orphans) take(name string, f *part.Footer, r *Reconciled) *Mismatch {
	if !o.plan.Gone(f.Input) {
		return nil
	}
	limit := o.plan.Contents.Settings.Limit
	renamed, is := o.inputs[f.Fingerprint]
	switch {
	case is && (o.plan.OnOrphan != PruneOrphans || limit > 0):
		reason := fmt.Sprintf("its input %q is gone, and %q has the same fingerprint: it was renamed, or was a copy", f.Input, renamed)
		return &Mismatch{Part: name, Reasons: []string{reason}, Orphan: true, Trial: limit > 0}
	case o.plan.OnOrphan == RefuseOrphans:
		reason := fmt.Sprintf("its input %q is gone, and on_orphan is refuse", f.Input)
		return &Mismatch{Part: name, Reasons: []string{reason}, Orphan: true, Trial: limit > 0}
	}
	r.Orphaned = append(r.Orphaned, name)
	if o.plan.OnOrphan == PruneOrphans && limit == 0 && !o.plan.Incomplete && (is || !below(f.Input, o.plan.Absent)) {
		r.Prunable = append(r.Prunable, name)
	}
	return nil
}

// Gone reports whether an input is known not to exist any more: neither among those that exist, nor where nobody can
// say.
func (p *Plan) Gone(input string) bool { return !p.Inputs[input] && !below(input, p.Unseen) }

// below reports whether an input is one of the paths, or lies in a folder that is.
func below(input string, paths []string) bool {
	return slices.ContainsFunc(paths, func(p string) bool {
		p = part.Text(p)
		return p == "." || input == p || strings.HasPrefix(input, p+"/")
	})
}

// prune removes the prunable parts once every planned part is complete. Their quarantine files go when the output is
// swept: a part never lies beside another quarantine file than its own.
func (o *Output) prune(ctx context.Context, r *Reconciled) error {
	if r == nil || len(r.Prunable) == 0 || !o.allComplete() {
		return nil
	}
	for _, name := range r.Prunable {
		f, err := footerOf(o.folder.Looks(), o.cfg.Dir, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil && !part.IsPartError(err) {
			return err
		}
		if err != nil || f.Part != part.Text(name) { // it was another file when the output was compared
			o.cfg.Log.WarnContext(ctx, "leaving a file that has become no part of this output", "path", o.folder.Path(name))
			continue
		}
		if err := errors.Join(ctx.Err(), o.Begin()); err != nil {
			return err
		}
		if err := o.folder.Remove(name); err != nil {
			return err
		}
		r.Pruned = append(r.Pruned, name)
	}
	r.Prunable = nil
	r.Orphaned = slices.DeleteFunc(r.Orphaned, func(name string) bool { return slices.Contains(r.Pruned, name) })
	return nil
}

// allComplete reports whether every planned part matches or was committed.
func (o *Output) allComplete() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !slices.ContainsFunc(o.specs, func(s part.Spec) bool { return !o.isComplete(s.Part) })
}
