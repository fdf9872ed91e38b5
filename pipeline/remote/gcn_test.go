package remote

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"graphscore/pipeline/graph"
	"graphscore/pipeline/remote/remotetest"
	gcnpb "graphscore/proto/gcn"
)

func reference(width int) *remotetest.GCN {
	first := remotetest.Layer{ReLU: true}
	for k := range 3 {
		row := make([]float64, width)
		for j := range row {
			row[j] = float64((k+2)*(j+1)%5) - 1.5
		}
		first.Weight, first.Bias = append(first.Weight, row), append(first.Bias, float64(k)/4)
	}
	second := remotetest.Layer{Weight: [][]float64{{0.5, -1, 2}}, Bias: []float64{0.125}}
	return &remotetest.GCN{Layers: []remotetest.Layer{first, second}}
}

func gcn(t *testing.T, cfg Config) *GCN {
	t.Helper()
	cfg.Protocol = ProtocolGCN
	conn := dialed(t, cfg)
	if _, err := Describe(t.Context(), conn, cfg); err != nil {
		t.Fatal(err)
	}
	return NewGCN(conn, cfg)
}

// referenceScores computes a graph of a batch from its columns.
func referenceScores(model *remotetest.GCN, b *graph.Batch, g int) []float64 {
	from, to := b.NodeRange(g)
	edge, _ := b.EdgeRange(g)
	x := make([][]float64, to-from)
	var edges [][2]int
	for i := range x {
		for _, v := range b.Features[(from+i)*b.Width : (from+i+1)*b.Width] {
			x[i] = append(x[i], float64(v))
		}
		for range b.InDegree[from+i] {
			edges = append(edges, [2]int{int(b.Sources[edge] - b.NodeOffsets[g]), i})
			edge++
		}
	}
	var out []float64
	for _, row := range model.Scores(x, edges) {
		out = append(out, row[0])
	}
	return out
}

func TestGCNScores(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]shape{"ids": {graphs: 20, width: 4, nodeIDs: true}, "no ids": {graphs: 20, width: 4}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			model := reference(4)
			served := newServer(model)
			scorer := gcn(t, quick(remotetest.Serve(t, served)))
			b := randomBatch(5, s).Slice(3, 20)
			got, err := scorer.Score(t.Context(), b)
			if err != nil {
				t.Fatal(err)
			}
			if got.Outputs != 1 || len(got.Values) != b.Nodes() || got.Timing.Pack <= 0 {
				t.Fatalf("%d outputs, %d values, %+v", got.Outputs, len(got.Values), got.Timing)
			}
			for g := range b.Graphs() {
				from, _ := b.NodeRange(g)
				for i, want := range referenceScores(model, b, g) {
					if diff := math.Abs(float64(got.Values[from+i]) - want); diff > 1e-5*max(1, math.Abs(want)) {
						t.Fatalf("graph %d node %d: %v, want %v", g, i, got.Values[from+i], want)
					}
				}
			}
		})
	}
}

func TestGCNSendsIDs(t *testing.T) {
	t.Parallel()
	var ids []string
	model := reference(1)
	model.Before = func(_ context.Context, data *gcnpb.GraphData) error {
		for _, n := range data.GetNodes() {
			ids = append(ids, n.GetId())
		}
		for _, e := range data.GetEdges() {
			ids = append(ids, e.GetSourceId()+">"+e.GetTargetId())
		}
		return nil
	}
	scorer := gcn(t, quick(remotetest.Serve(t, newServer(model))))
	b := line(0, 2, 3)
	if _, err := scorer.Score(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	b.NodeIDs = &graph.IDs{Kind: graph.Int64, Ints: []int64{7, -8, 9, 10, math.MinInt64}}
	if _, err := scorer.Score(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	want := []string{"0", "1", "0>1", "0", "1", "2", "0>2", "7", "-8", "7>-8", "9", "10", "-9223372036854775808", "9>-9223372036854775808"}
	if !slices.Equal(ids, want) {
		t.Errorf("sent %q", ids)
	}
}

func TestGCNContract(t *testing.T) {
	t.Parallel()
	type result = gcnpb.GCNResult
	tests := map[string]struct {
		change func(*result)
		want   string
	}{
		"missing": {func(r *result) { delete(r.NodeScores, "1") }, `graph "0": node_scores lacks the node "1"`},
		"extra":   {func(r *result) { r.NodeScores["x"] = 1; r.NodeScores["y"] = 2 }, `node_scores has the node "x", which the request has not`},
		"swapped": {func(r *result) { delete(r.NodeScores, "0"); r.NodeScores["zero"] = 1 }, `node_scores lacks the node "0"`},
		"empty":   {func(r *result) { r.NodeScores = nil }, `node_scores lacks the node "0"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			model := reference(1)
			model.Change = func(_ *gcnpb.GraphData, r *result) { test.change(r) }
			_, err := gcn(t, quick(remotetest.Serve(t, newServer(model)))).Score(t.Context(), line(3))
			if e := fails(t, err, Contract, test.want); e.Retryable() {
				t.Error("it is retryable")
			}
		})
	}
}

func TestGCNRefusedGraphs(t *testing.T) {
	t.Parallel()
	model := reference(1)
	model.Before = func(_ context.Context, data *gcnpb.GraphData) error {
		if len(data.GetNodes()) == 2 {
			return status.Error(codes.InvalidArgument, "two nodes are too few")
		}
		return nil
	}
	cfg := quick(remotetest.Serve(t, newServer(model)))
	cfg.MaxMessageBytes = 2000
	scorer := gcn(t, cfg)
	b := line(1, 2, 500, 0, 2, 3)
	got, err := scorer.Score(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	var failed []string
	for _, f := range got.Failed {
		failed = append(failed, string(f.Code)+": "+f.Message)
	}
	want := []string{
		"refused: two nodes are too few", "too_large: its message of 6400 bytes is larger than the limit of 2000 bytes",
		"refused: two nodes are too few",
	}
	if !slices.Equal(failed, want) || got.Failed[0].Graph != 1 || got.Failed[1].Graph != 2 || got.Failed[2].Graph != 4 {
		t.Errorf("Failed = %+v", got.Failed)
	}
	if got.Values[0] == 0 || got.Values[b.Nodes()-1] == 0 {
		t.Error("the others have no scores")
	}
}

func TestGCNErrorsNameTheGraph(t *testing.T) {
	t.Parallel()
	model := reference(1)
	model.Before = func(context.Context, *gcnpb.GraphData) error { return errors.New("KeyError: 'x'") }
	scorer := gcn(t, quick(remotetest.Serve(t, newServer(model))))
	_, err := scorer.Score(t.Context(), line(0, 3))
	if e := fails(t, err, Unavailable, `graph "1": it fails on the request (Unknown): KeyError: 'x'`); !e.Retryable() {
		t.Error("it is not retryable")
	}
	if _, err := scorer.Score(cancelled(t), line(3)); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}

func TestGCNOtherProtocol(t *testing.T) {
	t.Parallel()
	scorer := gcn(t, quick(remotetest.Serve(t, newServer(remotetest.NewNative(1, "score")))))
	_, err := scorer.Score(t.Context(), line(3))
	fails(t, err, Contract, "it does not speak the gcn protocol (unknown service GCNService); try --protocol native")
}

func TestGCNIDsThatAreNoText(t *testing.T) {
	t.Parallel()
	scorer := gcn(t, quick(remotetest.Serve(t, newServer(reference(1)))))
	b := line(2)
	b.NodeIDs = &graph.IDs{Kind: graph.String}
	b.NodeIDs.AppendBytes([]byte("a"))
	b.NodeIDs.AppendBytes([]byte{0xff, 'b'})
	got, err := scorer.Score(t.Context(), b)
	if err != nil || len(got.Failed) != 1 || got.Failed[0].Code != graph.Refused ||
		!strings.Contains(got.Failed[0].Message, `the id of node 1, "\xffb", is no UTF-8 text`) {
		t.Errorf("Score = %+v, %v", got, err)
	}
}

func TestGCNSizes(t *testing.T) {
	t.Parallel()
	scorer := NewGCN(nil, Config{})
	if scorer.Limit() != DefaultMaxMessageBytes {
		t.Errorf("Limit = %d", scorer.Limit())
	}
	for _, s := range []shape{{graphs: 60, width: 0, nodeIDs: true}, {graphs: 60, width: 40}, {graphs: 60, width: 1, nodeIDs: true}} {
		b := randomBatch(11, s).Slice(5, 60)
		for g := range b.Graphs() {
			ids, err := nodeNames(b, g)
			if err != nil {
				t.Fatal(err)
			}
			answer := &gcnpb.GCNResult{NodeScores: make(map[string]float32)}
			for _, id := range ids {
				answer.NodeScores[id] = 1
			}
			want := max(proto.Size(graphData(b, g, ids)), proto.Size(answer))
			if got := scorer.GraphBytes(b, g); got != int64(want) {
				t.Fatalf("graph %d of %+v: %d bytes, want %d", g, s, got, want)
			}
		}
	}
	for v, want := range map[int64]int{0: 1, 9: 1, 10: 2, -1: 2, -10: 3, math.MaxInt64: 19, math.MinInt64: 20, math.MinInt64 + 1: 20} {
		if got := digits(v); got != want {
			t.Errorf("digits(%d) = %d, want %d", v, got, want)
		}
	}
}
