package graph_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"graphscore/pipeline/graph"
	"graphscore/pipeline/pipelinetest"
)

func drawBatches(t *rapid.T) []*graph.Batch {
	return pipelinetest.Batches(t, pipelinetest.Shape{
		Width: rapid.IntRange(0, 3).Draw(t, "width"), Weighted: rapid.Bool().Draw(t, "weighted"), NodeIDs: rapid.Bool().Draw(t, "node ids"),
	})
}

// A batch that is taken apart graph by graph and put together again is the batch, and owns its memory.
func TestAppend(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		for _, b := range drawBatches(t) {
			got, all := new(graph.Batch), new(graph.Batch)
			for g := range b.Graphs() {
				got.Append(b.Slice(g, g+1))
			}
			at := rapid.IntRange(0, b.Graphs()).Draw(t, "at")
			all.Append(b.Slice(0, at))
			all.Append(b.Slice(at, b.Graphs()))
			want := b.Clone()
			want.Rejected = nil
			if b.Graphs() == 0 {
				got = all
			}
			for _, c := range []*graph.Batch{got, all} {
				if d := cmp.Diff(want, c, cmpopts.EquateEmpty()); d != "" {
					t.Fatal(d)
				}
				if (c.Weights == nil) != (b.Weights == nil) {
					t.Fatal("weights came or went")
				}
			}
			pipelinetest.Spoil(b)
			if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
				t.Fatalf("it shares memory: %s", d)
			}
		}
	})
}

func TestAppendKeepsRejected(t *testing.T) {
	t.Parallel()
	rejected := []graph.Rejection{{GraphID: "a", Row: 3, Code: graph.NullValue}}
	b := new(graph.Batch)
	b.Append(&graph.Batch{Rejected: rejected})
	b.Append(&graph.Batch{Rejected: rejected})
	if len(b.Rejected) != 2 || b.Graphs() != 0 {
		t.Errorf("%d rejected rows and %d graphs, want 2 and none", len(b.Rejected), b.Graphs())
	}
}

// The size of a batch is that of its graphs, wherever they are cut.
func TestBytes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		for _, b := range drawBatches(t) {
			var sum int64
			for g := range b.Graphs() {
				sum += b.GraphBytes(g)
				if one := b.Slice(g, g+1); one.Bytes() != b.GraphBytes(g) {
					t.Fatalf("graph %d alone takes %d bytes, in its batch %d", g, one.Bytes(), b.GraphBytes(g))
				}
			}
			if b.Graphs() == 0 {
				sum = 4
			}
			if b.Bytes() != sum {
				t.Fatalf("%d bytes, its graphs take %d", b.Bytes(), sum)
			}
		}
	})
	s := graph.Shape{Graphs: 2, Nodes: 5, Edges: 7, Width: 3, Weighted: true}
	if got, want := s.Bytes(), int64(2*4+5*(4+12)+7*8); got != want {
		t.Errorf("%d bytes, want %d", got, want)
	}
	if s.Weighted = false; s.Bytes() != int64(2*4+5*(4+12)+7*4) {
		t.Errorf("%d bytes without weights", s.Bytes())
	}
}

func TestIDsAppend(t *testing.T) {
	t.Parallel()
	texts := &graph.IDs{Kind: graph.String}
	for _, id := range []string{"a", "", "ccc", "dd"} {
		texts.AppendBytes([]byte(id))
	}
	ints := &graph.IDs{Ints: []int64{4, 5, 6, 7}}
	for _, c := range []struct {
		of   *graph.IDs
		want []any
	}{{texts, []any{"", "ccc", "a", "", "ccc", "dd"}}, {ints, []any{int64(5), int64(6), int64(4), int64(5), int64(6), int64(7)}}} {
		got := graph.IDs{Kind: c.of.Kind}
		got.Append(c.of, 1, 3)
		got.Append(c.of, 2, 2)
		got.Append(c.of, 0, 4)
		got.Append(&graph.IDs{Kind: c.of.Kind}, 0, 0)
		var values []any
		for i := range got.Len() {
			values = append(values, got.Value(i))
		}
		if !slices.Equal(values, c.want) {
			t.Errorf("%v, want %v", values, c.want)
		}
	}
}
