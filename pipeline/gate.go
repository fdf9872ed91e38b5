package pipeline

import (
	"context"
	"sync"
	"time"
)

// Gate lets the calls for suspects through one at a time, and keeps what all calls to one scorer teach. It is shared
// by all that score over one connection, and is safe for concurrent use.
//
// With one worker, a suspect waits until no other call is under way, and the others wait while its call is: they would
// be lost with the process. They do not wait for a suspect that waits. The bounds of a run make them run dry, as the
// suspect's shard cannot be collected any further, so that the suspect has its turn. With several workers the others go
// on, unless a suspect is to be scored with nothing else under way.
type Gate struct {
	single bool

	mu       sync.Mutex
	calls    int    // ordinary calls under way
	suspect  bool   // a suspect's call is under way ...
	alone    bool   // ... and no other may be
	suspects uint64 // calls of suspects that have begun
	waiting  int
	changed  chan struct{} // closed and made anew when something changes that is waited for

	// seconds were spent on calls with that many bytes. Old ones count less and less.
	seconds, bytes float64
	// unwell is when the first known good graph failed since something was last scored, zero where none did.
	unwell time.Time
}

// NewGate makes the gate of so many workers.
func NewGate(workers int) *Gate {
	return &Gate{single: workers <= 1, changed: make(chan struct{})}
}

// enter blocks until an ordinary call may begin. The mark is for leave.
func (g *Gate) enter(ctx context.Context) (mark uint64, err error) {
	err = g.await(ctx, func() bool {
		if g.suspect && g.alone {
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
	return g.await(ctx, func() bool {
		if g.suspect || alone && g.calls > 0 {
			return false
		}
		g.suspect, g.alone = true, alone
		g.suspects++
		return true
	})
}

// release ends the call of a suspect.
func (g *Gate) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.suspect = false
	g.wake()
}

// await blocks until take returns true, or ctx ends. take is called with the lock held.
func (g *Gate) await(ctx context.Context, take func() bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for !take() {
		changed := g.changed
		g.waiting++
		g.mu.Unlock()
		var err error
		select {
		case <-changed:
		case <-ctx.Done():
			err = ctx.Err()
		}
		g.mu.Lock()
		g.waiting--
		if err != nil {
			return err
		}
	}
	return nil
}

// wake is called with the lock held.
func (g *Gate) wake() {
	if g.waiting > 0 {
		close(g.changed)
		g.changed = make(chan struct{})
	}
}

// memory is the number of bytes of which a call's time is remembered at least by half.
const memory = 64 << 20

// scored notes a call that succeeded.
func (g *Gate) scored(bytes int64, took time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.unwell = time.Time{}
	g.seconds += took.Seconds()
	if g.bytes += float64(bytes); g.bytes > 2*memory {
		g.seconds, g.bytes = g.seconds/2, g.bytes/2
	}
}

const (
	// minPatience is the shortest deadline of a suspect's call.
	minPatience = 2 * time.Second
	// generous is how many times as long as expected such a call may take.
	generous = 20
)

// patience is the deadline of a suspect's call, in whole seconds, at most that of all calls.
func (g *Gate) patience(bytes int64, deadline time.Duration) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.bytes == 0 {
		return deadline
	}
	seconds := generous * float64(bytes) * g.seconds / g.bytes
	if seconds >= deadline.Seconds() {
		return deadline
	}
	d := max(minPatience, time.Duration(seconds*float64(time.Second)))
	return min((d + time.Second - 1).Truncate(time.Second), deadline)
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
