package readers_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"graphscore/pipeline/graph"
	"graphscore/readers"
)

// readRows returns the code of every row of a file and the messages of those that are no graphs.
func readRows(t *testing.T, name string) (codes []graph.Code, messages []string) {
	t.Helper()
	p := newPlan(t, readers.Config{}, filepath.Join("testdata", name))
	got, err := readAll(t.Context(), p, 3)
	if err != nil || len(p.Refused) > 0 {
		t.Fatal(err, p.Refused)
	}
	codes = make([]graph.Code, p.Rows)
	for _, r := range got.rejected {
		codes[r.Row] = r.Code
		messages = append(messages, r.Message)
	}
	return codes, messages
}

// TestCountsAsDoubles shows that whole doubles are counts and others are named, as pandas writes them.
func TestCountsAsDoubles(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"counts.parquet", "counts.arrow"} {
		codes, messages := readRows(t, name)
		want := []graph.Code{"", graph.NodeCount, graph.NodeCount, graph.NodeCount, graph.NullValue, graph.NodeCount}
		if diff := cmp.Diff(want, codes); diff != "" {
			t.Errorf("%s: codes (-want +got):\n%s", name, diff)
		}
		for i, word := range []string{"2.5", "NaN", "-1", "null", "1e+300"} {
			if !strings.Contains(messages[i], word) || !strings.Contains(messages[i], "num_nodes") {
				t.Errorf("%s: %q lacks num_nodes or %s", name, messages[i], word)
			}
		}
	}
}

// TestNullsInDictionaries shows that a number of a null in a dictionary is a null.
func TestNullsInDictionaries(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"dictionary_nulls.arrow", "dictionary_nulls.arrows"} {
		codes, _ := readRows(t, name)
		want := []graph.Code{"", graph.NullValue, graph.NullValue, "", graph.NullValue, graph.NullValue}
		if diff := cmp.Diff(want, codes); diff != "" {
			t.Errorf("%s: codes (-want +got):\n%s", name, diff)
		}
	}
}
