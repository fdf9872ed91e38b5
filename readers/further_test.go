package readers_test

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"graphscore/pipeline/graph"
	"graphscore/readers"
)

// wide and narrow are what models of the graphs of testdata/further read.
func wide() readers.Wanted {
	return readers.Wanted{Width: 3, EdgeRows: true, Inputs: graph.Inputs{EdgeWidth: 2, EdgeTypes: 200, GraphWidth: 4, Weights: true}}
}

func narrow() readers.Wanted {
	return readers.Wanted{Width: 1, EdgeRows: true, Inputs: graph.Inputs{EdgeWidth: 1, EdgeTypes: 200, GraphWidth: 1, Weights: true}}
}

// only returns the graphs as a model finds them that reads no more than is wanted.
func only(graphs []plain, w readers.Wanted) []plain {
	out := make([]plain, len(graphs))
	for i, g := range graphs {
		if g.Group = 0; w.EdgeWidth == 0 {
			g.EdgeAttr = nil
		}
		if w.EdgeTypes == 0 {
			g.EdgeTypes = nil
		}
		if w.GraphWidth == 0 {
			g.GraphAttr = nil
		}
		if !w.EdgeRows {
			g.EdgeRows = nil
		}
		if !w.Weights {
			g.Weights = nil
		}
		out[i] = g
	}
	return out
}

// TestFurtherForms: features and types of edges and features of graphs come from every form in which a file may have
// them, each where a model reads it and not where it does not.
func TestFurtherForms(t *testing.T) {
	t.Parallel()
	for folder, w := range map[string]readers.Wanted{"wide": wide(), "narrow": narrow()} {
		want := graphsOf(t, filepath.Join("testdata", "further", folder+".json"))
		parts := map[string]readers.Wanted{
			"all": w, "edges": {Width: w.Width, Inputs: graph.Inputs{EdgeWidth: w.EdgeWidth}},
			"types": {Width: w.Width, EdgeRows: true, Inputs: graph.Inputs{EdgeTypes: 1, Weights: true}},
			"graph": {Width: w.Width, Inputs: graph.Inputs{GraphWidth: w.GraphWidth}}, "rows": {Width: w.Width, EdgeRows: true}, "none": wanted(w.Width),
		}
		for _, name := range files(t, filepath.Join("further", folder, "*")) {
			t.Run(folder+" "+filepath.Base(name), func(t *testing.T) {
				t.Parallel()
				for part, w := range parts {
					for _, batch := range []int64{1, 300, 0} {
						p := newPlan(t, readers.Config{BatchBytes: batch}, name)
						got, err := readWanted(t.Context(), p, w)
						if err != nil || len(p.Refused)+len(got.rejected) > 0 {
							t.Fatal(part, err, p.Refused, got.rejected)
						}
						if diff := cmp.Diff(only(want, w), only(got.graphs, w)); diff != "" {
							t.Errorf("%s, batches of %d bytes (-want +got):\n%s", part, batch, diff)
						}
					}
				}
			})
		}
	}
}

// fault is the code of a graph, "" for a good one, and words of its message.
type fault struct {
	code  graph.Code
	words []string
}

func (f *fault) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &[]any{&f.code, &f.words}) }

// TestFurtherFaults: what is wrong with the values of a graph is said with its code, the column, the number of the edge
// in the input and the value, the same in every format and for batches of every size.
func TestFurtherFaults(t *testing.T) {
	t.Parallel()
	for kind, names := range map[string][]string{
		"bad": {"bad.parquet", "bad.arrow", "bad_views.arrow", "bad_views.arrows"}, "bad_floats": both("bad_floats"), "bad_bytes": both("bad_bytes"),
		"bad_unsigned": both("bad_unsigned"), "bad_rows": both("bad_rows"),
	} {
		want := readJSON[[]fault](t, filepath.Join("testdata", "further", kind+".json"))
		for _, name := range names {
			for _, batch := range []int64{1, 0} {
				cfg := readers.Config{BatchBytes: batch}
				if kind == "bad_bytes" || kind == "bad_floats" {
					cfg.ShardBytes = 1
				}
				got, err := readWanted(t.Context(), newPlan(t, cfg, filepath.Join("testdata", "further", name)), wide())
				if err != nil || len(got.graphs)+len(got.rejected) != len(want) {
					t.Fatalf("%s: %v, %d graphs and %d rejected of %d", name, err, len(got.graphs), len(got.rejected), len(want))
				}
				found := make([]graph.Rejection, len(want))
				for _, r := range got.rejected {
					found[r.Row] = r
				}
				for i, f := range want {
					if found[i].Code != f.code {
						t.Errorf("%s, row %d: %q (%s), want %q", name, i, found[i].Code, found[i].Message, f.code)
					}
					for _, word := range f.words {
						if !strings.Contains(found[i].Message, word) {
							t.Errorf("%s, row %d: %q lacks %q", name, i, found[i].Message, word)
						}
					}
				}
			}
		}
	}
}

// TestFurtherRefused: a file without a column that a model reads, or with one that cannot be it, is planned, and refused
// by name for that model alone.
func TestFurtherRefused(t *testing.T) {
	t.Parallel()
	edges, types, facts := graph.Inputs{EdgeWidth: 2}, graph.Inputs{EdgeTypes: 9}, graph.Inputs{GraphWidth: 4}
	for _, test := range []struct {
		kind  string
		in    graph.Inputs
		names map[string]string
		words []string
	}{
		{"none", edges, nil, []string{"there is no column edge_attr for edge_attr", "it has graph_id, node_feat", "--column"}},
		{"none", types, nil, []string{"there is no column edge_type for edge_type"}},
		{"none", facts, nil, []string{"there is no column graph_attr for graph_attr"}},
		{"none", edges, map[string]string{"edge_attr": "bonds"}, []string{"there is no column bonds for edge_attr"}},
		{"none", edges, map[string]string{"edge_attr": "none"}, []string{"edge_attr is none, and the model reads it"}},
		{"text", edges, nil, []string{`"edge_attr" for edge_attr has type list<string>`, "list<list<number>>"}},
		{"deep", facts, nil, []string{`"graph_attr" for graph_attr has type list<list<list<double>>>`}},
		{"truths", types, nil, []string{`"edge_type" for edge_type has type list<bool>`}},
		{"twice", edges, nil, []string{`two columns "edge_attr"`}},
		{"named", types, nil, []string{"there is no column edge_type"}},
	} {
		for _, name := range both(test.kind) {
			p := newPlan(t, readers.Config{Columns: graph.ColumnNamesOf(test.names)}, filepath.Join("testdata", "further", "files", name))
			if len(p.Refused) > 0 {
				t.Fatal(p.Refused[0])
			}
			_, err := p.Open(t.Context(), &p.Shards[0], readers.Wanted{Width: 3, Inputs: test.in})
			var file *readers.FileError
			if !errors.As(err, &file) {
				t.Fatalf("%s is opened for %+v: %v", name, test.in, err)
			}
			checkMessage(t, err, append(test.words, name)...)
			lacking := maps.Collect(p.Lacking(test.in))
			if why := lacking[p.Files[0]]; why == nil || why.Error() != err.Error() {
				t.Errorf("%s: lacking says %v, opening %v", name, why, err)
			}
			if got, err := readAll(t.Context(), p, 3); err != nil || len(got.graphs) != 12 {
				t.Errorf("%s: %d graphs for a model that does not read it, %v", name, len(got.graphs), err)
			}
		}
	}
}

// TestWeightsNeeded: a model that needs weights takes a file without them only where they are turned off, and another model
// takes it always.
func TestWeightsNeeded(t *testing.T) {
	t.Parallel()
	off := graph.ColumnNamesOf(map[string]string{"weights": "none"})
	needs, reads := graph.Inputs{Weights: true, NeedWeights: true}, graph.Inputs{Weights: true}
	without, with := filepath.Join("testdata", "kinds", "bytes_float16.parquet"), filepath.Join("testdata", "further", "files", "none.arrow")
	for name, test := range map[string]struct {
		file    string
		columns graph.ColumnNames
		in      graph.Inputs
		words   []string // of the error, nil for none
	}{
		"needed": {without, graph.ColumnNames{}, needs, []string{
			without, "there is no column edge_weight for weights, it has graph_id, node_feat, edge_index, num_nodes; `columns:` in the job " +
				"(or --column) maps other names, and `weights: none` (--column weights=none) makes every weight 1",
		}},
		"off":      {without, off, needs, nil},
		"optional": {without, graph.ColumnNames{}, reads, nil},
		"with":     {with, graph.ColumnNames{}, needs, nil},
		"with off": {with, off, needs, nil},
	} {
		p := newPlan(t, readers.Config{Columns: test.columns}, test.file)
		source, err := p.Open(t.Context(), &p.Shards[0], readers.Wanted{Width: 3, Inputs: test.in})
		lacking := maps.Collect(p.Lacking(test.in))
		if test.words == nil {
			if err != nil || len(lacking) > 0 || source.Close() != nil {
				t.Errorf("%s: %v, lacking %v", name, err, lacking)
			}
			continue
		}
		checkMessage(t, err, test.words...)
		if why := lacking[p.Files[0]]; why == nil || why.Error() != err.Error() {
			t.Errorf("%s: lacking says %v, opening %v", name, why, err)
		}
	}
}

// TestFurtherMisread: bytes that are more than numbers refuse the file where they are read, and only there.
func TestFurtherMisread(t *testing.T) {
	t.Parallel()
	for _, name := range both("npy") {
		p := newPlan(t, readers.Config{}, filepath.Join("testdata", "further", "files", name))
		_, err := readWanted(t.Context(), p, readers.Wanted{Width: 3, Inputs: graph.Inputs{EdgeWidth: 2}})
		checkMessage(t, err, name, "edge_attr", ".npy", "row 0")
		if got, err := readWanted(t.Context(), p, readers.Wanted{Width: 3, Inputs: graph.Inputs{GraphWidth: 4}}); err != nil || len(got.graphs) != 12 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFurtherNamed(t *testing.T) {
	t.Parallel()
	names := graph.ColumnNamesOf(map[string]string{"edge_attr": "bonds", "edge_type": "kinds", "graph_attr": "facts"})
	for _, name := range both("named") {
		p := newPlan(t, readers.Config{Columns: names}, filepath.Join("testdata", "further", "files", name))
		got, err := readWanted(t.Context(), p, wide())
		if err != nil || len(got.graphs) != 12 || len(got.graphs[0].EdgeAttr) == 0 || len(got.graphs[0].EdgeTypes) == 0 || len(got.graphs[0].GraphAttr) != 4 {
			t.Errorf("%s: %v %+v", name, err, got)
		}
		read := p.ColumnsRead(wide().Inputs)
		if diff := cmp.Diff([][]string{{"bonds"}, {"kinds"}, {"facts"}, {"edge_weight"}}, [][]string{
			read["edge_attr"], read["edge_type"], read["graph_attr"], read["weights"],
		}); diff != "" {
			t.Error(diff)
		}
		if read := p.ColumnsRead(graph.Inputs{}); len(read["edge_attr"])+len(read["weights"]) > 0 || len(read["features"]) != 1 {
			t.Errorf("a model that reads nothing further reads %v", read)
		}
		bad := wide()
		bad.EdgeWidth = 3
		if got, err = readWanted(t.Context(), p, bad); err != nil || len(got.rejected) == 0 || !strings.Contains(got.rejected[0].Message, "bonds") {
			t.Errorf("%s: %v %+v", name, err, got.rejected)
		}
	}
}

// TestEdgeFeaturesAsTensors: features of edges whose type is a tensor [edges x features].
func TestEdgeFeaturesAsTensors(t *testing.T) {
	t.Parallel()
	for _, name := range both("tensor") {
		got, err := readWanted(t.Context(), newPlan(t, readers.Config{}, filepath.Join("testdata", "further", "files", name)), wide())
		if err != nil || len(got.graphs) != 12 {
			t.Fatal(name, err, got.rejected)
		}
		for _, g := range got.graphs {
			if diff := cmp.Diff([][]float32{{1, 2}, {2, 3}, {0, 1}}, g.EdgeAttr); diff != "" || !cmp.Equal(g.EdgeTypes, []uint32{5, 6, 4}) {
				t.Errorf("%s: %s, types %v", name, diff, g.EdgeTypes)
			}
		}
	}
}

// TestShardsDoNotFollowTheModel: how a file is cut, and so the names of its parts, does not depend on what a model reads.
func TestShardsDoNotFollowTheModel(t *testing.T) {
	t.Parallel()
	without := newPlan(t, readers.Config{ShardBytes: 800}, "testdata/further/files/none.parquet")
	with := newPlan(t, readers.Config{ShardBytes: 800}, "testdata/further/files/named.parquet")
	usual := newPlan(t, readers.Config{ShardBytes: 800}, "testdata/further/files/text.parquet")
	for i := range without.Shards {
		a, b, c := without.Shards[i], with.Shards[i], usual.Shards[i]
		if a.Bytes != b.Bytes || a.Bytes != c.Bytes || a.LastGroup != b.LastGroup || a.LastGroup != c.LastGroup {
			t.Errorf("shard %d: %d, %d and %d bytes", i, a.Bytes, b.Bytes, c.Bytes)
		}
	}
}

// TestDamageInWhatIsNotRead: a file whose features of edges are damaged is read whole by a model that does not read them.
func TestDamageInWhatIsNotRead(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/further/wide/plain_small_pages.parquet")
	if err != nil {
		t.Fatal(err)
	}
	clean := newPlan(t, readers.Config{}, "testdata/further/wide/plain_small_pages.parquet")
	want, err := readWanted(t.Context(), clean, wanted(3))
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for at := 40; at < len(data)-8000 && at < 12000; at += 97 {
		name := filepath.Join(t.TempDir(), "a.parquet")
		spoilt := append([]byte(nil), data...)
		copy(spoilt[at:], "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")
		if err := os.WriteFile(name, spoilt, 0o600); err != nil {
			t.Fatal(err)
		}
		p := newPlan(t, readers.Config{}, name)
		if len(p.Refused) > 0 {
			continue
		}
		_, all := readWanted(t.Context(), p, wide())
		got, err := readWanted(t.Context(), p, wanted(3))
		if all != nil && err == nil && cmp.Equal(want.graphs, got.graphs) {
			refused++
		}
	}
	if refused == 0 {
		t.Error("no damage was in what is not read")
	}
}
