//go:build !race

// The race detector allocates, and empties pools at random: what is held here does not hold there.

package pipeline_test

import (
	"context"
	"io"
	"runtime"
	"runtime/debug"
	"testing"

	"graphscore/pipeline"
	"graphscore/pipeline/graph"
)

// flow is a shard of the same batch again and again, scored and written by nobody: what is left is the pipeline.
type flow struct {
	batch  *graph.Batch
	values []float32
	left   int
}

func (f *flow) Next(context.Context) (*graph.Batch, error) {
	if f.left == 0 {
		return nil, io.EOF
	}
	f.left--
	return f.batch, nil
}

func (f *flow) Score(_ context.Context, b *graph.Batch) (*graph.Scores, error) {
	return &graph.Scores{Outputs: 1, Values: f.values[:b.Nodes()]}, nil
}

func (f *flow) Write(context.Context, *graph.Batch, *graph.Scores) error { return nil }
func (f *flow) Reject(context.Context, graph.Rejection) error            { return nil }
func (f *flow) Commit(context.Context) error                             { return nil }
func (f *flow) Close() error                                             { return nil }

const (
	flowGraphs  = 1500
	flowBatches = 50
)

// newFlow makes batches of 2 MiB, graphs as large as a molecule: 16 nodes, 33 edges, 16 features.
func newFlow() *flow {
	b := graph.NewBuilder(graph.BuilderConfig{Width: 16, GraphIDs: graph.Int64})
	row := &graph.Row{Nodes: 16, Width: 16, NumNodes: -1, Features: make([]float32, 16*16)}
	for i := range 33 {
		row.Sources, row.Targets = append(row.Sources, int64(i%16)), append(row.Targets, int64(i*7%16))
	}
	for i := range flowGraphs {
		row.Row, row.IntID = int64(i), int64(i)
		b.Add(row)
	}
	return &flow{batch: b.Batch(), values: make([]float32, 16*flowGraphs)}
}

// run scores the shard.
func (f *flow) run(tb testing.TB) *pipeline.Progress {
	tb.Helper()
	f.left = flowBatches
	progress := &pipeline.Progress{}
	shard := pipeline.Shard{
		Name: "s", Rows: flowGraphs * flowBatches,
		Open:   func(context.Context) (pipeline.Source, error) { return f, nil },
		Create: func(context.Context) (pipeline.Sink, error) { return f, nil },
	}
	if _, err := pipeline.Run(tb.Context(), pipeline.Config{Outputs: 1, Progress: progress}, []pipeline.Shard{shard}, f); err != nil {
		tb.Fatal(err)
	}
	return progress
}

// TestAllocations holds what the pipeline itself costs a graph, in objects, bytes and calls: it is not parallel, or
// others' allocations would count. Limits are about 1.3 times what it took when they were set.
func TestAllocations(t *testing.T) {
	f := newFlow()
	f.run(t)                                         // what is made once does not count
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // or it empties pools at moments of its own
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	progress := f.run(t)
	runtime.ReadMemStats(&after)
	const graphs = flowGraphs * flowBatches
	objects, bytes := float64(after.Mallocs-before.Mallocs)/graphs, float64(after.TotalAlloc-before.TotalAlloc)/graphs
	calls := float64(progress.Requests.Load()) / graphs
	t.Logf("%.4f objects, %.2f bytes and %.5f calls a graph", objects, bytes, calls)
	if objects > maxObjects || bytes > maxBytes || calls > maxCalls {
		t.Errorf("the pipeline takes %.4f objects, %.2f bytes and %.5f calls a graph, at most %v, %v and %v are expected",
			objects, bytes, calls, maxObjects, maxBytes, maxCalls)
	}
}

const (
	maxObjects = 0.015
	maxBytes   = 1.6
	maxCalls   = 0.0018
)

// BenchmarkRun is cutting, dispatching and collecting, with nothing read, scored or written.
func BenchmarkRun(b *testing.B) {
	f := newFlow()
	b.ReportAllocs()
	for b.Loop() {
		f.run(b)
	}
	b.ReportMetric(float64(flowGraphs*flowBatches*b.N)/b.Elapsed().Seconds(), "graphs/s")
}
