package graph

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// edgeBatch is a batch of a small graph before one with the given edges, source and target of each, and their places in
// the input.
func edgeBatch(nodes int, edges [][2]uint32) *Batch {
	b := &Batch{IDs: IDs{Kind: Int64, Ints: []int64{7, 8}}, NodeOffsets: []uint32{0, 2, uint32(2 + nodes)}, EdgeOffsets: []uint32{0, 1, uint32(1 + len(edges))}}
	b.InDegree, b.Sources, b.EdgeRows = append([]uint32{0, 1}, make([]uint32, nodes)...), []uint32{0}, []uint32{0}
	b.RowGroups, b.Rows = []int32{0, 0}, []int64{0, 1}
	for target := range nodes {
		for row, e := range edges {
			if int(e[1]) == target {
				b.InDegree[2+target]++
				b.Sources, b.EdgeRows = append(b.Sources, 2+e[0]), append(b.EdgeRows, uint32(row))
			}
		}
	}
	return b
}

func TestEdgeOrder(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	random := make([][2]uint32, 1000)
	for i := range random {
		random[i] = [2]uint32{r.Uint32N(9), r.Uint32N(9)}
	}
	for _, tc := range []struct {
		name    string
		edges   [][2]uint32
		least   int
		windows int
	}{
		{"none", nil, 0, 0},
		{"loops and repeated edges", [][2]uint32{{3, 1}, {0, 0}, {3, 1}, {2, 8}, {0, 0}, {1, 3}}, 0, 1},
		{"one at a time", [][2]uint32{{3, 1}, {0, 0}, {3, 1}, {2, 8}, {0, 0}, {1, 3}}, 1, 6},
		{"windows", random, 300, 4},
		{"sixteen windows at most", random, 1, 16},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			whole := edgeBatch(9, tc.edges)
			for _, b := range []*Batch{whole, whole.Slice(1, 2)} {
				o, g, windows := EdgeOrder{Least: tc.least}, b.Graphs()-1, 0
				first, _ := b.NodeRange(g)
				var got [][2]uint32
				for len(got) < b.GraphEdges(g) {
					edges, err := o.Window(b, g, len(got))
					if err != nil {
						t.Fatal(err)
					}
					windows++
					for _, e := range edges {
						if b.EdgeRow(int(e.At)) != len(got) {
							t.Fatalf("edge %d of the input is at %d", len(got), e.At)
						}
						got = append(got, [2]uint32{e.Source - uint32(first), e.Target - uint32(first)})
					}
				}
				if !slices.Equal(got, tc.edges) || windows != tc.windows {
					t.Errorf("%d windows, %v", windows, got)
				}
			}
		})
	}
}

func TestEdgeOrderRefuses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, want string
		spoil      func(*Batch)
	}{
		{"not kept", "0 places of edges in the input for 4 edges", func(b *Batch) { b.EdgeRows = nil }},
		{"twice", "each once", func(b *Batch) { b.EdgeRows[2] = b.EdgeRows[1] }},
		{"beyond", "each once", func(b *Batch) { b.EdgeRows[3] = 3 }},
		{"fewer than in-degrees", "each once", func(b *Batch) { b.InDegree[3] = 0 }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := edgeBatch(3, [][2]uint32{{0, 1}, {1, 2}, {2, 2}})
			tc.spoil(b)
			var o EdgeOrder
			if _, err := o.Window(b, 1, 0); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v", err)
			}
		})
	}
}
