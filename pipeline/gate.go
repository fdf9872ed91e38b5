package pipeline

import (
	"context"
	"sync"
	"time"

	"graphscore/pipeline/graph"
)

// Gate lets the calls for suspects through one at a time, and keeps what all calls to one scorer teach. It is shared
// by all that score over one connection, and is safe for concurrent use.
//
// With one worker, a suspect waits until no other call is under way, and the others wait while its call is: they would
// be lost with the process. With several workers the others go on, unless a suspect is to be scored with nothing else under
// way. A suspect that waits for that holds nobody back at first: mostly the others run dry by themselves, as its shard cannot
// be collected any further. Beyond a while no other call begins until it has had its turn.
//
// It lets as many ordinary calls through, and as large ones, as the scorer bears: fewer and smaller ones where calls take
// long, reach their deadline or are refused because the scorer is full, and more again while they succeed. No call begins
// while every server has asked to wait.
type Gate struct {
	single bool

	mu       sync.Mutex
	calls    int       // ordinary calls under way
	suspect  bool      // a suspect's call is under way ...
	alone    bool      // ... and no other may be
	suspects uint64    // calls of suspects that have begun
	lone     int       // suspects that wait until no other call is under way ...
	since    time.Time // ... since the first of them did, or the last had its turn
	waiting  int
	changed  chan struct{} // closed and made anew when something changes that is waited for

	pace pace
	// progress is when a graph of the run was last scored: that known good graphs are does not take it on.
	progress time.Time
	// unwell is when the first known good graph failed since something was last scored, zero where none did.
	unwell time.Time
}

// NewGate makes the gate of so many workers.
func NewGate(workers int) *Gate {
	return &Gate{single: workers <= 1, changed: make(chan struct{}), pace: newPace(workers)}
}

// NewRemoteGate makes the gate of so many workers behind addresses elsewhere. The first calls are small, and double in size
// while they are answered soon: the link to them may be slow.
func NewRemoteGate(workers, addresses int) *Gate {
	g := NewGate(workers)
	g.pace.addresses, g.pace.bytes = max(addresses, 1), gentle
	return g
}

// enter blocks until an ordinary call may begin. The mark is for leave.
func (g *Gate) enter(ctx context.Context) (mark uint64, err error) {
	err = g.await(ctx, func() bool {
		if g.suspect && g.alone || g.owed() || !g.pace.admits(g.calls) {
			return false
		}
		g.calls++
		if mark = g.suspects; g.suspect {
			mark--
		}
		return true
	})
	return mark, err
}

// leave ends an ordinary call, and reports whether a call of a suspect was under way at any time since it began.
func (g *Gate) leave(mark uint64) (overlapped bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls--
	g.wake()
	return g.suspects != mark
}

// seize blocks until the call of a suspect may begin.
func (g *Gate) seize(ctx context.Context, alone bool) error {
	alone = alone || g.single
	if alone {
		g.queue(1)
		defer g.queue(-1)
	}
	return g.await(ctx, func() bool {
		if g.suspect || alone && g.calls > 0 || !alone && g.owed() {
			return false
		}
		g.suspect, g.alone = true, alone
		g.suspects++
		return true
	})
}

// courtesy is how long others begin calls while a suspect waits until none is under way.
const courtesy = 2 * time.Second

// owed reports whether the next turn is that of a suspect for which the calls under way have to end. It is called with the
// lock held.
func (g *Gate) owed() bool {
	return g.lone > 0 && time.Since(g.since) >= courtesy
}

// queue counts a suspect that waits until no other call is under way, with 1, or does so no longer, with -1.
func (g *Gate) queue(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lone == 0 || n < 0 {
		g.since = time.Now()
	}
	g.lone += n
	g.wake()
}

// release ends the call of a suspect.
func (g *Gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.suspect = false
	g.wake()
}

// await blocks until no server has asked to wait and take returns true, or ctx ends. take is called with the lock held.
func (g *Gate) await(ctx context.Context, take func() bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for {
		wait := g.pace.wait(time.Now())
		if wait == 0 && take() {
			return nil
		}
		if err := g.change(ctx, wait); err != nil {
			return err
		}
	}
}

// change blocks until something changes, so long at most where that is not zero, or ctx ends. It is called with the lock
// held, and releases it meanwhile.
func (g *Gate) change(ctx context.Context, atMost time.Duration) error {
	changed := g.changed
	g.waiting++
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		g.waiting--
	}()
	var over <-chan time.Time
	if atMost > 0 {
		timer := time.NewTimer(atMost)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-changed:
		return nil
	case <-over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// wake is called with the lock held.
func (g *Gate) wake() {
	if g.waiting > 0 {
		close(g.changed)
		g.changed = make(chan struct{})
	}
}

// fits reports whether a batch may be sent in one call.
func (g *Gate) fits(bytes int64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.pace.fits(bytes)
}

// scored notes a call that succeeded, and returns what may be sent from now on. ordinary says that it was no suspect's.
func (g *Gate) scored(o outcome, ordinary bool) limits {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.unwell = time.Time{}
	if !o.known {
		g.progress = time.Now()
	}
	if ordinary {
		g.pace.succeeded(o, g.calls)
		g.wake()
	} else {
		g.pace.learn(o.bytes, o.took)
	}
	return g.pace.limits()
}

// failed notes a call that failed, and returns what may be sent from now on and whether that is less than before.
func (g *Gate) failed(o outcome, f *failure) (now limits, less bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if f.after > 0 {
		g.pace.hold(f.suspicion.Address, time.Now().Add(f.after))
	}
	less = g.pace.failed(o, f.strain(), g.calls)
	return g.pace.limits(), less
}

// stuck reports whether no graph of the run was scored for so long.
func (g *Gate) stuck(budget time.Duration) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Since(g.progress) >= budget
}

const (
	// minPatience is the shortest deadline of a suspect's call.
	minPatience = 2 * time.Second
	// generous is how many times as long as expected such a call may take.
	generous = 20
)

// allowed is the deadline of an ordinary call, where that of all calls is given.
func (g *Gate) allowed(b *graph.Batch, deadline time.Duration) time.Duration {
	if b.Graphs() > 1 {
		return deadline // it is cut where it takes longer
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.pace.allowed(b.Bytes(), deadline)
}

// patience is the deadline of a suspect's call, in whole seconds, at most that of an ordinary one.
func (g *Gate) patience(b *graph.Batch, deadline time.Duration) time.Duration {
	most := g.allowed(b, deadline)
	g.mu.Lock()
	defer g.mu.Unlock()
	expected := g.pace.expected(b.Bytes())
	if expected == 0 || expected >= most/generous {
		return most
	}
	d := max(minPatience, generous*expected)
	return min((d + time.Second - 1).Truncate(time.Second), most)
}

// hurried reports whether a call with one graph had less time than it may need, as it is known by now.
func (g *Gate) hurried(b *graph.Batch, had, deadline time.Duration) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return b.Graphs() == 1 && had < min(roomy*g.pace.expected(b.Bytes()), longest(b.Bytes(), deadline))
}

// sample is how many bytes of known good graphs show whether calls of that size are answered.
func (g *Gate) sample(bytes int64) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return int64(min(max(g.pace.bytes, overhead), float64(bytes), gentle))
}

// ailing notes that a known good graph failed in a call that began at that moment, and returns since when that is so.
func (g *Gate) ailing(began time.Time) time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.unwell.IsZero() {
		g.unwell = began
	}
	return g.unwell
}
