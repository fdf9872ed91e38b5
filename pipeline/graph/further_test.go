package graph_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"graphscore/pipeline/graph"
)

// furtherConfig is that of a model that reads all further columns.
func furtherConfig() graph.BuilderConfig {
	return graph.BuilderConfig{Width: 2, Weighted: true, EdgeWidth: 2, Typed: true, GraphWidth: 3, EdgeRows: true}
}

// full is plain with all further columns.
func full() *graph.Row {
	r := plain()
	r.FurtherRow = graph.FurtherRow{
		FeaturedEdges: 4, EdgeWidth: 2, EdgeFeatures: []float32{0, 1, 10, 11, 20, 21, 30, 31},
		EdgeTypes: []uint32{5, 6, 7, math.MaxUint32}, GraphFeatures: []float32{7, 8, 9},
	}
	return r
}

func TestBuilderRejectsFurther(t *testing.T) {
	t.Parallel()
	nan := float32(math.NaN())
	for name, test := range map[string]struct {
		spoil func(*graph.Row)
		code  graph.Code
		says  string
	}{
		"edges":       {func(r *graph.Row) { r.FeaturedEdges = 3 }, graph.MalformedEdges, "it has 4 edges, but bonds has features of 3"},
		"no edges":    {func(r *graph.Row) { r.FeaturedEdges = 0 }, graph.MalformedEdges, "it has 4 edges, but bonds has features of 0"},
		"ragged":      {func(r *graph.Row) { r.EdgeWidth = graph.Ragged }, graph.EdgeFeatureWidth, "its edges have different numbers of features in bonds"},
		"width":       {func(r *graph.Row) { r.EdgeWidth = 1 }, graph.EdgeFeatureWidth, "its edges have 1 features in bonds, the model wants 2"},
		"types":       {func(r *graph.Row) { r.EdgeTypes = r.EdgeTypes[:3] }, graph.MalformedEdges, "it has 4 edges, but edge_type has types of 3"},
		"graph width": {func(r *graph.Row) { r.GraphFeatures = nil }, graph.GraphFeatureWidth, "it has 0 features in graph_attr, the model wants 3"},
		"NaN edge":    {func(r *graph.Row) { r.EdgeFeatures[5] = nan }, graph.NonFiniteFeature, "feature 1 of edge 2 is NaN in bonds"},
		"NaN graph":   {func(r *graph.Row) { r.GraphFeatures[1] = nan }, graph.NonFiniteFeature, "feature 1 of the graph is NaN in graph_attr"},
		"by reader":   {func(r *graph.Row) { r.Code, r.Message = graph.CategoryOutOfRange, "said" }, graph.CategoryOutOfRange, "said"},
		"others first": {func(r *graph.Row) {
			r.Code, r.Message, r.EdgeWidth, r.NodeIDs.Ints[2] = graph.CategoryOutOfRange, "said", 1, 10
		}, graph.DuplicateNodeID, "node id 10 occurs more than once"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := furtherConfig()
			cfg.NodeIDs, cfg.Names = kindOf(graph.Int64), graph.ColumnNamesOf(map[string]string{"edge_attr": "bonds"})
			b := graph.NewBuilder(cfg)
			bad := full()
			test.spoil(bad)
			b.Add(bad)
			b.Add(full())
			batch := b.Batch()
			want := []graph.Rejection{{GraphID: int64(42), RowGroup: 2, Row: 7, Code: test.code, Message: test.says, Nodes: 3, Edges: 4}}
			if diff := cmp.Diff(want, batch.Rejected); diff != "" {
				t.Error(diff)
			}
			if batch.Graphs() != 1 {
				t.Errorf("%d graphs", batch.Graphs())
			}
		})
	}
}

// A builder looks at no column that it is not asked for.
func TestBuilderLeavesFurtherAlone(t *testing.T) {
	t.Parallel()
	b := graph.NewBuilder(graph.BuilderConfig{Width: 2})
	r := full()
	r.FeaturedEdges, r.EdgeWidth, r.EdgeTypes, r.GraphFeatures = 1, 9, nil, []float32{float32(math.NaN())}
	b.Add(r)
	got := b.Batch()
	if got.Graphs() != 1 || got.Weights != nil || got.EdgeTypes != nil || got.EdgeRows != nil || len(got.EdgeFeatures)+len(got.GraphFeatures) > 0 {
		t.Errorf("%+v", got)
	}
}

func TestBuilderGroupsFurtherByTarget(t *testing.T) {
	t.Parallel()
	b := graph.NewBuilder(furtherConfig())
	b.Add(full())
	got := b.Batch()
	want := map[string]any{
		"sources": []uint32{2, 1, 0, 1}, "rows": []uint32{1, 3, 0, 2}, "types": []uint32{6, math.MaxUint32, 5, 7},
		"features": []float32{10, 11, 30, 31, 0, 1, 20, 21}, "graph": []float32{7, 8, 9}, "bytes": int64(4 * (1*(1+3) + 3*(1+2) + 4*(1+1+2+1))),
	}
	if diff := cmp.Diff(want, map[string]any{
		"sources": got.Sources, "rows": got.EdgeRows, "types": got.EdgeTypes, "features": got.EdgeFeatures,
		"graph": got.GraphFeatures, "bytes": got.Bytes(),
	}); diff != "" {
		t.Error(diff)
	}
}

// TestBuilderPlacesFurther: whatever the edges (self loops, repeated ones, none), each edge of a batch has the ends, the
// weight, the features and the type of the edge of the input that EdgeRows names; those of one target are in the order of
// the input; and a batch whose memory was used before is no other.
func TestBuilderPlacesFurther(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cfg := furtherConfig()
		cfg.Width, cfg.Weighted = 1, rapid.Bool().Draw(t, "weighted")
		cfg.EdgeWidth, cfg.GraphWidth = rapid.IntRange(0, 3).Draw(t, "edge width"), rapid.IntRange(0, 2).Draw(t, "graph width")
		cfg.Typed = rapid.Bool().Draw(t, "typed")
		var used, last *graph.Batch
		cfg.Reuse = func() *graph.Batch { return used }
		b := graph.NewBuilder(cfg)
		for range 3 {
			rows := rapid.SliceOfN(furtherRow(cfg), 0, 5).Draw(t, "rows")
			for i := range rows {
				b.Add(&rows[i])
			}
			used = last // its graphs were compared, so that its memory may be filled again
			got := b.Batch()
			if len(got.Rejected) > 0 || got.Graphs() != len(rows) {
				t.Fatalf("%+v", got.Rejected)
			}
			for g := range rows {
				checkPlaced(t, &rows[g], got.Slice(g, g+1))
			}
			last = got
		}
	})
}

// furtherRow draws a graph with further columns.
func furtherRow(cfg graph.BuilderConfig) *rapid.Generator[graph.Row] {
	return rapid.Custom(func(t *rapid.T) graph.Row {
		n := rapid.IntRange(0, 4).Draw(t, "nodes")
		e := 0
		if n > 0 {
			e = rapid.IntRange(0, 9).Draw(t, "edges")
		}
		end := rapid.Int64Range(0, int64(max(n-1, 0)))
		value := rapid.Float32Range(-9, 9)
		r := graph.Row{
			Nodes: n, Width: 1, NumNodes: -1, Features: rapid.SliceOfN(value, n, n).Draw(t, "x"),
			Sources: rapid.SliceOfN(end, e, e).Draw(t, "sources"), Targets: rapid.SliceOfN(end, e, e).Draw(t, "targets"),
			Weights: rapid.SliceOfN(value, e, e).Draw(t, "weights"),
		}
		r.FeaturedEdges, r.EdgeWidth = e, cfg.EdgeWidth
		r.EdgeFeatures = rapid.SliceOfN(value, e*cfg.EdgeWidth, e*cfg.EdgeWidth).Draw(t, "edge features")
		r.EdgeTypes = rapid.SliceOfN(rapid.Uint32(), e, e).Draw(t, "types")
		r.GraphFeatures = rapid.SliceOfN(value, cfg.GraphWidth, cfg.GraphWidth).Draw(t, "graph features")
		return r
	})
}

// checkPlaced compares a batch of one graph with its row.
func checkPlaced(t *rapid.T, r *graph.Row, b *graph.Batch) {
	edge := func(source, target int64, i int, weights, features []float32, types []uint32) string {
		said := fmt.Sprint(source, target)
		if b.Weights != nil {
			said += fmt.Sprint(" weighs ", weights[i])
		}
		if b.EdgeTypes != nil {
			said += fmt.Sprint(" is a ", types[i])
		}
		return said + fmt.Sprint(features[i*b.EdgeWidth:(i+1)*b.EdgeWidth])
	}
	var seen []int
	e := 0
	for target := range b.Nodes() {
		for k := range int(b.InDegree[target]) {
			i := b.EdgeRow(e)
			if k > 0 && i <= seen[len(seen)-1] {
				t.Fatalf("edge %d of the input comes after %d", i, seen[len(seen)-1])
			}
			seen = append(seen, i)
			want := edge(r.Sources[i], r.Targets[i], i, r.Weights, r.EdgeFeatures, r.EdgeTypes)
			got := edge(int64(b.Sources[e]-b.NodeOffsets[0]), int64(target), e, b.Weights, b.EdgeFeatures, b.EdgeTypes)
			if want != got {
				t.Fatalf("edge %d is %s, not %s", i, got, want)
			}
			e++
		}
	}
	slices.Sort(seen)
	for i := range seen {
		if seen[i] != i {
			t.Fatalf("edges %v of %d", seen, len(r.Sources))
		}
	}
	if len(seen) != len(r.Sources) || !slices.Equal(b.GraphFeatures, r.GraphFeatures) {
		t.Fatalf("%d edges of %d, features %v, not %v", len(seen), len(r.Sources), b.GraphFeatures, r.GraphFeatures)
	}
}

func TestExactInts(t *testing.T) {
	t.Parallel()
	most := int64(graph.MaxExactInt)
	for _, test := range []struct {
		ints []int64
		bad  int
	}{
		{nil, -1}, {[]int64{0, -1, most, -most}, -1}, {[]int64{1, most + 1}, 1}, {[]int64{-most - 1, 3}, 0},
		{[]int64{5, 6, math.MinInt64}, 2}, {[]int64{math.MaxInt64}, 0}, {[]int64{-2 * most}, 0}, {[]int64{2 * most}, 0},
	} {
		got := make([]float32, len(test.ints))
		if bad := graph.ExactInts(got, test.ints); bad != test.bad {
			t.Errorf("%v: %d, want %d", test.ints, bad, test.bad)
		}
		for i, v := range test.ints {
			if test.bad < 0 && float64(got[i]) != float64(v) {
				t.Errorf("%d became %v", v, got[i])
			}
		}
	}
}

func TestCategoryOf(t *testing.T) {
	t.Parallel()
	for v, want := range map[int64]bool{0: true, 7: true, math.MaxUint32: true, math.MaxUint32 + 1: false, -1: false, math.MinInt64: false} {
		if got, is := graph.CategoryOf(v); is != want || is && int64(got) != v {
			t.Errorf("%d is %v %v", v, got, is)
		}
	}
}
