package estimate

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const mib = 1 << 20

func TestRequests(t *testing.T) {
	t.Parallel()
	usual := Limits{RequestBytes: mib / 2, BatchBytes: 2 * mib}
	for _, tc := range []struct {
		name   string
		groups []Group
		limits Limits
		want   Range
	}{
		{"nothing", nil, usual, Range{}},
		{"no rows", []Group{{}}, usual, Range{}},
		{"one small graph", []Group{{Rows: 1, Bytes: 100}}, usual, Range{1, 1, 1}},
		// 1,000 graphs of 1 KiB: 512 a request, 1,792 a batch
		{"small graphs", []Group{{Rows: 100_000, Bytes: 100_000 * 1024}}, usual, Range{196, 224, 281}},
		{"each as large as a request", []Group{{Rows: 10, Bytes: 5 * mib}}, usual, Range{10, 10, 10}},
		{"giants", []Group{{Rows: 10, Bytes: 400 * mib}}, usual, Range{10, 10, 10}},
		{"more than half a request each", []Group{{Rows: 100, Bytes: 100 * 300 << 10}}, usual, Range{59, 100, 100}},
		{"many small groups", slices.Repeat([]Group{{Rows: 10, Bytes: 100}}, 100), usual, Range{1, 1, 2}},
		{"one by one", []Group{{Rows: 10, Bytes: 1000}, {Rows: 5, Bytes: 1}}, Limits{OneByOne: true}, Range{15, 15, 15}},
		{"requests of a byte", []Group{{Rows: 10, Bytes: 1000}}, Limits{RequestBytes: 1, BatchBytes: mib}, Range{10, 10, 10}},
		{"graphs without nodes", []Group{{Rows: 10, Bytes: 0}}, usual, Range{0, 1, 2}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if d := cmp.Diff(tc.want, Requests(tc.groups, tc.limits)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name        string
		groups      []Group
		least, most int64
	}{
		{"none can be", []Group{{Rows: 10, Bytes: 64 * mib}}, 0, 0},
		{"one may be", []Group{{Rows: 10, Bytes: 65 * mib}}, 0, 1},
		{"the only one is", []Group{{Rows: 1, Bytes: 65 * mib}}, 1, 1},
		{"the mean is over it", []Group{{Rows: 2, Bytes: 200 * mib}}, 1, 2},
		{"small ones fill a large group", []Group{{Rows: 1e6, Bytes: 640 * mib}}, 0, 10},
		{"groups add up", []Group{{Rows: 1, Bytes: 65 * mib}, {Rows: 10, Bytes: 65 * mib}, {Rows: 9, Bytes: 5}}, 1, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			least, most := TooLarge(tc.groups, 64*mib)
			if least != tc.least || most != tc.most {
				t.Errorf("%d to %d, expected %d to %d", least, most, tc.least, tc.most)
			}
		})
	}
}

func TestTotal(t *testing.T) {
	t.Parallel()
	known := Group{Rows: 1, Nodes: 2, Edges: 3, Bytes: 4, Counted: true}
	if d := cmp.Diff(Group{Rows: 2, Nodes: 4, Edges: 6, Bytes: 8, Counted: true}, Total([]Group{known, known})); d != "" {
		t.Error(d)
	}
	guess := Group{Rows: 1, Nodes: -1, Edges: -1, Bytes: 4}
	if d := cmp.Diff(Group{Rows: 2, Nodes: -1, Edges: -1, Bytes: 8}, Total([]Group{guess, known})); d != "" {
		t.Error(d)
	}
}

// TestOutput holds the constants against parts of the example: 4 of 19,500 nodes and 1,200 graphs took 57,800 to
// 73,027 bytes.
func TestOutput(t *testing.T) {
	t.Parallel()
	got := Output(4806, 78057, 4, Form{Values: 1, NodeColumns: 1})
	const truth = 57800 + 69221 + 72641 + 73027
	if got.Low > truth || got.High < truth || got.Likely < truth/1.2 || got.Likely > truth*1.2 {
		t.Errorf("%+v for %d", got, truth)
	}
	if two := Output(4806, 78057, 4, Form{Values: 2, NodeColumns: 1, TextGraphIDs: true, TextNodeIDs: true}); two.Likely <= got.Likely {
		t.Errorf("texts and more outputs take less: %+v", two)
	}
	for _, text := range []bool{false, true} {
		graphs := Output(4806, 78057, 4, Form{Values: 1, TextNodeIDs: text})
		nodes := Output(4806, 78057, 4, Form{Values: 1, NodeColumns: 1, TextNodeIDs: text})
		edges := Output(4806, 78057, 4, Form{Values: 1, NodeColumns: 2, TextNodeIDs: text})
		if !(graphs.Likely < nodes.Likely && nodes.Likely < edges.Likely) {
			t.Errorf("rows of graphs take %+v, of nodes %+v, of edges %+v", graphs, nodes, edges)
		}
	}
}

func TestPrice(t *testing.T) {
	t.Parallel()
	if d := cmp.Diff(Range{0.2, 0.4, 0.8}, Price(Range{1800, 3600, 7200}, 0.4)); d != "" {
		t.Error(d)
	}
}
