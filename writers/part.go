package writers

import (
	"context"
	"errors"
	"fmt"
	"io"

	"graphscore/pipeline/graph"
	"graphscore/writers/atomic"
	"graphscore/writers/part"
)

// Part takes the scores of one shard in the order of its input. One goroutine uses it.
//
// It holds up to some 20 MB: the compressed pages of a row group and the block that is being filled. After an
// error every call but Close returns that error again.
type Part struct {
	out        *Output
	footer     part.Footer
	file       *atomic.File
	encoder    *part.Encoder
	quarantine *atomic.File // nil until a graph is rejected
	sum        *part.QuarantineSum
	lastRow    int64 // of the last rejection
	done       bool  // committed or closed
	err        error
}

// Create begins the part of a shard under a temporary name. The contents are those of the [Plan]. Errors are an
// *atomic.CreateError, or an *atomic.IOError where the disk is full or broken. The caller must call Close.
func (o *Output) Create(ctx context.Context, spec part.Spec, c part.Contents) (*Part, error) {
	if err := errors.Join(ctx.Err(), c.Validate(), spec.Check()); err != nil {
		return nil, fmt.Errorf("creating a part: %w", err)
	}
	f, err := o.folder.Stage(spec.Part)
	if err != nil {
		return nil, err
	}
	e, err := part.NewEncoder(f, c, o.cfg.sizes)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("creating the part %q: %w", spec.Part, err), f.Discard())
	}
	return &Part{out: o, file: f, encoder: e, lastRow: -1, footer: part.NewFooter(spec, c.Settings)}, nil
}

// Write appends the scores of a batch. Graphs in s.Failed get no rows and are not counted: they must come
// through Reject. b.Rejected is not looked at either. Neither b nor s is kept.
func (p *Part) Write(ctx context.Context, b *graph.Batch, s *graph.Scores) error {
	if err := p.ready(ctx); err != nil {
		return err
	}
	scored, err := p.encoder.Write(b, s)
	p.footer.Scored += scored
	if err != nil {
		return p.fail(err)
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
		q, err := p.out.folder.Stage(part.QuarantineName(p.footer.Part))
		if err != nil {
			return p.fail(err)
		}
		p.quarantine, p.sum = q, part.NewQuarantineSum()
	}
	if _, err := io.MultiWriter(p.quarantine, p.sum).Write(part.QuarantineLine(p.footer.Input, r)); err != nil {
		return p.fail(err)
	}
	p.footer.Quarantined++
	p.footer.Codes[string(r.Code)]++
	return nil
}

// Commit makes the part and its quarantine file durable and visible, the part last. It looks at ctx only before
// it begins. A part that did not get all rows of its shard is a *CountError. On any error the part does not exist,
// and Close removes what is left of it.
func (p *Part) Commit(ctx context.Context) error {
	if err := p.ready(ctx); err != nil {
		return err
	}
	f := &p.footer
	f.RowsIn = f.Scored + f.Quarantined
	if f.RowsIn != f.Rows {
		return p.fail(&CountError{Part: f.Part, Rows: f.Rows, Scored: f.Scored, Quarantined: f.Quarantined})
	}
	if p.quarantine != nil {
		f.QuarantineHash = p.sum.Hash()
	}
	if err := p.encoder.Finish(f); err != nil {
		return p.fail(err)
	}
	if err := p.file.Seal(); err != nil {
		return p.fail(err)
	}
	if p.quarantine != nil {
		if err := p.quarantine.Seal(); err != nil {
			return p.fail(err)
		}
	}
	settle := p.settle
	if p.out.task != nil {
		settle = p.settleBeside
	}
	if err := settle(); err != nil {
		return p.fail(err)
	}
	p.done = true
	p.out.mu.Lock()
	p.out.complete[f.Part] = f.Quarantined > 0
	p.out.mu.Unlock()
	return nil
}

// settle renames the files to their names, unless the part was made again and came out the same.
func (p *Part) settle() error {
	same, err := p.unchanged()
	if err != nil {
		return err
	}
	if same {
		return errors.Join(p.file.Discard(), p.quarantine.Discard())
	}
	if err := p.out.Begin(); err != nil {
		return err
	}
	return p.publish()
}

// unchanged reports whether the part was made again and what exists has the same bytes, part and quarantine file.
func (p *Part) unchanged() (bool, error) {
	p.out.mu.Lock()
	retried := p.out.retried[p.footer.Part]
	p.out.mu.Unlock()
	if !retried || p.quarantine == nil {
		return false, nil
	}
	for _, f := range []*atomic.File{p.quarantine, p.file} {
		if same, err := p.out.folder.Same(f); !same || err != nil {
			return false, err
		}
	}
	return true, nil
}

// publish renames the files in the order that the package doc explains.
func (p *Part) publish() error {
	folder, old := p.out.folder, part.QuarantineName(p.footer.Part)
	replaces, err := folder.Exists(old)
	if err != nil {
		return err
	}
	if p.quarantine != nil || replaces {
		if err := folder.Remove(p.footer.Part); err != nil {
			return err
		}
	}
	if p.quarantine != nil {
		if err := p.quarantine.Publish(); err != nil {
			return err
		}
	} else if err := folder.Remove(old); err != nil {
		return err
	}
	err = p.file.Publish()
	if err == nil || p.quarantine == nil {
		return err
	}
	if exists, unseen := folder.Exists(p.footer.Part); exists || unseen != nil { // it could not be taken back
		return errors.Join(err, unseen)
	}
	return errors.Join(err, p.quarantine.Withdraw())
}

// Close removes the temporary files of a part that was not committed. It may be called more than once.
func (p *Part) Close() error {
	if p.done {
		return nil
	}
	p.done = true
	return errors.Join(p.file.Discard(), p.quarantine.Discard())
}

// errClosed is what a part says after Commit or Close.
var errClosed = errors.New("the part is already committed or closed")

func (p *Part) ready(ctx context.Context) error {
	if p.err != nil {
		return p.err
	}
	if p.done {
		return fmt.Errorf("writing the part %q: %w", p.footer.Part, errClosed)
	}
	return ctx.Err()
}

// fail remembers the first error: what was written before it cannot be trusted.
func (p *Part) fail(err error) error {
	var io *atomic.IOError
	var create *atomic.CreateError
	var counts *CountError
	var mismatch *MismatchError
	if !errors.As(err, &io) && !errors.As(err, &create) && !errors.As(err, &counts) && !errors.As(err, &mismatch) { // these name the part
		err = fmt.Errorf("writing the part %q: %w", p.footer.Part, err)
	}
	p.err = err
	return err
}
