//go:build !race

// The race detector allocates, and empties pools at random: what is held here does not hold there.

package readers_test

import (
	"runtime"
	"runtime/debug"
	"testing"

	"graphscore/readers"
)

// TestAllocations holds what reading allocates: it is not parallel, or others' allocations would count. Limits are
// about 1.3 times what it took when they were set.
func TestAllocations(t *testing.T) {
	p, err := readers.NewPlan(t.Context(), readers.Config{Inputs: []readers.Input{{Path: "../jobs/examples/molecules/data"}}})
	if err != nil {
		t.Fatal(err)
	}
	width, err := p.Width(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	drain(t, p, width)                               // what is made once does not count
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // or it empties pools at moments of its own
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	graphs := drain(t, p, width)
	runtime.ReadMemStats(&after)
	if graphs != 4806 {
		t.Fatalf("%d graphs", graphs)
	}
	objects, bytes := float64(after.Mallocs-before.Mallocs)/float64(graphs), float64(after.TotalAlloc-before.TotalAlloc)/float64(graphs)
	t.Logf("%.3f objects and %.0f bytes a graph", objects, bytes)
	if objects > maxObjects || bytes > maxBytes {
		t.Errorf("reading allocates %.3f objects and %.0f bytes a graph, at most %v and %v are expected", objects, bytes, maxObjects, maxBytes)
	}
}

const (
	maxObjects = 1.0
	maxBytes   = 8000
)

// drain reads every shard as the pipeline does, and gives batches back.
func drain(t *testing.T, p *readers.Plan, width int) (graphs int) {
	t.Helper()
	for i := range p.Shards {
		src, err := p.Open(t.Context(), &p.Shards[i], wanted(width))
		if err != nil {
			t.Fatal(err)
		}
		for b := range batches(t, src) {
			graphs += b.Graphs()
			src.Recycle(b)
		}
		if err := src.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return graphs
}
