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
	t.cfg.Log.WarnContext(ctx, "scoring again", "shard", shardName(ctx), "attempt", t.attempts, "alone", true, "graphs", b.Graphs(), "error", f.err)
	t.first, t.pauses = time.Time{}, nil
	return t.examine(ctx, b, true)
}

// confirmations is how often a graph must fail alone.
const confirmations = 2

// examine scores a suspect one call at a time, until every graph of it is scored or found to be at fault. whole says
// that it is the batch that was sent, not a part of it.
//
// That the scorer is well matters where it decides something: before a batch is divided for the first time, and before a
// graph is found to be at fault. So does what else is under way: a process that ends, is short of memory or gives no
// answer may do so because of another call. The call that confirms such a fault is therefore made with no other under way.
func (t *trial) examine(ctx context.Context, b *graph.Batch, whole bool) (*graph.Scores, error) {
	halves := func(ctx context.Context, b *graph.Batch) (*graph.Scores, error) { return t.examine(ctx, b, false) }
	var last graph.Fault
	for strikes := 0; ; {
		confirms := b.Graphs() == 1 && strikes+1 >= confirmations
		decides, apart := whole && strikes == 0 || confirms, t.alone || confirms && last != graph.FaultRaised
		t.cfg.Progress.Retries.Add(1)
		t.attempts++
		s, f := t.suspect(ctx, b, decides, apart)
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
		if decides || f.asked || f.verdict == again {
			found, err := t.well(ctx, b, f)
			if err != nil {
				return nil, err
			}
			if (decides || f.verdict == again) && !t.counts(f, found) {
				continue
			}
		}
		t.first, t.pauses, last = time.Time{}, nil, f.suspicion.Fault
		switch strikes++; {
		case b.Graphs() > 1:
			return t.divide(ctx, b, f, halves)
		case strikes >= confirmations && !apart && last != graph.FaultRaised:
			strikes-- // another fault than before, perhaps of another call
		case strikes >= confirmations:
			t.cfg.Log.WarnContext(ctx, "a graph is at fault", "shard", shardName(ctx), "graph", b.IDs.Value(0), "row", b.Rows[0], "code", f.code, "reason", f.message, "error", f.err)
			return t.divide(ctx, b, f, halves)
		}
		if err := t.pause(ctx, b, f); err != nil {
			return nil, err
		}
	}
}

// health is what a known good graph shows after a failure.
type health uint8

const (
	steady    health = iota // who failed has scored it, at the first attempt
	recovered               // at a later one: before, nothing would have been scored
	other                   // one of several servers has scored it, and not the one that failed
)

// maxMoves is how often a suspect is sent again because the server that it met is not well, while another is.
const maxMoves = 50

// counts reports whether the failure of a suspect says anything of it. One that hangs may keep a scorer busy beyond its
// deadline, where nobody ends that: then no other graph is scored for a while. Once that may have been chance.
func (t *trial) counts(f *failure, found health) bool {
	switch found {
	case steady:
		return true
	case other:
		if t.moves++; t.moves <= maxMoves {
			t.unwell, t.pauses = time.Time{}, nil
		}
		return false
	default:
		if f.suspicion.Fault != graph.FaultHung {
			return false
		}
		t.busy++
		return t.busy > 1
	}
}

// suspect makes the call of a suspect. Where it fails and decides something, or costs a worker, a known good graph is
// scored in the same turn at the gate: nobody else meets a worker that is just starting again.
func (t *trial) suspect(ctx context.Context, b *graph.Batch, decides, apart bool) (*graph.Scores, *failure) {
	leave, err := t.turn(ctx, apart)
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
		f.by, f.good, err = t.revived(ctx, b, t.stays(f))
	case decides && f.verdict != refused && fault != graph.NoFault, fault == graph.FaultPressure:
		f.by, f.good = t.good(ctx, b, f.suspicion.Address)
	default:
		f.asked = false
	}
	if err != nil {
		return nil, &failure{err: err}
	}
	return nil, f
}

// turn waits for the turn of a suspect, apart from all other calls or not. leave ends it.
func (t *trial) turn(ctx context.Context, apart bool) (leave func(), err error) {
	arrived := time.Now()
	err = t.cfg.Gate.seize(ctx, apart)
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
	s, err := t.next.Score(t.cfg.Within(t.numbered(ctx), gate.patience(b.Bytes(), t.cfg.Deadline)), b)
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

// revived scores a known good graph once the worker that a suspect has cost is there again, and returns who did, or how
// that failed. The error is that of ctx.
func (t *trial) revived(ctx context.Context, b *graph.Batch, address string) (by string, failed *failure, err error) {
	for began := time.Now(); ; {
		by, f := t.good(ctx, b, address)
		if f == nil || f.verdict == final || f.suspicion.Fault != graph.NoFault || time.Since(began) >= revival {
			return by, f, ctx.Err()
		}
		if err := sleep(ctx, glance); err != nil {
			return "", nil, err
		}
	}
}

// well blocks until a known good graph is scored, within the budget: the error is that of f where it is over before.
// That a worker is not there yet, as it is started again, does not count against it.
func (t *trial) well(ctx context.Context, b *graph.Batch, f *failure) (found health, err error) {
	since, asked, by, failed, address := t.first, f.asked, f.by, f.good, t.stays(f)
	for ; ; asked = false {
		began := t.now()
		if !asked {
			by, failed = t.probe(ctx, b, address)
		}
		switch {
		case failed == nil && found == recovered && by != f.suspicion.Address:
			return other, nil
		case failed == nil:
			if found == steady || f.suspicion.Fault == graph.FaultHung {
				t.unwell = time.Time{}
			}
			return found, nil
		case ctx.Err() != nil:
			return found, failed.err
		case failed.verdict == final:
			return found, fmt.Errorf("scoring a known good graph: %w", failed.err)
		case failed.suspicion.Fault != graph.NoFault:
			found, address = recovered, "" // from now on any server will do
			t.unwell = earliest(t.unwell, t.cfg.Gate.ailing(failed.began))
		}
		since = earliest(since, began)
		if t.now().Sub(since) >= t.cfg.Budget || !t.unwell.IsZero() && time.Since(t.unwell) >= t.cfg.Budget {
			return found, fmt.Errorf("giving up after %d attempts: %w", t.attempts, f.err)
		}
		if err := t.pause(ctx, b, failed); err != nil {
			return found, err
		}
	}
}

// probe scores a known good graph in a turn of its own, and returns who did, or how that failed.
func (t *trial) probe(ctx context.Context, b *graph.Batch, address string) (by string, failed *failure) {
	leave, err := t.turn(ctx, t.alone)
	if err != nil {
		return "", &failure{err: err}
	}
	defer leave()
	return t.good(ctx, b, address)
}

// stays is the address of the process that failed, "" where it is ours and another takes its place.
func (t *trial) stays(f *failure) string {
	_, others := t.cfg.Workers.(elsewhere)
	if fault := f.suspicion.Fault; !others && (fault == graph.FaultCrashed || fault == graph.FaultHung) {
		return ""
	}
	return f.suspicion.Address
}

// looks is how often a known good graph is sent for the sake of one address.
const looks = 16

// good scores a known good graph like those of b, and returns who did, or how that failed. It is sent several times until
// the process at address has scored it, as one of several servers may be unwell. Who refuses it is well.
func (t *trial) good(ctx context.Context, b *graph.Batch, address string) (by string, failed *failure) {
	good := knownGood(b)
	for range looks {
		s, f := t.bounded(ctx, good)
		switch {
		case f != nil && f.verdict == refused:
			return address, nil
		case f != nil:
			return "", f
		}
		if by = s.Address; address == "" || by == "" || by == address {
			break
		}
	}
	return by, nil // or it is not sent anything at present, and nothing is known of it
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
