package writers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"strings"
	goatomic "sync/atomic"
	"syscall"

	"golang.org/x/sync/errgroup"

	"graphscore/writers/atomic"
	"graphscore/writers/part"
)

// Comparison is what a run would find in an output.
type Comparison struct {
	// Reconciled compares the plan with the parts that exist. A spec whose part does not match has the decision Score.
	Reconciled
	// Mismatches are the parts for which a run would be refused.
	Mismatches []Mismatch
	// Exists is false where the output folder does not exist yet.
	Exists bool

	dir string
}

// Refusal is the error that a run would end with before it begins, or nil.
func (c *Comparison) Refusal() error {
	if len(c.Mismatches) == 0 {
		return nil
	}
	return &MismatchError{Dir: c.dir, Parts: c.Mismatches}
}

// Compare compares a plan with the parts that exist in cfg.Dir, as [Output.Reconcile] does, and changes nothing: it
// neither creates the folder nor locks it, and leaves the temporary files of others alone. A run that writes
// there meanwhile may be seen half done. Errors are an *atomic.CreateError where the folder is none or may not be read,
// an *atomic.IOError, or that of ctx.
func Compare(ctx context.Context, cfg Config, plan Plan) (*Comparison, error) {
	cfg = cfg.WithDefaults()
	if err := errors.Join(cfg.Validate(), plan.Contents.Validate()); err != nil {
		return nil, fmt.Errorf("comparing the output %q: %w", cfg.Dir, err)
	}
	root, err := openExisting(cfg.Dir)
	if err != nil {
		return nil, err
	}
	if root == nil {
		n := len(plan.Specs)
		nothing := Reconciled{Decisions: make([]Decision, n), Footers: make([]*part.Footer, n)}
		return &Comparison{Reconciled: nothing, dir: cfg.Dir}, ctx.Err()
	}
	defer func() { _ = root.Close() }() // it was only read
	r, bad, err := newComparer(cfg, atomic.Below(root), plan).compare(ctx)
	if err != nil {
		return nil, err
	}
	return &Comparison{Reconciled: *r, Mismatches: bad, Exists: true, dir: cfg.Dir}, nil
}

// comparer compares a plan with the parts in a folder. It only reads.
type comparer struct {
	dir    string
	looks  atomic.Looks
	log    *slog.Logger
	plan   Plan
	digest string // of the settings
	known  part.Known
}

func newComparer(cfg Config, looks atomic.Looks, plan Plan) *comparer {
	return &comparer{dir: cfg.Dir, looks: looks, log: cfg.Log, plan: plan, digest: plan.Contents.Settings.Digest(), known: part.NewKnown(plan.Contents.Settings)}
}

// compare compares everything. Parts that do not match are in the list.
func (c *comparer) compare(ctx context.Context) (*Reconciled, []Mismatch, error) {
	specs := c.plan.Specs
	r := &Reconciled{Decisions: make([]Decision, len(specs)), Footers: make([]*part.Footer, len(specs))}
	var bad []Mismatch
	planned := make(map[string]bool, len(specs)+len(c.plan.Beside))
	for _, s := range c.plan.Beside {
		planned[s.Part] = true
	}
	for _, s := range specs {
		if err := s.Check(); err != nil {
			return nil, nil, fmt.Errorf("comparing the output %q: %w", c.dir, err)
		}
		planned[s.Part] = true
	}
	seen, err := c.lookAtAll(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	for i := range specs {
		if seen[i].mismatch != nil {
			bad = append(bad, *seen[i].mismatch)
		}
		if seen[i].fault != "" {
			c.renew(ctx, i, seen[i].fault, r)
		}
		if r.Decisions[i] == Skip {
			if err := c.retry(i, r); err != nil {
				return nil, nil, err
			}
		}
	}
	c.sayTorn(ctx, r)
	if c.plan.SpecsOnly {
		return r, bad, nil
	}
	others, err := c.others(ctx, planned, r)
	if err != nil {
		return nil, nil, err
	}
	return r, append(bad, others...), nil
}

// Parts are looked at side by side where there are many: on a disk of the network each costs several round trips.
const (
	manyParts   = 64
	partsAtOnce = 8
)

// seen is what is wrong with the part of a spec, empty where nothing is.
type seen struct {
	mismatch *Mismatch
	fault    string // of the quarantine file of a part that matches
}

// lookAtAll looks at the parts of all specs. Its decisions are [Score], [Skip] and [Redo].
func (c *comparer) lookAtAll(ctx context.Context, r *Reconciled) ([]seen, error) {
	specs := c.plan.Specs
	all := make([]seen, len(specs))
	g, gctx := errgroup.WithContext(ctx)
	atOnce := 1
	if len(specs) >= manyParts {
		atOnce = partsAtOnce
	}
	var next goatomic.Int64
	for range atOnce { // a goroutine for many parts: the stack of each has to grow
		g.Go(func() error {
			parts, quarantines := atomic.NewNear(c.looks, false), atomic.NewNear(c.looks, true)
			defer parts.Close()
			defer quarantines.Close()
			for i := next.Add(1) - 1; i < int64(len(specs)) && gctx.Err() == nil; i = next.Add(1) - 1 {
				if err := c.lookAt(parts, quarantines, &specs[i], &all[i], &r.Decisions[i], &r.Footers[i]); err != nil {
					return err
				}
			}
			return gctx.Err()
		})
	}
	return all, cmp.Or(g.Wait(), ctx.Err())
}

// lookAt looks at the part of one spec, and at the quarantine file of one that matches. That a whole folder of quarantine
// files does not exist is remembered: what is at fault is looked at again.
func (c *comparer) lookAt(parts, quarantines atomic.Looks, s *part.Spec, saw *seen, d *Decision, footer **part.Footer) (err error) {
	saw.mismatch, err = c.decide(parts, s, d, footer)
	if err != nil || *d != Skip {
		return err
	}
	if saw.fault, err = part.QuarantineFault(quarantines, c.dir, s.Part, *footer); err == nil && saw.fault != "" {
		saw.fault, err = part.QuarantineFault(c.looks, c.dir, s.Part, *footer)
	}
	return err
}

// decide looks at the part of one spec.
func (c *comparer) decide(looks atomic.Looks, s *part.Spec, d *Decision, footer **part.Footer) (*Mismatch, error) {
	f, err := footerLike(looks, c.dir, s.Part, c.known)
	var damaged *part.DamagedError
	var reasons []string
	switch {
	case errors.Is(err, fs.ErrNotExist):
		*d = Score
		return nil, nil
	case errors.Is(err, syscall.ENOTDIR):
		return &Mismatch{Part: s.Part, Reasons: []string{"a file is where its folder is needed"}, Foreign: true}, nil
	case errors.Is(err, part.ErrForeign):
		return &Mismatch{Part: s.Part, Reasons: []string{"it is not a part of graphscore"}, Foreign: true}, nil
	case errors.As(err, &damaged):
		if damaged.NotFile {
			return &Mismatch{Part: s.Part, Reasons: []string{damaged.Reason}, Foreign: true}, nil
		}
		reasons = []string{"it is damaged: " + damaged.Reason}
	case err != nil:
		return nil, err
	default:
		if reasons = s.Differences(f, c.plan.Contents.Settings, c.digest); reasons == nil {
			f.Share(*s, c.known, c.digest)
			*d, *footer = Skip, f
			return nil, nil
		}
		if c.trialOver(f) {
			return c.trial(s.Part), nil
		}
	}
	if c.plan.Rescore {
		*d = Redo
		return nil, nil
	}
	return &Mismatch{Part: s.Part, Reasons: reasons}, nil
}

// renew decides that the part of spec i, which matches, is made anew: it has lost its quarantine file, and is not whole.
func (c *comparer) renew(ctx context.Context, i int, fault string, r *Reconciled) {
	name := c.plan.Specs[i].Part
	c.log.DebugContext(ctx, "a part is made anew", "part", name, "reason", fault)
	r.Decisions[i], r.Footers[i] = Renew, nil
	r.Torn = append(r.Torn, Torn{name, fault})
}

// sayTorn says in one line which parts are made anew because they are not whole.
func (c *comparer) sayTorn(ctx context.Context, r *Reconciled) {
	if len(r.Torn) > 0 {
		c.log.WarnContext(ctx, "parts are not whole and are made anew", "parts", len(r.Torn),
			"first", atomic.PathBelow(c.dir, r.Torn[0].Part), "reason", r.Torn[0].Reason)
	}
}

// retry decides whether the part of spec i, which is to be skipped, is made again for its graphs in quarantine.
func (c *comparer) retry(i int, r *Reconciled) error {
	if c.plan.Retry == nil || r.Footers[i].Quarantined == 0 {
		return nil
	}
	again, err := c.plan.Retry(r.Footers[i])
	if again && err == nil {
		r.Decisions[i], r.Footers[i] = Retry, nil
	}
	return err
}

// trialOver says whether a run of the first graphs only would put its parts in the place of whole ones.
func (c *comparer) trialOver(f *part.Footer) bool {
	return c.plan.Contents.Settings.Limit > 0 && f.Settings.Limit == 0
}

func (c *comparer) trial(name string) *Mismatch {
	reason := fmt.Sprintf("it holds all graphs, and this run is limited to the first %d", c.plan.Contents.Settings.Limit)
	return &Mismatch{Part: name, Reasons: []string{reason}, Trial: true}
}

// footerOf reads that of a part below the root of an output. It follows no link.
func footerOf(looks atomic.Looks, dir, name string) (*part.Footer, error) {
	return footerLike(looks, dir, name, part.Known{})
}

// footerLike is [footerOf] where the settings of the part are likely to be known.
func footerLike(looks atomic.Looks, dir, name string, known part.Known) (*part.Footer, error) {
	path := atomic.PathBelow(dir, name)
	info, err := looks.Lstat(name)
	if err != nil {
		return nil, atomic.LookingFor(path, err)
	}
	if !info.Mode().IsRegular() { // opening a pipe blocks
		return nil, &part.DamagedError{Path: path, Reason: "it is not a file", NotFile: true}
	}
	f, err := looks.Open(name)
	if err != nil {
		return nil, &atomic.IOError{Op: "reading", Path: path, Err: err}
	}
	defer f.Close()
	return part.ReadFooterLike(f, path, known)
}

// others looks at parts that are not planned: orphaned, superseded, or of inputs that this run leaves out.
func (c *comparer) others(ctx context.Context, planned map[string]bool, r *Reconciled) ([]Mismatch, error) {
	orphans := newOrphans(c.plan)
	type place struct{ dir, input string }
	shards := make(map[place]bool, len(planned))
	for _, specs := range [][]part.Spec{c.plan.Specs, c.plan.Beside} {
		for _, s := range specs {
			shards[place{path.Dir(s.Part), part.Text(s.Input)}] = true
		}
	}
	var bad []Mismatch
	visible := func(name string) bool { return !strings.ContainsAny(path.Base(name)[:1], "._") && ctx.Err() == nil }
	err := atomic.Walk(c.looks, c.dir, ".", visible, func(name string) error {
		if !part.IsName(name) || planned[name] || !visible(name) {
			return nil
		}
		f, err := footerOf(c.looks, c.dir, name)
		switch {
		case part.IsPartError(err):
			c.log.WarnContext(ctx, "leaving a file that is not a part of graphscore", "path", atomic.PathBelow(c.dir, name), "reason", err)
		case errors.Is(err, fs.ErrNotExist): // another run removed it meanwhile
		case err != nil: // it may be one of ours
			return err
		case f.Part != part.Text(name):
			c.log.WarnContext(ctx, "leaving a copy of a part", "path", atomic.PathBelow(c.dir, name), "part", f.Part)
		case shards[place{path.Dir(name), f.Input}] && c.trialOver(f):
			bad = append(bad, *c.trial(name))
		case shards[place{path.Dir(name), f.Input}] && c.plan.Rescore:
			r.Superseded = append(r.Superseded, name)
			r.superseded = append(r.superseded, oldPart{name, f.Input})
		case shards[place{path.Dir(name), f.Input}]:
			reason := fmt.Sprintf("row groups %s of %q are cut in another way now", f.Groups(), f.Input)
			bad = append(bad, Mismatch{Part: name, Reasons: []string{reason}})
		default:
			if refused := orphans.take(name, f, r); refused != nil {
				bad = append(bad, *refused)
			}
		}
		return nil
	})
	return bad, errors.Join(err, ctx.Err())
}
