package writers

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"graphscore/pipeline/graph"
)

// Part takes the scores of one shard in the order of its input. One goroutine uses it.
//
// It holds up to some 20 MB: the compressed pages of a row group and the block that is being filled. After an
// error every call but Close gives that error again.
type Part struct {
	out        *Output
	ledger     Ledger
	file       *staged
	encoder    *encoder
	quarantine *staged // nil until a graph is rejected
	lastRow    int64   // of the last rejection
	done       bool    // committed or closed
	err        error
}

// Create begins the part of a shard under a temporary name. Errors are a *CreateError, or an *IOError where the
// disk is full or broken. The caller must call Close.
func (o *Output) Create(ctx context.Context, spec Spec) (*Part, error) {
	if err := errors.Join(ctx.Err(), o.cfg.described(), spec.check()); err != nil {
		return nil, fmt.Errorf("creating a part: %w", err)
	}
	f, err := o.stage(spec.Part)
	if err != nil {
		return nil, err
	}
	e, err := newEncoder(f, &o.cfg)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("creating the part %q: %w", spec.Part, err), f.discard())
	}
	return &Part{
		out: o, file: f, encoder: e, lastRow: -1,
		ledger: Ledger{
			Spec: spec, Settings: o.cfg.Settings, SettingsDigest: o.cfg.Settings.Digest(), Codes: map[string]int64{},
		},
	}, nil
}

// Write appends the scores of a batch. Graphs in s.Failed get no rows and are not counted: they must come
// through Reject. b.Rejected is not looked at either. Neither b nor s is kept.
func (p *Part) Write(ctx context.Context, b *graph.Batch, s *graph.Scores) error {
	if err := p.ready(ctx); err != nil {
		return err
	}
	if err := p.checkBatch(b, s); err != nil {
		return p.fail(err)
	}
	failed := s.Failed
	for g := range b.Graphs() {
		if len(failed) > 0 && failed[0].Graph == g {
			failed = failed[1:]
			continue
		}
		if err := p.encoder.graph(b, s.Values, g); err != nil {
			return p.fail(err)
		}
		p.ledger.Scored++
	}
	if len(failed) > 0 {
		return p.fail(fmt.Errorf("failed graph %d is not in the batch, or not in ascending order", failed[0].Graph))
	}
	return nil
}

// checkBatch compares what comes with the schema.
func (p *Part) checkBatch(b *graph.Batch, s *graph.Scores) error {
	cfg := &p.out.cfg
	if b.Graphs() == 0 {
		return nil
	}
	if s.Outputs != len(cfg.Outputs) || len(s.Values) != b.Nodes()*s.Outputs {
		return fmt.Errorf("there are %d scores of %d outputs for %d nodes of %d outputs",
			len(s.Values), s.Outputs, b.Nodes(), len(cfg.Outputs))
	}
	if b.IDs.Kind != cfg.GraphIDs {
		return fmt.Errorf("graph ids are %s, the column %s", b.IDs.Kind, cfg.GraphIDs)
	}
	if b.NodeIDs != nil && b.NodeIDs.Kind == graph.String && cfg.NodeIDs == graph.Int64 {
		return fmt.Errorf("node ids are %s, the column %s", b.NodeIDs.Kind, cfg.NodeIDs)
	}
	return nil
}

// Reject puts a graph into quarantine. Rows must ascend over all calls.
func (p *Part) Reject(ctx context.Context, r graph.Rejection) error {
	if err := p.ready(ctx); err != nil {
		return err
	}
	if r.Row <= p.lastRow {
		return p.fail(fmt.Errorf("row %d was rejected after row %d", r.Row, p.lastRow))
	}
	p.lastRow = r.Row
	if p.quarantine == nil {
		q, err := p.out.stage(quarantineName(p.ledger.Part))
		if err != nil {
			return p.fail(err)
		}
		p.quarantine = q
	}
	if _, err := p.quarantine.Write(quarantineLine(p.ledger.Input, r)); err != nil {
		return p.fail(err)
	}
	p.ledger.Quarantined++
	p.ledger.Codes[string(r.Code)]++
	return nil
}

// Commit makes the part and its quarantine file durable and visible, the part last. It looks at ctx only before
// it begins. A part that did not get all rows of its shard is a *CountError. On any error the part is not there,
// and Close removes what is left of it.
func (p *Part) Commit(ctx context.Context) error {
	if err := p.ready(ctx); err != nil {
		return err
	}
	l := &p.ledger
	l.RowsIn = l.Scored + l.Quarantined
	if l.RowsIn != l.Rows {
		return p.fail(&CountError{Part: l.Part, Rows: l.Rows, Scored: l.Scored, Quarantined: l.Quarantined})
	}
	if err := p.encoder.finish(l); err != nil {
		return p.fail(err)
	}
	if err := p.file.seal(); err != nil {
		return p.fail(err)
	}
	if p.quarantine != nil {
		if err := p.quarantine.seal(); err != nil {
			return p.fail(err)
		}
	}
	if err := p.publish(); err != nil {
		return p.fail(err)
	}
	p.done = true
	p.out.mu.Lock()
	p.out.stands[l.Part] = true
	p.out.mu.Unlock()
	return nil
}

// publish gives the files their names in the order that the package doc explains.
func (p *Part) publish() error {
	o, part, old := p.out, p.ledger.Part, quarantineName(p.ledger.Part)
	if p.quarantine != nil || o.exists(old) {
		if err := o.remove(part); err != nil {
			return err
		}
	}
	if p.quarantine != nil {
		if err := p.quarantine.publish(); err != nil {
			return err
		}
	} else if err := o.remove(old); err != nil {
		return err
	}
	err := p.file.publish()
	if err != nil && p.quarantine != nil {
		return errors.Join(err, p.quarantine.withdraw())
	}
	return err
}

// Close removes the temporary files of a part that was not committed. It may be called more than once.
func (p *Part) Close() error {
	if p.done {
		return nil
	}
	p.done = true
	return errors.Join(p.file.discard(), p.quarantine.discard())
}

// Ledger is that of the part, complete after Commit. The caller owns it.
func (p *Part) Ledger() Ledger {
	l := p.ledger
	l.Codes = maps.Clone(l.Codes)
	return l
}

// errClosed is what a part says after Commit or Close.
var errClosed = errors.New("the part is already committed or closed")

func (p *Part) ready(ctx context.Context) error {
	if p.err != nil {
		return p.err
	}
	if p.done {
		return fmt.Errorf("writing the part %q: %w", p.ledger.Part, errClosed)
	}
	return ctx.Err()
}

// fail remembers the first error: what was written before it cannot be trusted.
func (p *Part) fail(err error) error {
	var io *IOError
	var create *CreateError
	var counts *CountError
	if !errors.As(err, &io) && !errors.As(err, &create) && !errors.As(err, &counts) { // these name the part
		err = fmt.Errorf("writing the part %q: %w", p.ledger.Part, err)
	}
	p.err = err
	return err
}
