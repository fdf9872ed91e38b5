//go:build linux && !race

// The race detector allocates: what is expected here is not so there.

package remote

import (
	"context"
	"math"
	"runtime"
	"slices"
	"syscall"
	"testing"

	"google.golang.org/grpc"

	"graphscore/pipeline/graph"
	"graphscore/pipeline/slots"
	scoringv1 "graphscore/proto/graphscore/v1"
)

// giantWire answers a request, as a server does, from its slot or from the message; it keeps what it takes meanwhile.
type giantWire struct {
	wire
	memory *slots.Memory
	scores []byte
	held   int64 // of the memory, while the call is under way
}

func (w *giantWire) Invoke(ctx context.Context, method string, request, answer any, options ...grpc.CallOption) error {
	shared := request.(*scoringv1.ScoreRequest).GetShared()
	if shared == nil {
		return w.wire.Invoke(ctx, method, request, answer, options...)
	}
	w.held = w.allocated()
	at := w.memory.Offset(int(shared.GetSlot())) + int64(shared.GetScores().GetOffset())
	if _, err := w.memory.File().WriteAt(w.scores, at); err != nil {
		return err
	}
	r := answer.(*scoringv1.ScoreResponse)
	r.Nodes, r.Outputs, r.ModelDigest = uint32(len(w.scores)/4), 1, "digest"
	r.Slot, r.SlotNumber = shared.GetSlot(), shared.GetNumber()
	return nil
}

func (w *giantWire) allocated() int64 {
	info, err := w.memory.File().Stat()
	if err != nil {
		return math.MaxInt64
	}
	return info.Sys().(*syscall.Stat_t).Blocks * 512
}

// giantBatch is one graph of 125,000 nodes with 16 features and 500,000 edges: 10.5 MB.
func giantBatch() *graph.Batch {
	const nodes, width = 125_000, 16
	row := &graph.Row{Nodes: nodes, Width: width, NumNodes: -1, Features: make([]float32, nodes*width)}
	for i := range row.Features {
		row.Features[i] = float32(i % 1000)
	}
	for i := range 4 * nodes {
		row.Sources, row.Targets = append(row.Sources, int64(i*7%nodes)), append(row.Targets, int64(i%nodes))
	}
	b := graph.NewBuilder(graph.BuilderConfig{Width: width, GraphIDs: graph.Int64})
	b.Add(row)
	return b.Batch()
}

// TestGiantIsHeldOnce counts what sending a giant takes beside its batch. In memory that is its slot, which the worker reads,
// and its scores; in a message, that message. It is not parallel, or others' allocations would count.
func TestGiantIsHeldOnce(t *testing.T) {
	b := giantBatch()
	size, rows := b.Bytes(), int64(b.Nodes())
	memory, err := slots.Create(slots.Config{Slots: 1, SlotBytes: 4096, Giants: 1, GiantBytes: 64 << 20, GiantMemory: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	scores := make([]byte, 4*rows)
	for i := range scores {
		scores[i] = byte(i % 64)
	}
	_, plain := molecules(t)
	plain.answer = encoded(t, &scoringv1.ScoreResponse{Nodes: uint32(rows), Outputs: 1, Scores: scores, ModelDigest: "digest"})
	var got [2][]float32
	for i, test := range []struct {
		name   string
		memory *slots.Memory
		most   int64 // bytes that are allocated
		held   int64 // bytes of the memory
	}{
		{"in memory", memory, 4*rows + giantSlack, size + 4*rows + giantSlack},
		{"in a message", nil, size + 4*rows + giantSlack, 0},
	} {
		w := &giantWire{wire: *plain, memory: memory, scores: scores}
		n := NewNative(w, Config{Memory: test.memory}, &graph.Model{Digest: "digest", Outputs: []string{"score"}, InFeatures: 16})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		s, err := n.Score(t.Context(), b)
		runtime.ReadMemStats(&after)
		if err != nil {
			t.Fatal(err)
		}
		got[i] = s.Values
		allocated := int64(after.TotalAlloc - before.TotalAlloc)
		t.Logf("%s: a giant of %d bytes takes %d in the heap and %d in memory", test.name, size, allocated, w.held)
		if allocated > test.most || w.held > test.held {
			t.Errorf("%s: at most %d and %d are expected", test.name, test.most, test.held)
		}
		if left := w.allocated(); left > 0 {
			t.Errorf("%s: %d bytes are held afterwards", test.name, left)
		}
	}
	if !slices.Equal(got[0], got[1]) {
		t.Error("the scores differ")
	}
}

// giantSlack is what a call takes beside columns: counts, the message without columns, pages.
const giantSlack = 128 << 10
