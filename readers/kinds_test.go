package readers_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"graphscore/pipeline/graph"
	"graphscore/readers"
)

// readKind reads a file of testdata/kinds.
func readKind(t *testing.T, name string, columns map[string]string) (contents, *readers.Plan) {
	t.Helper()
	p := newPlan(t, readers.Config{Columns: graph.ColumnNamesOf(columns)}, filepath.Join("testdata", "kinds", name))
	for _, refused := range p.Refused {
		t.Fatalf("%s: %v", name, refused)
	}
	got, err := readAll(t.Context(), p, 3)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return got, p
}

// kindError is the error of reading a file of testdata/kinds.
func kindError(t *testing.T, name string) error {
	t.Helper()
	p := newPlan(t, readers.Config{}, filepath.Join("testdata", "kinds", name))
	for _, refused := range p.Refused {
		return refused
	}
	_, err := readAll(t.Context(), p, 3)
	if err == nil {
		t.Fatalf("%s is read", name)
	}
	return err
}

// both are the names of a kind in both formats.
func both(kind string) []string { return []string{kind + ".parquet", kind + ".arrow"} }

func TestTypesThatAreReadAsWhatTheyMean(t *testing.T) {
	t.Parallel()
	want, _ := readKind(t, "ok_base.parquet", nil)
	for _, path := range files(t, "kinds/ok_*") {
		got, _ := readKind(t, filepath.Base(path), nil)
		if diff := cmp.Diff(want.graphs, got.graphs); diff != "" {
			t.Errorf("%s:\n%s", path, diff)
		}
	}
}

func TestEdgesAsTensors(t *testing.T) {
	t.Parallel()
	want := [][2]int{{0, 1}, {1, 2}, {2, 3}}
	for _, name := range append(both("edges_tensor"), both("edges_tensor_pairs")...) {
		got, p := readKind(t, name, nil)
		for i := range got.graphs {
			if !slices.Equal(got.graphs[i].Edges, want) {
				t.Errorf("%s, graph %d: edges %v", name, i, got.graphs[i].Edges)
			}
		}
		if len(p.Undecided()) > 0 {
			t.Errorf("%s: the type of its edges is said not to tell", name)
		}
	}
}

func TestUUIDsAreText(t *testing.T) {
	t.Parallel()
	for _, name := range both("uuid") {
		got, _ := readKind(t, name, nil)
		if id := got.graphs[1].ID; id != "00000020-0000-0000-0000-000000000005" {
			t.Errorf("%s: id %q", name, id)
		}
	}
}

func TestColumnsOfNulls(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"edges_null", "edges_null_flat", "weights_null"} {
		for _, name := range both(kind) {
			got, _ := readKind(t, name, nil)
			if len(got.graphs) != 3 || len(got.graphs[0].Edges) != 0 {
				t.Errorf("%s: %+v, rejected %+v", name, got.graphs, got.rejected)
			}
		}
	}
	for _, kind := range []string{"all_null", "counts_null"} {
		for _, name := range both(kind) {
			got, _ := readKind(t, name, nil)
			if len(got.rejected) != 3 || got.rejected[0].Code != graph.NullValue {
				t.Errorf("%s: rejected %+v", name, got.rejected)
			}
		}
	}
}

// TestFloatsThatAreLetters: the bytes of 0.7 are the text "333?", those of 2.8 "333@".
func TestFloatsThatAreLetters(t *testing.T) {
	t.Parallel()
	want, _ := readKind(t, "letters_lists.parquet", nil)
	for _, name := range append(both("letters_bytes"), "letters_lists.arrow") {
		got, _ := readKind(t, name, nil)
		if diff := cmp.Diff(want.graphs, got.graphs); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

func TestWeightsAsRowsOfOne(t *testing.T) {
	t.Parallel()
	want, _ := readKind(t, "weights_flat.parquet", nil)
	for _, name := range both("weights_rows") {
		got, _ := readKind(t, name, nil)
		if diff := cmp.Diff(want.graphs, got.graphs); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

func TestColumnsTurnedOff(t *testing.T) {
	t.Parallel()
	got, p := readKind(t, "weights_flat.parquet", map[string]string{"weights": "none", "graph_id": "none", "num_nodes": "none"})
	if p.HasWeights || got.graphs[0].Weights != nil || got.graphs[0].ID != "weights_flat.parquet#0" {
		t.Errorf("read %+v", got.graphs[0])
	}
	want := map[string][]string{"features": {"node_feat"}, "edges": {"edge_index"}}
	if diff := cmp.Diff(want, p.ColumnsRead(graph.Inputs{Weights: true})); diff != "" {
		t.Error(diff)
	}
	cfg := readers.Config{
		Inputs:  []readers.Input{{Path: "testdata/kinds/ok_base.parquet"}},
		Columns: graph.ColumnNamesOf(map[string]string{"features": "none"}),
	}
	_, err := readers.NewPlan(t.Context(), cfg)
	checkMessage(t, err, "features", "none")
	cfg.Columns = graph.ColumnNamesOf(map[string]string{"weights": `\none`})
	named, err := readers.NewPlan(t.Context(), cfg)
	if err != nil || len(named.Refused) != 1 {
		t.Fatalf("%v, %+v", err, named)
	}
	checkMessage(t, named.Refused[0], "no column none for weights")
}

func TestUnknownTypesBesideAreNotLookedAt(t *testing.T) {
	t.Parallel()
	p := newPlan(t, readers.Config{}, "testdata/kinds/variant.parquet")
	if _, err := readAll(t.Context(), p, 8); err != nil {
		t.Fatal(err)
	}
	cfg := readers.Config{Columns: graph.ColumnNamesOf(map[string]string{"graph_id": "meta"})}
	needed := newPlan(t, cfg, "testdata/kinds/variant.parquet")
	checkMessage(t, needed.Refused[0], "meta", "variant")
}

func TestEdgesThatDoNotTellAreSaid(t *testing.T) {
	t.Parallel()
	for _, name := range both("edges_two") {
		got, p := readKind(t, name, nil)
		if len(p.Undecided()) != 1 || !slices.Equal(got.graphs[0].Edges, [][2]int{{0, 1}, {1, 2}}) {
			t.Errorf("%s: %v, undecided %v", name, got.graphs[0].Edges, p.Undecided())
		}
	}
	if _, p := readKind(t, "ok_base.parquet", nil); len(p.Undecided()) != 0 {
		t.Error("edges that tell are said not to")
	}
}

func TestKindsThatAreRefusedByName(t *testing.T) {
	t.Parallel()
	says := map[string][]string{
		"bad_pairs":           {"edge_index", "pairs"},
		"bad_ids_fixed":       {"graph_id", "fixed_size_binary[16]"},
		"bad_decimal_scale":   {"num_nodes", "decimal"},
		"bad_decimal_large":   {"num_nodes", "int64"},
		"bad_tensor_permuted": {"node_feat", "fixed_shape_tensor"},
		"bad_bytes_npy":       {"node_feat", ".npy", "row 1"},
		"bad_bytes_zip":       {"node_feat", "zip", "row 1"},
		"bad_bytes_pickle":    {"node_feat", "pickle", "row 1"},
		"bad_bytes_text":      {"node_feat", "text", "row 0"},
		"bad_bytes_no_count":  {"node_feat", "num_nodes or node_ids"},
	}
	for kind, words := range says {
		for _, name := range both(kind) {
			checkMessage(t, kindError(t, name), append(words, name)...)
		}
	}
	checkMessage(t, kindError(t, "length.arrows"), "compressed buffer", "claims 1099511627776 bytes")
}

func TestBytesOfAnotherWidth(t *testing.T) {
	t.Parallel()
	for _, typ := range []string{"float64", "float16"} {
		for _, name := range both("bytes_" + typ) {
			got, _ := readKind(t, name, nil)
			if len(got.rejected) != 3 || got.rejected[0].Code != graph.FeatureWidth {
				t.Fatalf("%s: rejected %+v", name, got.rejected)
			}
			if !slices.Contains([]rune(got.rejected[0].Message), '?') {
				t.Errorf("%s: %s", name, got.rejected[0].Message)
			}
		}
	}
}
