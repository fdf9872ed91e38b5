package pipelinetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"graphscore/pipeline"
	"graphscore/pipeline/graph"
)

// Cluster is a scorer of several processes that fail on graphs that are given. Times are those of the clock, which a
// test in a bubble of testing/synctest sets. It is the pipeline.Workers of its processes as well.
type Cluster struct {
	Scorer Scorer
	// Faults are what the graphs in these rows cause, alone or beside others. The first in a batch counts.
	Faults map[int64]graph.Fault
	// Good is what a known good graph causes.
	Good graph.Fault
	// Storm is the fault that every call meets before the time Until.
	Storm graph.Fault
	Until time.Time
	// Ill is the fault that every call to the first process meets.
	Ill graph.Fault
	// Keeps is how long a graph that hangs keeps its process busy, where nobody replaces that.
	Keeps time.Duration
	// Workers is the number of processes, 0 means 1.
	Workers int
	// Takes is how long a call takes, Restart how long a process is not there after it ended.
	Takes, Restart time.Duration
	// Deadline bounds calls without one of their own. 0 means a minute.
	Deadline time.Duration

	mu        sync.Mutex
	processes []*process
	excused   int
	counts    ClusterCounts
}

// ClusterCounts is what a Cluster was asked.
type ClusterCounts struct {
	// Calls counts those with graphs of the input, Probes those with a known good graph, Unreached those that found no
	// process.
	Calls, Probes, Unreached int
	// Excused and Unexcused count the processes that ended, Hung those that were replaced.
	Excused, Unexcused, Hung int
	// Lost counts calls that ended because another one ended their process.
	Lost int
}

type process struct {
	name  string
	calls int
	up    time.Time     // not there before
	busy  time.Time     // answers nothing before
	ended chan struct{} // closed when it ends
}

// Counts returns what was counted so far.
func (c *Cluster) Counts() ClusterCounts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts
}

// Within bounds a call: it is pipeline.Patience.Within.
func (c *Cluster) Within(ctx context.Context, d time.Duration) context.Context {
	return context.WithValue(ctx, deadlineKey{}, d)
}

type deadlineKey struct{}

// Score implements pipeline.Scorer.
func (c *Cluster) Score(ctx context.Context, b *graph.Batch) (*graph.Scores, error) {
	fault, p, ended := c.take(b)
	if p == nil {
		return nil, &Failed{Message: "it cannot be reached"}
	}
	defer c.leave(p)
	deadline, bounded := ctx.Value(deadlineKey{}).(time.Duration)
	if !bounded {
		if deadline = c.Deadline; deadline == 0 {
			deadline = time.Minute
		}
	}
	takes := time.After(c.occupy(p, fault))
	if fault == graph.FaultHung {
		takes = nil
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-ended:
		c.lost()
		return nil, p.failed(graph.FaultCrashed, "the connection was lost")
	case <-time.After(deadline):
		return nil, p.failed(graph.FaultHung, fmt.Sprintf("no answer within %v", deadline))
	case <-takes:
	}
	switch fault {
	case graph.NoFault:
		s, err := c.Scorer.Score(ctx, b)
		if err == nil {
			s.Address = p.name
		}
		return s, err
	case graph.FaultCrashed:
		c.end(p)
	}
	return nil, p.failed(fault, "trouble")
}

// occupy returns how long a process takes for a call.
func (c *Cluster) occupy(p *process, fault graph.Fault) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	takes := c.Takes + max(0, time.Until(p.busy))
	if fault == graph.FaultHung && c.Keeps > 0 {
		p.busy = time.Now().Add(c.Keeps)
	}
	return takes
}

// take chooses the process with the fewest calls, nil where none is there.
func (c *Cluster) take(b *graph.Batch) (graph.Fault, *process, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.processes) < max(c.Workers, 1) {
		c.processes = append(c.processes, &process{name: fmt.Sprint("worker ", len(c.processes)), ended: make(chan struct{})})
	}
	fault, good := c.fault(b)
	var chosen *process
	for _, p := range c.processes {
		if !time.Now().Before(p.up) && (chosen == nil || p.calls < chosen.calls || p.calls == chosen.calls && rand.IntN(2) == 0) {
			chosen = p
		}
	}
	switch {
	case chosen == nil:
		c.counts.Unreached++
		return fault, nil, nil
	case good:
		c.counts.Probes++
	default:
		c.counts.Calls++
	}
	chosen.calls++
	if chosen == c.processes[0] && c.Ill != graph.NoFault {
		fault = c.Ill
	}
	return fault, chosen, chosen.ended
}

// fault is what the batch causes, and whether it is the known good one.
func (c *Cluster) fault(b *graph.Batch) (fault graph.Fault, good bool) {
	good = isKnownGood(b)
	if time.Now().Before(c.Until) {
		return c.Storm, good
	}
	if good {
		return c.Good, true
	}
	for _, row := range b.Rows {
		if fault := c.Faults[row]; fault != graph.NoFault {
			return fault, false
		}
	}
	return graph.NoFault, false
}

// isKnownGood reports whether a batch is that of a probe. Graphs of tests have features, or text for ids.
func isKnownGood(b *graph.Batch) bool {
	for _, x := range b.Features {
		if x != 0 {
			return false
		}
	}
	return b.Nodes() == 2*b.Graphs() && b.IDs.Kind == graph.Int64
}

func (c *Cluster) leave(p *process) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.calls--
}

func (c *Cluster) lost() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts.Lost++
}

// end ends a process: another takes its place.
func (c *Cluster) end(p *process) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.excused > 0 {
		c.counts.Excused++
	} else {
		c.counts.Unexcused++
	}
	close(p.ended)
	p.ended, p.up = make(chan struct{}), time.Now().Add(c.Restart)
}

func (p *process) failed(fault graph.Fault, message string) error {
	return &Failed{Suspects: graph.Suspicion{Fault: fault, Message: message, Address: p.name}, Message: message}
}

// Ended implements pipeline.Workers.
func (c *Cluster) Ended(context.Context, string) (string, graph.Fault) {
	return "was killed by SIGSEGV", graph.FaultCrashed
}

// Hung implements pipeline.Workers.
func (c *Cluster) Hung(_ context.Context, address string, _ time.Time) {
	c.mu.Lock()
	c.counts.Hung++
	at := slices.IndexFunc(c.processes, func(p *process) bool { return p.name == address })
	c.mu.Unlock()
	c.end(c.processes[at])
}

// Excuse implements pipeline.Workers.
func (c *Cluster) Excuse(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if on {
		c.excused++
	} else {
		c.excused--
	}
}

// Failed is a failed call that may be repeated.
type Failed struct {
	Suspects graph.Suspicion
	Message  string
	// After is how long the scorer asks to wait.
	After time.Duration
}

func (e *Failed) Error() string { return "scorer: " + e.Message }

// Retryable implements pipeline.Retryable.
func (e *Failed) Retryable() bool { return true }

// RetryAfter implements pipeline.Pushback.
func (e *Failed) RetryAfter() time.Duration { return e.After }

// Suspicion implements pipeline.Suspicious.
func (e *Failed) Suspicion() graph.Suspicion { return e.Suspects }

var (
	_ pipeline.Scorer     = (*Cluster)(nil)
	_ pipeline.Workers    = (*Cluster)(nil)
	_ pipeline.Suspicious = (*Failed)(nil)
	_ pipeline.Pushback   = (*Failed)(nil)
	_ pipeline.Retryable  = (*Failed)(nil)
)
