//go:build !race

// The race detector allocates, and empties pools at random: what is held here does not hold there.

package remote

import (
	"context"
	"runtime"
	"runtime/debug"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"graphscore/pipeline/graph"
	scoringv1 "graphscore/proto/graphscore/v1"
)

// wire is a connection that encodes requests and decodes an answer, as gRPC does, but sends nothing.
type wire struct {
	grpc.ClientConnInterface
	answer []byte
	sent   int // bytes of all requests
}

func (w *wire) Invoke(_ context.Context, _ string, request, answer any, options ...grpc.CallOption) error {
	var codec encoding.CodecV2
	for _, o := range options {
		if forced, is := o.(grpc.ForceCodecV2CallOption); is {
			codec = forced.CodecV2
		}
	}
	data, err := codec.Marshal(request)
	if err != nil {
		return err
	}
	w.sent += data.Len()
	data.Free()
	return codec.Unmarshal(mem.BufferSlice{mem.SliceBuffer(w.answer)}, answer)
}

// molecules is a batch of about 1 MiB, and a connection that answers it.
func molecules(tb testing.TB) (*graph.Batch, *wire) {
	tb.Helper()
	b := graph.NewBuilder(graph.BuilderConfig{Width: 16, GraphIDs: graph.Int64})
	row := &graph.Row{Nodes: 16, Width: 16, NumNodes: -1, Features: make([]float32, 16*16)}
	for i := range 33 {
		row.Sources, row.Targets = append(row.Sources, int64(i%16)), append(row.Targets, int64(i*7%16))
	}
	for i := range 1600 {
		row.Row, row.IntID = int64(i), int64(i)
		b.Add(row)
	}
	batch := b.Batch().Slice(800, 1600) // the second request of a batch: sources have to be counted from its first node
	return batch, &wire{answer: encoded(tb, &scoringv1.ScoreResponse{
		Nodes: uint32(batch.Nodes()), Outputs: 1, Scores: make([]byte, 4*batch.Nodes()), ModelDigest: "digest", ModelNanos: 1,
	})}
}

func encoded(tb testing.TB, m proto.Message) []byte {
	tb.Helper()
	data, err := proto.Marshal(m)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// score packs and unpacks one request many times.
func score(tb testing.TB, w *wire, b *graph.Batch, times int) {
	tb.Helper()
	n := NewNative(w, Config{}, &graph.Model{Digest: "digest", Outputs: []string{"score"}, InFeatures: 16})
	for range times {
		if _, err := n.Score(tb.Context(), b); err != nil {
			tb.Fatal(err)
		}
	}
}

// TestAllocations holds what packing a request and unpacking its answer allocate, and what goes over the wire beside
// the columns: it is not parallel, or others' allocations would count. Limits are about 1.3 times what it took when
// they were set; scores, 64 bytes a graph, are part of it.
func TestAllocations(t *testing.T) {
	const times = 50
	b, w := molecules(t)
	score(t, w, b, 2) // what is made once does not count
	w.sent = 0
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // or it empties pools at moments of its own
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	score(t, w, b, times)
	runtime.ReadMemStats(&after)
	graphs := float64(times * b.Graphs())
	objects, bytes := float64(after.Mallocs-before.Mallocs)/graphs, float64(after.TotalAlloc-before.TotalAlloc)/graphs
	t.Logf("%.4f objects and %.1f bytes a graph", objects, bytes)
	if objects > maxObjects || bytes > maxBytes {
		t.Errorf("a request takes %.4f objects and %.1f bytes a graph, at most %v and %v are expected", objects, bytes, maxObjects, maxBytes)
	}
	if beside := int64(w.sent)/times - b.Bytes(); beside > messageOverhead {
		t.Errorf("a request is %d bytes longer than its columns, at most %d are expected", beside, messageOverhead)
	}
}

const (
	maxObjects = 0.052
	maxBytes   = 135
)

// BenchmarkNative packs requests of 800 molecules and unpacks their answers.
func BenchmarkNative(b *testing.B) {
	batch, w := molecules(b)
	b.ReportAllocs()
	for b.Loop() {
		score(b, w, batch, 100)
	}
	b.ReportMetric(float64(100*batch.Graphs()*b.N)/b.Elapsed().Seconds(), "graphs/s")
}
