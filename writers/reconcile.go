package writers

import (
	"context"
	"fmt"

	"graphscore/writers/part"
)

// Decision is what to do about a planned part.
type Decision uint8

// The decisions.
const (
	// Score: the part does not exist.
	Score Decision = iota
	// Skip: the part exists and matches.
	Skip
	// Redo: the part exists, does not match, and the run has Rescore.
	Redo
	// Renew: the part exists and matches, but its quarantine file is not the one that it was committed with.
	Renew
	// Retry: the part exists, matches and is whole, and Plan.Retry wants it made again. It stays as it is until it is
	// known to come out otherwise.
	Retry
)

// String is the name that the run record uses.
func (d Decision) String() string { return [...]string{"score", "skip", "redo", "renew", "retry"}[d] }

// Torn is a part that matches but is not whole.
type Torn struct {
	// Part is its slash-separated path under the output.
	Part string
	// Reason names its quarantine file and says what is wrong with it.
	Reason string
}

// Reconciled compares a plan with the parts that exist.
type Reconciled struct {
	// Decisions has one entry per spec.
	Decisions []Decision
	// Footers has one entry per spec, nil unless its decision is Skip.
	Footers []*part.Footer
	// Torn lists the parts whose decision is Renew, in the order of the specs.
	Torn []Torn
	// Orphaned lists parts whose input does not exist any more and that exist.
	Orphaned []string
	// Prunable lists those of Orphaned that Settle removes once every planned part is complete.
	Prunable []string
	// Pruned lists the parts that Settle has removed because their input does not exist any more.
	Pruned []string
	// Superseded lists parts of planned inputs with ranges that are no longer planned. Finish removes those of
	// every input whose new parts are all complete.
	Superseded []string

	superseded []oldPart
}

type oldPart struct{ part, input string }

// Reconcile compares the planned parts with those that exist, reading footers and the quarantine files of parts that
// match. Parts that do not match are a *MismatchError, unless the plan has Rescore and they were made by graphscore.
// Nothing is changed.
func (o *Output) Reconcile(ctx context.Context, plan Plan) (*Reconciled, error) {
	if err := plan.Contents.Validate(); err != nil {
		return nil, fmt.Errorf("reconciling the output %q: %w", o.cfg.Dir, err)
	}
	r, bad, err := newComparer(o.cfg, o.folder.Looks(), plan).compare(ctx)
	if err != nil {
		return nil, err
	}
	if len(bad) > 0 {
		return nil, &MismatchError{Dir: o.cfg.Dir, Parts: bad}
	}
	o.adopt(plan.Specs, r)
	return r, nil
}

// adopt keeps the plan, which must not change any more, which of its parts are complete, and which are made again though they match.
func (o *Output) adopt(specs []part.Spec, r *Reconciled) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.specs = specs
	clear(o.complete)
	clear(o.retried)
	for i, d := range r.Decisions {
		switch d {
		case Skip:
			o.complete[specs[i].Part] = r.Footers[i].Quarantined > 0
		case Retry:
			o.retried[specs[i].Part] = true
		}
	}
}
