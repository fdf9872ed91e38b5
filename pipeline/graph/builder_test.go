package graph_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"graphscore/pipeline/graph"
)

func kindOf(k graph.IDKind) *graph.IDKind { return &k }

// plain is a graph that every builder of this file takes.
func plain() *graph.Row {
	return &graph.Row{
		RowGroup: 2, Row: 7, IntID: 42, Nodes: 3, Width: 2, NumNodes: 3,
		Features: []float32{1, 2, 3, 4, 5, 6},
		NodeIDs:  graph.IDs{Kind: graph.Int64, Ints: []int64{10, 20, 30}},
		Sources:  []int64{0, 2, 1, 1}, Targets: []int64{1, 0, 1, 0}, Weights: []float32{1, 2, 3, 4},
	}
}

func TestBuilderRejects(t *testing.T) {
	t.Parallel()
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	tests := map[string]struct {
		spoil func(*graph.Row)
		code  graph.Code
		says  string
	}{
		"node count":     {func(r *graph.Row) { r.NumNodes = 4 }, graph.NodeCount, "num_nodes is 4, but there are features of 3 nodes"},
		"node ids":       {func(r *graph.Row) { r.NodeIDs.Ints = []int64{1} }, graph.NodeCount, "there are 1 node ids, but features of 3 nodes"},
		"ragged":         {func(r *graph.Row) { r.Width = graph.Ragged }, graph.FeatureWidth, "its nodes have different numbers of features"},
		"width":          {func(r *graph.Row) { r.Width = 3 }, graph.FeatureWidth, "its nodes have 3 features, the model wants 2"},
		"NaN feature":    {func(r *graph.Row) { r.Features[3] = nan }, graph.NonFiniteFeature, "feature 1 of node 1 is NaN"},
		"Inf feature":    {func(r *graph.Row) { r.Features[4] = inf }, graph.NonFiniteFeature, "feature 0 of node 2 is -Inf"},
		"sources":        {func(r *graph.Row) { r.Sources = r.Sources[1:] }, graph.MalformedEdges, "it has 3 sources and 4 targets"},
		"weights":        {func(r *graph.Row) { r.Weights = r.Weights[1:] }, graph.MalformedEdges, "it has 4 edges and 3 weights"},
		"dangling":       {func(r *graph.Row) { r.Targets[2] = 3 }, graph.EdgeOutOfRange, "edge 2 goes from node 1 to node 3 of 3 nodes"},
		"negative":       {func(r *graph.Row) { r.Sources[0] = -1 }, graph.EdgeOutOfRange, "edge 0 goes from node -1 to node 1 of 3 nodes"},
		"NaN weight":     {func(r *graph.Row) { r.Weights[1] = nan }, graph.NonFiniteWeight, "the weight of edge 1 is NaN"},
		"duplicate node": {func(r *graph.Row) { r.NodeIDs.Ints[2] = 10 }, graph.DuplicateNodeID, "node id 10 occurs more than once"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := graph.NewBuilder(graph.BuilderConfig{Width: 2, Weighted: true, NodeIDs: kindOf(graph.Int64)})
			bad := plain()
			test.spoil(bad)
			b.Add(bad)
			b.Add(plain())
			batch := b.Batch()
			want := []graph.Rejection{{
				GraphID: int64(42), RowGroup: 2, Row: 7, Code: test.code, Message: test.says,
				Nodes: 3, Edges: int64(len(bad.Sources)),
			}}
			if diff := cmp.Diff(want, batch.Rejected); diff != "" {
				t.Error(diff)
			}
			if batch.Graphs() != 1 || b.Len() != 0 {
				t.Errorf("%d graphs, %d left in the builder", batch.Graphs(), b.Len())
			}
		})
	}
}

// Edges that are all between 1 and the number of nodes are marked.
func TestBuilderMarksEdgesThatCountFromOne(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		sources, targets []int64
		code             graph.Code
		fromOne          bool
	}{
		"from 1":      {[]int64{1, 2, 3}, []int64{2, 3, 1}, graph.EdgeOutOfRange, true},
		"one from 0":  {[]int64{1, 2, 3, 0}, []int64{2, 3, 1, 1}, graph.EdgeOutOfRange, false},
		"to 0 at end": {[]int64{3, 1}, []int64{1, 0}, graph.EdgeOutOfRange, false},
		"far out":     {[]int64{3, 4}, []int64{1, 1}, graph.EdgeOutOfRange, false},
		"negative":    {[]int64{-1, 3}, []int64{1, 1}, graph.EdgeOutOfRange, false},
		"unequal":     {[]int64{1, 3}, []int64{1}, graph.MalformedEdges, false},
	} {
		b := graph.NewBuilder(graph.BuilderConfig{Width: 1})
		b.Add(&graph.Row{Nodes: 3, Width: 1, NumNodes: -1, Features: make([]float32, 3), Sources: test.sources, Targets: test.targets})
		rejected := b.Batch().Rejected
		if len(rejected) != 1 || rejected[0].Code != test.code || rejected[0].FromOne != test.fromOne {
			t.Errorf("%s: %+v", name, rejected)
		}
	}
}

func TestBuilderGroupsByTarget(t *testing.T) {
	t.Parallel()
	b := graph.NewBuilder(graph.BuilderConfig{Width: 2, Weighted: true, NodeIDs: kindOf(graph.Int64)})
	b.Add(plain())
	b.Add(plain())
	got := b.Batch().Slice(1, 2)
	want := &graph.Batch{
		IDs:         graph.IDs{Ints: []int64{42}},
		NodeIDs:     &graph.IDs{Ints: []int64{10, 20, 30}},
		NodeOffsets: []uint32{3, 6}, EdgeOffsets: []uint32{4, 8},
		Width: 2, Features: []float32{1, 2, 3, 4, 5, 6},
		// Targets 1, 0, 1, 0 in the input: those of node 0 first, each in the order of the input.
		InDegree: []uint32{2, 2, 0}, Sources: []uint32{5, 4, 3, 4}, Weights: []float32{2, 4, 1, 3},
		RowGroups: []int32{2}, Rows: []int64{7},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestSliceIsTheSame: a slice of a batch holds just what the batch of its graphs alone would hold.
func TestSliceIsTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 8).Draw(t, "graphs")
		from := rapid.IntRange(0, n).Draw(t, "from")
		to := rapid.IntRange(from, n).Draw(t, "to")
		cfg := graph.BuilderConfig{Width: 1, GraphIDs: graph.String}
		all, some := graph.NewBuilder(cfg), graph.NewBuilder(cfg)
		for g := range n {
			nodes := rapid.IntRange(0, 4).Draw(t, "nodes")
			r := &graph.Row{Row: int64(g), TextID: fmt.Appendf(nil, "g%d", g), Nodes: nodes, Width: 1, NumNodes: -1, Features: make([]float32, nodes)}
			for i := range nodes {
				r.Sources = append(r.Sources, int64(i))
				r.Targets = append(r.Targets, int64(rapid.IntRange(0, nodes-1).Draw(t, "target")))
			}
			all.Add(r)
			if g >= from && g < to {
				some.Add(r)
			}
		}
		got, want := all.Batch().Slice(from, to), some.Batch()
		if got.Graphs() != want.Graphs() || got.Bytes() != want.Bytes() || !slices.Equal(got.InDegree, want.InDegree) || !slices.Equal(got.Rows, want.Rows) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
		for g := range got.Graphs() {
			if got.IDs.Value(g) != want.IDs.Value(g) || got.GraphNodes(g) != want.GraphNodes(g) || got.GraphEdges(g) != want.GraphEdges(g) {
				t.Fatalf("graph %d differs", g)
			}
		}
		for e := range got.Sources {
			if got.Sources[e]-got.NodeOffsets[0] != want.Sources[e] {
				t.Fatalf("edge %d: source %d, want %d", e, got.Sources[e]-got.NodeOffsets[0], want.Sources[e])
			}
		}
	})
}

func TestFailNonFinite(t *testing.T) {
	t.Parallel()
	b := graph.NewBuilder(graph.BuilderConfig{Width: 0})
	for i := range 4 {
		b.Add(&graph.Row{Row: int64(i), Nodes: 2, NumNodes: -1})
	}
	s := &graph.Scores{
		Outputs: 2, Values: make([]float32, 16),
		Failed: []graph.Failure{{Graph: 1, Code: graph.Refused, Message: "refused"}},
	}
	s.Values[5] = float32(math.NaN()) // of graph 1, which has failed already
	s.Values[15] = float32(math.Inf(1))
	s.FailNonFinite(b.Batch())
	want := []graph.Failure{
		{Graph: 1, Code: graph.Refused, Message: "refused"},
		{Graph: 3, Code: graph.NonFiniteScore, Message: "output 1 of node 1 is +Inf"},
	}
	if diff := cmp.Diff(want, s.Failed); diff != "" {
		t.Error(diff)
	}
}

func TestIDs(t *testing.T) {
	t.Parallel()
	text := graph.IDs{Kind: graph.String}
	if text.Len() != 0 {
		t.Errorf("an empty column has %d ids", text.Len())
	}
	text.AppendBytes([]byte("a"))
	text.AppendInt(-3)
	ints := graph.IDs{}
	ints.AppendInt(5)
	ints.AppendInt(6)
	tail, second := text.Slice(1, 2), ints.Slice(1, 2)
	got := fmt.Sprintf("%d %v %v %v %s %s", text.Len(), text.Value(0), tail.Value(0), second.Value(0), tail.Text(nil, 0), second.Text(nil, 0))
	if want := "2 a -3 6 -3 6"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestLend: a batch is the same whether the memory of the features was lent to it or not, whichever rows are rejected, and
// whether more rows come behind.
func TestLend(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var features []float32
		var rows []*graph.Row
		lent := rapid.IntRange(0, 12).Draw(t, "lent")
		for i := range lent + rapid.IntRange(0, 5).Draw(t, "more") {
			r := plain()
			r.Row, r.Nodes, r.NumNodes = int64(i), rapid.IntRange(0, 4).Draw(t, "nodes"), -1
			r.Sources, r.Targets = nil, nil
			if r.Features = make([]float32, 2*r.Nodes); rapid.IntRange(0, 3).Draw(t, "kind") == 0 {
				r.NumNodes = 9 // rejected
			}
			for k := range r.Features {
				r.Features[k] = float32(100*i + k)
			}
			rows = append(rows, r)
		}
		copied := graph.NewBuilder(graph.BuilderConfig{Width: 2})
		for _, r := range rows {
			copied.Add(r)
		}
		for i := range lent {
			features = append(features, rows[i].Features...)
		}
		taken := graph.NewBuilder(graph.BuilderConfig{Width: 2})
		taken.Lend(features)
		at := 0
		for i, r := range rows {
			if i < lent {
				r.Features = features[at : at+len(r.Features)]
				at += len(r.Features)
			}
			taken.Add(r)
		}
		if d := cmp.Diff(copied.Batch(), taken.Batch(), cmpopts.EquateEmpty()); d != "" {
			t.Fatal(d)
		}
	})
}
