//go:build !race

// The race detector allocates, and empties pools at random: what is held here does not hold there.

package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"

	"graphscore/pipeline"
	"graphscore/pipeline/graph"
	"graphscore/pipeline/pipelinetest"
	"graphscore/readers"
	"graphscore/writers"
	"graphscore/writers/part"
)

// example is the input of the flow: 4,806 molecules with so many features.
const (
	example      = "../../../jobs/examples/molecules/data"
	exampleWidth = 16
)

// flow reads the example, scores it in this process and writes parts into an output of its own. It gives the graphs
// and the calls.
func flow(tb testing.TB, dir string) (graphs, calls int64) {
	tb.Helper()
	ctx := tb.Context()
	plan, err := readers.NewPlan(ctx, readers.Config{Inputs: []readers.Input{{Path: example}}})
	if err != nil {
		tb.Fatal(err)
	}
	out, err := writers.Open(ctx, writers.Config{Dir: dir})
	if err != nil {
		tb.Fatal(err)
	}
	defer out.Close()
	contents := part.Contents{Outputs: []string{"score"}, GraphIDs: plan.GraphIDs, NodeIDs: plan.NodeIDs}
	shards := make([]pipeline.Shard, len(plan.Shards))
	for i := range plan.Shards {
		sh := &plan.Shards[i]
		shards[i] = pipeline.Shard{
			Name: sh.Part, Rows: sh.Rows,
			Open: func(ctx context.Context) (pipeline.Source, error) {
				return plan.Open(ctx, sh, readers.Wanted{Width: exampleWidth, Inputs: graph.Inputs{Weights: true}})
			},
			Create: func(ctx context.Context) (pipeline.Sink, error) {
				return out.Create(ctx, part.Spec{Part: sh.Part, Input: sh.File.Rel, Rows: sh.Rows}, contents)
			},
		}
	}
	progress := &pipeline.Progress{}
	result, err := pipeline.Run(ctx, pipeline.Config{Outputs: 1, Progress: progress}, shards, &pipelinetest.Scorer{})
	if err != nil {
		tb.Fatal(err)
	}
	return result.Counts.Scored, progress.Requests.Load()
}

// TestAllocations holds what a graph costs from file to file, in objects, bytes and calls, planning included: it is
// not parallel, or others' allocations would count. Limits are about 1.3 times what it took when they were set.
func TestAllocations(t *testing.T) {
	dir := t.TempDir()
	flow(t, filepath.Join(dir, "first"))             // what is made once does not count
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // or it empties pools at moments of its own
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	scored, calls := flow(t, filepath.Join(dir, "second"))
	runtime.ReadMemStats(&after)
	if scored != 4806 {
		t.Fatalf("%d graphs were scored", scored)
	}
	graphs := float64(scored)
	objects, bytes := float64(after.Mallocs-before.Mallocs)/graphs, float64(after.TotalAlloc-before.TotalAlloc)/graphs
	t.Logf("%.3f objects, %.0f bytes and %.5f calls a graph", objects, bytes, float64(calls)/graphs)
	if objects > maxObjects || bytes > maxBytes || float64(calls)/graphs > maxCalls {
		t.Errorf("a graph takes %.3f objects, %.0f bytes and %.5f calls, at most %v, %v and %v are expected",
			objects, bytes, float64(calls)/graphs, maxObjects, maxBytes, maxCalls)
	}
}

const (
	maxObjects = 2.4
	maxBytes   = 12800
	maxCalls   = 0.0022
)

// BenchmarkFlow is everything but the scorer: reading, cutting, collecting and writing.
func BenchmarkFlow(b *testing.B) {
	dir := b.TempDir()
	b.ReportAllocs()
	var graphs int64
	for n := 0; b.Loop(); n++ {
		scored, _ := flow(b, filepath.Join(dir, fmt.Sprint(n)))
		graphs += scored
	}
	b.ReportMetric(float64(graphs)/b.Elapsed().Seconds(), "graphs/s")
}
