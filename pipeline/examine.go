package pipeline

import (
	"context"
	"fmt"
	"time"

	"graphscore/pipeline/graph"
)

// suspected begins the examination of a batch: f is why.
func (t *trial) suspected(ctx context.Context, b *graph.Batch, f *failure) (*graph.Scores, error) {
	t.cfg.Progress.Suspects.Add(1)
	t.cfg.Log.WarnContext(ctx, "a graph may be at fault: scoring one request at a time", "shard", shardName(ctx), "graphs", b.Graphs(), "error", f.err)
	t.first, t.pauses = time.Time{}, nil
	return t.examine(ctx, b, true)
}

// confirmations is how often a graph must fail alone.
const confirmations = 2

// examine scores a suspect one call at a time, until every graph of it is scored or found to be at fault. whole says
// that it is the batch that was sent, not a part of it.
//
// That the scorer is well matters where it decides something: before a batch is divided for the first time, and before a
// graph is found to be at fault.
func (t *trial) examine(ctx context.Context, b *graph.Batch, whole bool) (*graph.Scores, error) {
	halves := func(ctx context.Context, b *graph.Batch) (*graph.Scores, error) { return t.examine(ctx, b, false) }
	for strikes := 0; ; {
		decides := whole && strikes == 0 || b.Graphs() == 1 && strikes+1 >= confirmations
		t.cfg.Progress.Retries.Add(1)
		t.attempts++
		s, f := t.suspect(ctx, b, decides)
		switch {
		case f == nil:
			t.first, t.unwell, t.pauses = time.Time{}, time.Time{}, nil
			return s, nil
		case ctx.Err() != nil, f.verdict == final:
			return nil, f.err
		case f.verdict == refused:
			return t.divide(ctx, b, f, halves)
		case f.suspicion.Fault == graph.FaultPressure && !t.alone:
			t.alone = true
			if err := t.pause(ctx, b, f); err != nil {
				return nil, err
			}
			continue
		case f.suspicion.Fault == graph.NoFault && !t.spent():
			if err := t.pause(ctx, b, f); err != nil {
				return nil, err
			}
			continue
		case f.suspicion.Fault != graph.NoFault:
			t.first = time.Time{}
		}
		if decides || f.verdict == again {
			steady, err := t.well(ctx, b, f)
			if err != nil {
				return nil, err
			}
			if !steady {
				continue
			}
		}
		t.first, t.pauses = time.Time{}, nil
		switch strikes++; {
		case b.Graphs() > 1:
			return t.divide(ctx, b, f, halves)
		case strikes >= confirmations:
			t.cfg.Log.WarnContext(ctx, "a graph is at fault", "shard", shardName(ctx), "graph", b.IDs.Value(0), "row", b.Rows[0], "code", f.code, "reason", f.message, "error", f.err)
			return t.divide(ctx, b, f, halves)
		}
		if err := t.pause(ctx, b, f); err != nil {
			return nil, err
		}
	}
}

// suspect makes the call of a suspect. Where it fails and decides something, or costs a worker, a known good graph is
// scored in the same turn at the gate: nobody else meets a worker that is just starting again.
func (t *trial) suspect(ctx context.Context, b *graph.Batch, decides bool) (*graph.Scores, *failure) {
	leave, err := t.turn(ctx)
	if err != nil {
		return nil, &failure{err: err}
	}
	defer leave()
	s, f := t.bounded(ctx, b)
	if f == nil || ctx.Err() != nil {
		return s, f
	}
	f.asked = true
	switch fault := f.suspicion.Fault; {
	case fault == graph.FaultCrashed, fault == graph.FaultHung:
		f.good, err = t.revived(ctx, b)
	case decides && f.verdict != refused && fault != graph.NoFault, fault == graph.FaultPressure:
		_, f.good = t.bounded(ctx, knownGood(b))
	default:
		f.asked = false
	}
	if err != nil {
		return nil, &failure{err: err}
	}
	return nil, f
}

// turn waits for the turn of a suspect. leave ends it.
func (t *trial) turn(ctx context.Context) (leave func(), err error) {
	arrived := time.Now()
	err = t.cfg.Gate.seize(ctx, t.alone)
	t.waited += time.Since(arrived)
	if err != nil {
		return nil, err
	}
	t.cfg.Workers.Excuse(true)
	return func() {
		t.cfg.Workers.Excuse(false)
		t.cfg.Gate.release()
	}, nil
}

// bounded makes a call with the deadline of suspects, and finds out how it ended.
func (t *trial) bounded(ctx context.Context, b *graph.Batch) (*graph.Scores, *failure) {
	gate, workers := t.cfg.Gate, t.cfg.Workers
	began := time.Now()
	s, err := t.next.Score(t.cfg.Within(ctx, gate.patience(b.Bytes(), t.cfg.Deadline)), b)
	if err == nil {
		gate.scored(b.Bytes(), time.Since(began))
		return s, nil
	}
	f := judge(err, began)
	if ctx.Err() != nil {
		return nil, f
	}
	switch f.suspicion.Fault {
	case graph.FaultHung:
		workers.Hung(ctx, f.suspicion.Address, time.Time{})
	case graph.FaultCrashed:
		if end, fault := workers.Ended(ctx, f.suspicion.Address); end != "" {
			f.code, f.message = fault.Code(), "its worker "+end
		}
	}
	return nil, f
}

const (
	// revival is how long a suspect keeps its turn until its worker is there again.
	revival = 10 * time.Second
	// glance is the pause between two looks.
	glance = 100 * time.Millisecond
)

// revived scores a known good graph once the worker that a suspect has cost is there again, and returns how that failed.
// The error is that of ctx.
func (t *trial) revived(ctx context.Context, b *graph.Batch) (*failure, error) {
	for began := time.Now(); ; {
		_, f := t.bounded(ctx, knownGood(b))
		if f == nil || f.verdict == final || f.suspicion.Fault != graph.NoFault || time.Since(began) >= revival {
			return f, ctx.Err()
		}
		if err := sleep(ctx, glance); err != nil {
			return nil, err
		}
	}
}

// well blocks until a known good graph is scored, within the budget: the error is that of f where it is over before.
// steady reports whether the first one that reached a scorer was scored. Where it was not, the failure f of b means
// nothing.
func (t *trial) well(ctx context.Context, b *graph.Batch, f *failure) (steady bool, err error) {
	good, since := knownGood(b), t.first
	failed := f.good
	for steady = true; ; {
		began := t.now()
		if !f.asked {
			_, failed = t.probe(ctx, good)
		}
		f.asked = false
		switch {
		case failed == nil, failed.verdict == refused: // who refuses it is well
			if steady {
				t.unwell = time.Time{}
			}
			return steady, nil
		case ctx.Err() != nil:
			return false, failed.err
		case failed.verdict == final:
			return false, fmt.Errorf("scoring a known good graph: %w", failed.err)
		case failed.suspicion.Fault != graph.NoFault:
			steady = false
			t.unwell = earliest(t.unwell, t.cfg.Gate.ailing(failed.began))
		}
		since = earliest(since, began)
		if t.now().Sub(since) >= t.cfg.Budget || !t.unwell.IsZero() && time.Since(t.unwell) >= t.cfg.Budget {
			return false, fmt.Errorf("giving up after %d attempts: %w", t.attempts, f.err)
		}
		if err := t.pause(ctx, good, failed); err != nil {
			return false, err
		}
	}
}

// probe scores a known good graph in a turn of its own.
func (t *trial) probe(ctx context.Context, good *graph.Batch) (*graph.Scores, *failure) {
	leave, err := t.turn(ctx)
	if err != nil {
		return nil, &failure{err: err}
	}
	defer leave()
	return t.bounded(ctx, good)
}

// earliest is the earlier of two moments; zero is none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// knownGood is a batch like b of one graph that every model can score: two nodes with edges both ways, without features
// but zeros.
func knownGood(b *graph.Batch) *graph.Batch {
	good := &graph.Batch{
		IDs:         graph.IDs{Kind: graph.Int64, Ints: []int64{0}},
		NodeOffsets: []uint32{0, 2}, EdgeOffsets: []uint32{0, 2},
		Width: b.Width, Features: make([]float32, 2*b.Width),
		InDegree: []uint32{1, 1}, Sources: []uint32{1, 0},
		RowGroups: []int32{0}, Rows: []int64{0},
	}
	if b.Weights != nil {
		good.Weights = []float32{1, 1}
	}
	return good
}
