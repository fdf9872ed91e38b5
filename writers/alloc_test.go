//go:build !race

// The race detector allocates, and empties pools at random: what is held here does not hold there.

package writers

import (
	"runtime"
	"runtime/debug"
	"testing"
)

// TestAllocations holds what writing and committing a part allocates: it is not parallel, or others' allocations
// would count. Limits are about 1.3 times what it took when they were set.
func TestAllocations(t *testing.T) {
	const graphs = 35_000
	batches, scores := benchBatches(graphs)
	o := openBench(t)
	writeBatches(t, o, "first.parquet", batches, scores) // what is made once does not count
	defer debug.SetGCPercent(debug.SetGCPercent(-1))     // or it empties pools at moments of its own
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	writeBatches(t, o, "second.parquet", batches, scores)
	runtime.ReadMemStats(&after)
	objects, bytes := float64(after.Mallocs-before.Mallocs)/graphs, float64(after.TotalAlloc-before.TotalAlloc)/graphs
	t.Logf("%.4f objects and %.0f bytes a graph", objects, bytes)
	if objects > maxObjects || bytes > maxBytes {
		t.Errorf("writing allocates %.4f objects and %.0f bytes a graph, at most %v and %v are expected", objects, bytes, maxObjects, maxBytes)
	}
}

const (
	maxObjects = 0.04
	maxBytes   = 610
)
