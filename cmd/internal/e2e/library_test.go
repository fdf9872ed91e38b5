//go:build e2e

package e2e

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"testing"
)

// agreed is what a run and the Python library found alike: see testdata/library.py.
type agreed struct {
	Files    int
	Scores   int
	Rejected map[string]int
	Refused  map[string]string
}

// library runs a model on an input, scores the same files with the library, and fails where anything differs.
func library(t *testing.T, code int, model, input string, embed ...string) agreed {
	t.Helper()
	output := filepath.Join(t.TempDir(), "out")
	run(t, code, append([]string{"run", "--input", input, "--model", model, "--output", output, "--workers", "1"}, embed...)...)
	var s agreed
	if err := json.Unmarshal([]byte(python(t, "library.py", append([]string{model, input, output}, embed...)...)), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// The library scores the example as a run does.
func TestLibraryOnTheExample(t *testing.T) {
	t.Parallel()
	s := library(t, 0, absolute(t, example+"/model"), absolute(t, example+"/data"))
	if s.Files != 4 || s.Scores != 78057 || len(s.Rejected)+len(s.Refused) > 0 {
		t.Errorf("the library finds %+v", s)
	}
}

// The library rejects what a run puts into quarantine, with the same codes and messages, and refuses the same files.
func TestLibraryOnFaults(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	python(t, "library_inputs.py", folder)
	model := filepath.Join(folder, "model")
	s := library(t, 3, model, filepath.Join(folder, "text"))
	codes := []string{
		"category_out_of_range", "duplicate_node_id", "edge_out_of_range", "feature_width", "malformed_edges", "node_count",
		"non_finite_feature", "non_finite_score", "non_finite_weight", "null_value",
	}
	if found := slices.Sorted(maps.Keys(s.Rejected)); !slices.Equal(found, codes) {
		t.Errorf("the faults have codes %q, expected %q", found, codes)
	}
	if len(s.Refused) != 1 || s.Refused["bytes_json.arrow"] == "" || s.Scores < 1000 {
		t.Errorf("the library finds %d scores and refuses %q", s.Scores, s.Refused)
	}
	if s := library(t, 3, model, filepath.Join(folder, "int")); s.Files != 1 || s.Rejected["duplicate_node_id"] == 0 {
		t.Errorf("the library finds %+v", s)
	}
}

// The library scores nodes, edges and graphs as a run does, with the columns that only some models read.
func TestLibraryOnLevels(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	python(t, "library_inputs.py", folder)
	codes := []string{
		"category_out_of_range", "edge_feature_width", "edge_out_of_range", "graph_feature_width", "malformed_edges",
		"non_finite_feature", "non_finite_score", "null_value",
	}
	for _, level := range []string{"node", "edge", "graph"} {
		s := library(t, 3, filepath.Join(folder, level), filepath.Join(folder, "further"))
		if found := slices.Sorted(maps.Keys(s.Rejected)); !slices.Equal(found, codes) || s.Files != 7 || len(s.Refused) > 0 {
			t.Errorf("level %s: %d files, codes %q, refused %q", level, s.Files, found, s.Refused)
		}
	}
}

// The values of a step beside the scores are those of the library, at every level.
func TestLibraryOnEmbeddings(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	python(t, "library_inputs.py", folder)
	for level, step := range map[string]string{"node": "c", "edge": "j", "graph": "p"} {
		s := library(t, 3, filepath.Join(folder, level), filepath.Join(folder, "further"), "--embed", step)
		if s.Files != 7 || s.Scores < 100 || len(s.Refused) > 0 {
			t.Errorf("level %s: %d files, %d scores, refused %q", level, s.Files, s.Scores, s.Refused)
		}
	}
}

// An embedding is read by what people read Parquet with.
func TestEmbeddingIsRead(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	python(t, "library_inputs.py", folder)
	output := filepath.Join(folder, "out")
	run(t, 3, "run", "--input", filepath.Join(folder, "further"), "--model", filepath.Join(folder, "node"), "--output", output, "--embed", "c")
	run(t, 0, "verify", output, "--input", filepath.Join(folder, "further"), "--model", filepath.Join(folder, "node"), "--sample", "100%")
	if out := python(t, "read_embedding.py", filepath.Join(output, "plain.arrow.parquet"), "9"); out != "same\n" {
		t.Error(out)
	}
}
