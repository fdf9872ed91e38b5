package run

import (
	"context"
	"sync"
	"time"

	"graphscore/pipeline/graph"
	"graphscore/pipeline/local"
)

// workers is a pool as the pipeline knows it. It is safe for concurrent use.
type workers struct {
	pool *local.Pool

	mu       sync.Mutex
	answered map[string]time.Time // when the process at an address last answered
}

func newWorkers(pool *local.Pool) *workers {
	return &workers{pool: pool, answered: make(map[string]time.Time)}
}

// Answered takes note of a call that succeeded.
func (w *workers) Answered(address string) {
	w.mu.Lock()
	w.answered[address] = time.Now()
	w.mu.Unlock()
	w.pool.Answered(address)
}

// Ended says how the process ended that a call was lost with.
func (w *workers) Ended(ctx context.Context, address string) (string, graph.Fault) {
	switch end := w.pool.Ended(ctx, address); {
	case end.Freed:
		return end.Text, graph.NoFault
	case end.Memory:
		return end.Text, graph.FaultMemory
	case end.Hung:
		return end.Text, graph.FaultHung
	default:
		return end.Text, graph.FaultCrashed
	}
}

// Hung replaces the process at an address, unless it has answered since a call began that has no answer. It waits for
// its end, which is then excused if it is due to be.
func (w *workers) Hung(ctx context.Context, address string, began time.Time) {
	w.mu.Lock()
	last := w.answered[address]
	w.mu.Unlock()
	if !began.IsZero() && last.After(began) {
		return
	}
	w.pool.Replace(address)
	w.pool.Ended(ctx, address)
}

// Excuse says that the end of a process is the fault of what it scores.
func (w *workers) Excuse(on bool) { w.pool.Excuse(on) }
