package pipeline

import (
	"context"
	"time"

	"graphscore/pipeline/graph"
)

// Source yields the graphs of one shard in the order of the input. One goroutine uses it.
//
// An error other than io.EOF or the context's refuses the rest of the shard: its message names the file
// and what is wrong with it. A Source never panics because of its input.
type Source interface {
	// Next returns the next batch, io.EOF at the end. The caller owns the batch, see [Recycler].
	Next(ctx context.Context) (*graph.Batch, error)
	// Close frees the file. It may be called at any time, once.
	Close() error
}

// Recycler is implemented by sources that fill the memory of batches again.
type Recycler interface {
	// Recycle returns a batch of Next, once nobody uses it or a slice of it any more. It may be called
	// from any goroutine, also after Close.
	Recycle(b *graph.Batch)
}

// Announcing is implemented by sources that say when they read a graph that is large beside others.
type Announcing interface {
	// Announce has Next call begin before it takes the memory of such a graph, perhaps more than once. begin blocks until
	// there is room; its error ends Next.
	Announce(begin func() error)
	// Announced reports whether there is such a graph that Next has not returned.
	Announced() bool
}

// Scorer scores batches. It is safe for concurrent use.
//
// An error means that nothing was scored. Errors may have the methods of [Retryable], [Pushback], [Refusing] and
// [Suspicious]; one without them ends the run.
type Scorer interface {
	// Score blocks until the batch is scored or ctx ends. Scores are in the order of the batch; Scores.Failed
	// lists graphs that the scorer refused. The batch is only read, and not kept after the call.
	Score(ctx context.Context, b *graph.Batch) (*graph.Scores, error)
}

// Sink takes the scores of one shard in order. One goroutine uses it.
type Sink interface {
	// Write takes the scores of b. Graphs in s.Failed get no rows. Neither b nor s is kept.
	Write(ctx context.Context, b *graph.Batch, s *graph.Scores) error
	// Reject records a graph that was not scored. Rows ascend over all calls.
	Reject(ctx context.Context, r graph.Rejection) error
	// Commit makes the part durable and visible under its name. Called once, last before Close.
	Commit(ctx context.Context) error
	// Close without Commit leaves nothing behind.
	Close() error
}

// Retryable is implemented by errors of a Scorer that another attempt may not meet.
type Retryable interface {
	error
	Retryable() bool
}

// Pushback is implemented by errors that say how long to wait before the next attempt.
type Pushback interface {
	error
	RetryAfter() time.Duration
}

// Refusing is implemented by errors of a Scorer that concern what is in the batch, not the scorer: the batch
// is then cut until the graph that causes it is alone.
type Refusing interface {
	error
	Refused() (code graph.Code, message string, refused bool)
}

// Suspicious is implemented by errors of a Scorer that a graph of the batch may have caused, though nothing says so:
// the scorer raised an exception, ended, ran out of memory or gave no answer. See [Patient].
type Suspicious interface {
	error
	Suspicion() graph.Suspicion
}

// Workers is what a [Patient] asks of the processes that score, where they are ours. It is safe for concurrent use.
type Workers interface {
	// Ended says how the process at an address ended that took a call whose connection was lost, as in "was killed by
	// SIGSEGV": the fault is graph.FaultCrashed, FaultMemory where it had not enough, FaultHung where it was ended for
	// that, or NoFault where it was ended for what the call had no part in. It blocks until that is known, a short
	// while at most, and returns "" where the process did not end.
	Ended(ctx context.Context, address string) (end string, fault graph.Fault)
	// Hung reports that a call which began at that moment reached its deadline at an address. It ends the process
	// there, so that another takes its place, unless it has answered another call since; with the zero time, at once.
	Hung(ctx context.Context, address string, began time.Time)
	// Excuse says that from now on, or until now, a process that ends is the fault of what it scores. Calls are nested.
	Excuse(on bool)
}
