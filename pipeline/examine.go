package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"graphscore/pipeline/graph"
)

// suspected begins the examination of a batch: f is why.
func (t *trial) suspected(ctx context.Context, b *graph.Batch, f *failure) (*graph.Scores, error) {
	t.cfg.Progress.Suspects.Add(1)
	t.cfg.Log.WarnContext(ctx, "scoring again", "shard", shardName(ctx), "attempt", t.attempts, "alone", true, "graphs", b.Graphs(), "error", f.err)
	t.first, t.pauses, t.fault = time.Time{}, nil, f.suspicion.Fault
	return t.examine(ctx, b, true)
}

// confirmations is how often in a row a graph must fail alone, in the same way. A scorer that is full may be so because of
// others that it serves: then a known good graph is as likely to be scored, and each of these times halves the odds that it
// was chance. They may also leave no place for a large graph, and always one for a small: the times have to take as long as
// the budget.
func confirmations(last graph.Fault) int {
	if last == graph.FaultPressure {
		return 20
	}
	return 2
}

// strikes are the failures of a suspect that say something of it.
type strikes struct {
	last  graph.Fault
	alike int       // of the last fault, in a row
	all   int       // of any, but for a scorer that is full
	since time.Time // of the first
}

// confirms reports whether one more of the last fault would be enough. A graph that fails in another way each time is at
// fault after twice as many.
func (s *strikes) confirms(b *graph.Batch) bool {
	need := confirmations(s.last)
	return b.Graphs() == 1 && (s.alike+1 >= need || s.all+1 >= 2*need)
}

// add counts one, unless another call may have caused it, as it was not made apart: the next one then is.
func (s *strikes) add(fault graph.Fault, apart bool, now time.Time) {
	if fault != s.last {
		s.last, s.alike = fault, 0
	}
	if apart || fault == graph.FaultRaised {
		s.alike, s.since = s.alike+1, earliest(s.since, now)
		if fault != graph.FaultPressure {
			s.all++
		}
	}
}

// enough reports whether a graph alone is at fault.
func (s *strikes) enough(now time.Time, budget time.Duration) bool {
	need := confirmations(s.last)
	return (s.alike >= need || s.all >= 2*need) && (s.last != graph.FaultPressure || now.Sub(s.since) >= budget)
}

// examine scores a suspect one call at a time, until every graph of it is scored or found to be at fault. whole says
// that it is the batch that was sent, not a part of it.
//
// That the scorer is well matters where it decides something: before a batch is divided for the first time, and before a
// graph is found to be at fault. So does what else is under way: a process that ends, is short of memory or gives no
// answer may do so because of another call. Against a graph alone such a fault counts only where no other call was under
// way, and two of them have to come in a row: whatever else ends a process, be it from outside, would have to meet both.
func (t *trial) examine(ctx context.Context, b *graph.Batch, whole bool) (*graph.Scores, error) {
	halves := func(ctx context.Context, b *graph.Batch) (*graph.Scores, error) { return t.examine(ctx, b, false) }
	for s := (strikes{last: t.fault}); ; {
		confirms := s.confirms(b)
		decides, apart := whole && s.alike+s.all == 0 || confirms, t.alone || b.Graphs() == 1 && s.last != graph.FaultRaised
		t.cfg.Progress.Retries.Add(1)
		t.attempts++
		patient := confirms && (s.last == graph.FaultHung || s.all+1 >= 2*confirmations(s.last))
		scores, f := t.suspect(ctx, b, t.deadline(b, patient), decides, apart)
		switch {
		case f == nil:
			t.first, t.unwell, t.pauses = time.Time{}, time.Time{}, nil
			return scores, nil
		case ctx.Err() != nil, f.verdict == final:
			return nil, cmp.Or(ctx.Err(), f.err)
		case f.verdict == refused:
			return t.divide(ctx, b, f, halves)
		case f.suspicion.Fault == graph.FaultPressure && t.crowded(ctx, b, f), f.suspicion.Fault == graph.NoFault && !t.spent():
			if t.alone = t.alone || f.suspicion.Fault == graph.FaultPressure; t.over() {
				return nil, t.givingUp(f)
			}
			if err := t.pause(ctx, b, f); err != nil {
				return nil, err
			}
			continue
		case f.suspicion.Fault != graph.NoFault:
			t.first = time.Time{}
		}
		t.fault = f.suspicion.Fault
		if counts, err := t.strikes(ctx, b, f, decides); err != nil {
			return nil, err
		} else if !counts {
			continue
		}
		if t.first = (time.Time{}); b.Graphs() > 1 {
			return t.divide(ctx, b, f, halves)
		}
		s.add(t.fault, apart, t.now())
		if max(s.alike, s.all) <= confirmations(s.last) {
			t.pauses = nil // those of a scorer that is full grow from there on
		}
		if s.enough(t.now(), t.cfg.Budget) {
			t.cfg.Log.WarnContext(ctx, "a graph is at fault", "shard", shardName(ctx), "graph", b.IDs.Value(0), "row", b.Rows[0], "code", f.code, "reason", f.message, "error", f.err)
			return t.divide(ctx, b, f, halves)
		}
		if err := t.pause(ctx, b, f); err != nil {
			return nil, err
		}
	}
}

// strikes reports whether the failure of a suspect says anything of it. It asks whether the scorer is well where that
// decides, or is known not to be.
func (t *trial) strikes(ctx context.Context, b *graph.Batch, f *failure, decides bool) (bool, error) {
	if !decides && !f.asked && f.verdict != again {
		return true, nil
	}
	found, err := t.well(ctx, b, f)
	if err != nil || !decides && f.verdict != again {
		return true, err
	}
	return t.counts(b, f, found), nil
}

// crowded reports whether a scorer that is full for a suspect is so for everything: calls of others were under way, or a
// known good graph was refused as well. It is sent once: where a server takes so many calls a minute, it would take those
// of the suspect.
func (t *trial) crowded(ctx context.Context, b *graph.Batch, f *failure) bool {
	if !t.alone {
		return true
	}
	if !f.asked {
		f.by, f.good = t.probe(ctx, b, f, f.suspicion.Address)
		f.asked = true
	}
	return f.good != nil && f.good.suspicion.Fault == graph.FaultPressure
}

// over reports whether the budget is over for the batch, and no graph of the run was scored meanwhile.
func (t *trial) over() bool { return t.spent() && t.cfg.Gate.stuck(t.cfg.Budget) }

func (t *trial) givingUp(f *failure) error {
	return fmt.Errorf("giving up after %d attempts: %w", t.attempts, f.err)
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

// maxHurries is how often a suspect is sent again because it had less time than its size takes.
const maxHurries = 10

// counts reports whether the failure of a suspect says anything of it. It does not where the link is so slow that a graph
// of its size needs more time, as known good graphs have shown. One that hangs may keep a scorer busy beyond its
// deadline, where nobody ends that: then no other graph is scored for a while. Once that may have been chance.
func (t *trial) counts(b *graph.Batch, f *failure, found health) bool {
	switch found {
	case steady:
		if f.suspicion.Fault == graph.FaultHung && t.hurries < maxHurries && t.cfg.Gate.hurried(b, f.had, t.cfg.Deadline) {
			t.hurries++
			return false
		}
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

// deadline is that of the next call of a suspect. The one that confirms that a graph hangs has as long as an ordinary call:
// how long a large graph takes is not known from many small ones.
func (t *trial) deadline(b *graph.Batch, confirmsHung bool) time.Duration {
	if confirmsHung {
		return t.cfg.Gate.allowed(b, t.cfg.Deadline)
	}
	return t.cfg.Gate.patience(b, t.cfg.Deadline)
}

// suspect makes the call of a suspect. Where it fails and decides something, or costs a worker, a known good graph is
// scored in the same turn at the gate: nobody else meets a worker that is just starting again.
func (t *trial) suspect(ctx context.Context, b *graph.Batch, deadline time.Duration, decides, apart bool) (*graph.Scores, *failure) {
	leave, err := t.turn(ctx, apart)
	if err != nil {
		return nil, &failure{err: err}
	}
	defer leave()
	s, f := t.bounded(ctx, b, false, deadline)
	if f == nil || ctx.Err() != nil {
		return s, f
	}
	f.asked = f.after == 0 // else the server has asked to wait
	switch fault := f.suspicion.Fault; {
	case !f.asked:
	case fault == graph.FaultCrashed, fault == graph.FaultHung:
		f.by, f.good, err = t.revived(ctx, b, f)
	case decides && f.verdict != refused && fault != graph.NoFault, fault == graph.FaultPressure:
		f.by, f.good = t.good(ctx, b, f, f.suspicion.Address)
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

// bounded makes a call with the deadline of suspects, and finds out how it ended. known says that its graphs are known
// good ones, and not of the run.
func (t *trial) bounded(ctx context.Context, b *graph.Batch, known bool, deadline time.Duration) (*graph.Scores, *failure) {
	gate, workers := t.cfg.Gate, t.cfg.Workers
	o := outcome{bytes: b.Bytes(), graphs: b.Graphs(), known: known, began: time.Now(), deadline: t.cfg.Deadline}
	s, err := t.next.Score(t.cfg.Within(t.numbered(ctx), deadline), b)
	o.took = time.Since(o.began)
	if err == nil {
		t.cfg.Progress.allow(gate.scored(o, false))
		return s, nil
	}
	f := judge(err, o.began)
	if f.had = o.took; ctx.Err() != nil {
		return nil, f
	}
	if f.suspicion.Fault != graph.FaultHung || deadline >= t.cfg.Deadline {
		t.noted(ctx, o, f)
	}
	switch f.suspicion.Fault {
	case graph.FaultHung:
		workers.Hung(ctx, f.suspicion.Address, time.Time{})
	case graph.FaultCrashed:
		switch end, fault := workers.Ended(ctx, f.suspicion.Address); {
		case end == "":
		case fault == graph.NoFault: // whatever had been sent to it would have been lost
			f.verdict, f.suspicion.Fault = again, graph.NoFault
		default:
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
func (t *trial) revived(ctx context.Context, b *graph.Batch, lost *failure) (by string, failed *failure, err error) {
	for began := time.Now(); ; {
		by, f := t.good(ctx, b, lost, t.stays(lost))
		if f == nil || f.verdict == final || f.suspicion.Fault != graph.NoFault || time.Since(began) >= revival {
			return by, f, ctx.Err()
		}
		if err := sleep(ctx, max(glance, f.after)); err != nil {
			return "", nil, err
		}
	}
}

// well blocks until a known good graph is scored, within the budget: the error is that of f where it is over before, and
// no graph of the run was scored meanwhile.
// That a worker is not there yet, as it is started again, does not count against it.
func (t *trial) well(ctx context.Context, b *graph.Batch, f *failure) (found health, err error) {
	since, asked, by, failed, address := t.first, f.asked, f.by, f.good, t.stays(f)
	for ; ; asked = false {
		began := t.now()
		if !asked {
			by, failed = t.probe(ctx, b, f, address)
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
			return found, ctx.Err()
		case failed.verdict == final:
			return found, fmt.Errorf("scoring a known good graph: %w", failed.err)
		case failed.suspicion.Fault != graph.NoFault:
			found, address = recovered, "" // from now on any server will do
			t.unwell = earliest(t.unwell, t.cfg.Gate.ailing(failed.began))
		}
		since = earliest(since, began)
		over := t.now().Sub(since) >= t.cfg.Budget || !t.unwell.IsZero() && time.Since(t.unwell) >= t.cfg.Budget
		if over && t.cfg.Gate.stuck(t.cfg.Budget) {
			return found, t.givingUp(f)
		}
		if err := t.pause(ctx, b, failed); err != nil {
			return found, err
		}
	}
}

// probe scores a known good graph in a turn of its own, and returns who did, or how that failed.
func (t *trial) probe(ctx context.Context, b *graph.Batch, f *failure, address string) (by string, failed *failure) {
	leave, err := t.turn(ctx, t.alone)
	if err != nil {
		return "", &failure{err: err}
	}
	defer leave()
	return t.good(ctx, b, f, address)
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
// the process at address has scored it, as one of several servers may be unwell. Who refuses it is well. After a call that
// hung there are as many of them as show how long the bytes of b take, and these have all the time of a call.
func (t *trial) good(ctx context.Context, b *graph.Batch, after *failure, address string) (by string, failed *failure) {
	good := knownGood(b, 0)
	deadline := t.cfg.Gate.patience(good, t.cfg.Deadline)
	if after.suspicion.Fault == graph.FaultHung && !t.cfg.OneGraph {
		if good = knownGood(b, t.cfg.Gate.sample(b.Bytes())); good.Graphs() > 1 {
			deadline = t.cfg.Deadline
		}
	}
	for range looks {
		s, f := t.bounded(ctx, good, true, deadline)
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

// knownGood is a batch like b of graphs that every model can score: two nodes with edges both ways, and nothing but zeros.
// There are as many of them as take so many bytes, at least one.
func knownGood(b *graph.Batch, bytes int64) *graph.Batch {
	one := knownGoods(b, 1)
	n := int(max(1, bytes/max(1, one.Bytes())))
	if n == 1 {
		return one
	}
	return knownGoods(b, n)
}

func knownGoods(b *graph.Batch, n int) *graph.Batch {
	good := &graph.Batch{
		IDs:         graph.IDs{Kind: graph.Int64, Ints: make([]int64, n)},
		NodeOffsets: make([]uint32, n+1), EdgeOffsets: make([]uint32, n+1),
		Width: b.Width, Features: make([]float32, 2*n*b.Width),
		InDegree: make([]uint32, 2*n), Sources: make([]uint32, 2*n),
		RowGroups: make([]int32, n), Rows: make([]int64, n),
	}
	for g := range n {
		first := uint32(2 * g)
		good.NodeOffsets[g+1], good.EdgeOffsets[g+1] = first+2, first+2
		good.InDegree[first], good.InDegree[first+1] = 1, 1
		good.Sources[first], good.Sources[first+1] = first+1, first
	}
	if b.EdgeWidth > 0 {
		good.EdgeWidth, good.EdgeFeatures = b.EdgeWidth, make([]float32, 2*n*b.EdgeWidth)
	}
	if b.EdgeTypes != nil {
		good.EdgeTypes = make([]uint32, 2*n)
	}
	if b.GraphWidth > 0 {
		good.GraphWidth, good.GraphFeatures = b.GraphWidth, make([]float32, n*b.GraphWidth)
	}
	if b.Weights != nil {
		good.Weights = slices.Repeat([]float32{1}, 2*n)
	}
	return good
}
