package pipeline

import (
	"math"
	"time"
)

// pace is how much a scorer is sent at once: how many calls may be under way, and up to which size graphs share one. Both
// fall where calls take long, reach their deadline or are refused because the scorer is full, down to one call with one
// graph, and rise while calls succeed. It belongs to the lock of a [Gate].
//
// Decision: additive increase, multiplicative decrease, as TCP does it. Two quantities, as scorers refuse for two reasons:
// too many calls are answered by fewer, too much in a call (or a slow link) by smaller ones. A call that began before the
// last decrease says nothing new.
type pace struct {
	workers   int // that score: latency alone leaves each a call
	addresses int // of servers

	calls float64 // that may be under way, +Inf where nothing limits them
	bytes float64 // up to which graphs share a call, +Inf where nothing limits them
	step  float64 // by which bytes rises at a success ...
	rises int     // ... of which there were so many since it was doubled

	okCalls int     // that were under way when one of them succeeded ...
	okBytes float64 // ... and of one that did; the most since less was sent

	peak    int       // calls that were under way at once
	largest float64   // batch that was to be sent, in bytes
	lowered time.Time // the last time
	begun   bool      // bytes has been lowered: before, it doubles at every success

	perByte float64              // seconds that a byte takes, as recent calls show; 0 before the first
	held    map[string]time.Time // until when servers are not to be asked, by address
}

const (
	// gentle is the size of the first calls to servers that run elsewhere: the link may be slow.
	gentle = 64 << 10
	// patienceShare is the part of its deadline that a call may take before fewer or smaller ones are sent, and easyShare
	// that up to which larger ones are.
	patienceShare, easyShare = 4, 8
	// overhead is what a call costs beside its bytes, in bytes.
	overhead = 16 << 10
	// roomy is how many times as long as expected a single graph may take that needs more than the deadline, and
	// stretch how many times the deadline that is at most. A small one has no more than the deadline.
	roomy, stretch = 4, 10
)

func newPace(workers int) pace {
	return pace{workers: max(workers, 1), addresses: max(workers, 1), calls: math.Inf(1), bytes: math.Inf(1), held: map[string]time.Time{}}
}

// admits reports whether one more call may begin beside those under way.
func (p *pace) admits(under int) bool { return under == 0 || float64(under+1) <= p.calls }

// fits reports whether a batch may be sent in one call.
func (p *pace) fits(bytes int64) bool {
	p.largest = max(p.largest, float64(bytes))
	return float64(bytes) <= p.bytes
}

// succeeded takes note of a call that was answered while so many were under way.
func (p *pace) succeeded(o outcome, under int) {
	p.learn(o.bytes, o.took)
	p.peak, p.okCalls, p.okBytes = max(p.peak, under), max(p.okCalls, under), max(p.okBytes, float64(o.bytes))
	switch {
	case o.took >= o.deadline/patienceShare:
		if o.began.After(p.lowered) {
			p.slow(o, under)
		}
		return
	case o.took < o.deadline/easyShare && float64(o.bytes) >= p.bytes/2:
		p.grow()
	}
	if !math.IsInf(p.calls, 1) && float64(under+1) > p.calls {
		const careful = 4 // rounds of calls before there is one more
		if p.calls += 1 / (careful * p.calls); p.calls > float64(p.peak) {
			p.calls = math.Inf(1)
		}
	}
}

// grow raises the size of calls.
func (p *pace) grow() {
	switch {
	case math.IsInf(p.bytes, 1):
		return
	case !p.begun:
		p.bytes *= 2
	default:
		const often = 8
		p.bytes += p.step
		if p.rises++; p.rises%often == 0 {
			p.step *= 2
		}
	}
	if p.bytes >= p.largest {
		p.bytes = math.Inf(1)
	}
}

// slow lowers the size of calls that take long, or how many there are where they are small already.
func (p *pace) slow(o outcome, under int) {
	if o.graphs > 1 && o.bytes > gentle {
		p.smaller(o)
	} else if fewer := max(float64(p.workers), p.now(under)/2); fewer < p.now(under) {
		p.fewer(o, fewer)
	}
}

// failed takes note of a call that failed, and reports whether less is sent from now on.
func (p *pace) failed(o outcome, why strain, under int) bool {
	p.peak = max(p.peak, under)
	if why == noStrain || !o.began.After(p.lowered) {
		return false
	}
	calls, bytes := p.calls, p.bytes
	now := p.now(under)
	// Larger than anything that was taken, and no more calls than were: then it is the size.
	large := why == strainFull && (now <= 1 || float64(o.bytes) > p.okBytes && under <= p.okCalls)
	if why != strainMemory && !large {
		p.fewer(o, max(1, now/2))
	}
	if why == strainMemory || why == strainLate || large {
		p.smaller(o)
	}
	return p.calls != calls || p.bytes != bytes
}

// now is how many calls may be under way, or are, whichever is less.
func (p *pace) now(under int) float64 { return min(p.calls, float64(max(under, 1))) }

func (p *pace) fewer(o outcome, calls float64) {
	p.calls, p.lowered = calls, o.began.Add(o.took)
	p.okCalls = min(p.okCalls, int(calls))
}

// smaller halves the size of calls. A graph alone cannot be smaller.
func (p *pace) smaller(o outcome) {
	p.bytes = max(1, min(p.bytes, float64(o.bytes))/2)
	p.step, p.rises, p.begun = max(1, p.bytes/8), 0, true
	p.okBytes = min(p.okBytes, p.bytes)
	p.lowered = o.began.Add(o.took)
}

// learn keeps how long a byte takes. What takes longer counts at once, what takes less little by little: a graph is not
// blamed for a link that has become slow.
func (p *pace) learn(bytes int64, took time.Duration) {
	const weight = 0.125
	now := took.Seconds() / float64(bytes+overhead)
	if now > p.perByte {
		p.perByte = now
	}
	p.perByte += weight * (now - p.perByte)
}

// expected is how long a call with so many bytes takes, 0 where nothing is known.
func (p *pace) expected(bytes int64) time.Duration {
	return time.Duration(min(p.perByte*float64(bytes+overhead), math.MaxInt32) * float64(time.Second))
}

// allowed is the deadline of a call with one graph of so many bytes: more than that of all calls where such a graph takes
// longer, as it cannot be cut. It is in whole seconds where it is more.
func (p *pace) allowed(bytes int64, deadline time.Duration) time.Duration {
	d := roomy * p.expected(bytes)
	if d <= deadline {
		return deadline
	}
	return min((d + time.Second - 1).Truncate(time.Second), longest(bytes, deadline))
}

// longest is the most that a call with one graph of so many bytes is allowed. A small one that takes longer than the
// deadline does not do so for its bytes: another one took long before it, and that may have been a stall.
func longest(bytes int64, deadline time.Duration) time.Duration {
	if bytes <= overhead {
		return deadline
	}
	return stretch * deadline
}

// hold keeps calls from beginning until a server is ready that asked to wait.
func (p *pace) hold(address string, until time.Time) {
	if until.After(p.held[address]) {
		p.held[address] = until
	}
}

// wait is how long no call may begin: while every server has asked to wait.
func (p *pace) wait(now time.Time) time.Duration {
	if len(p.held) == 0 {
		return 0
	}
	var first time.Duration
	for address, until := range p.held {
		d := until.Sub(now)
		if d <= 0 {
			delete(p.held, address)
		} else if first == 0 || d < first {
			first = d
		}
	}
	if len(p.held) < p.addresses {
		return 0
	}
	return first
}

// strain is why less should be sent.
type strain uint8

const (
	noStrain     strain = iota
	strainBusy          // the scorer asks to wait
	strainFull          // it is full
	strainMemory        // it has not enough memory for the call
	strainLate          // the call reached its deadline
)

// outcome is a call that has ended.
type outcome struct {
	bytes    int64
	graphs   int
	known    bool // they are known good graphs, and not of the run
	began    time.Time
	took     time.Duration
	deadline time.Duration // of all calls
}

// limits are those of a pace: 0 where there is none.
type limits struct{ calls, bytes int64 }

func (p *pace) limits() limits {
	var l limits
	if !math.IsInf(p.calls, 1) {
		l.calls = int64(p.calls)
	}
	if !math.IsInf(p.bytes, 1) {
		l.bytes = int64(p.bytes)
	}
	return l
}
