package readers_test

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"graphscore/readers"
)

// TestTruthsAsFeatures shows that features of true and false are read as 1 and 0.
func TestTruthsAsFeatures(t *testing.T) {
	t.Parallel()
	want := wantGraphs(t)
	for i := range want {
		for _, node := range want[i].Features {
			for k, v := range node {
				if node[k] = 0; v > 0 {
					node[k] = 1
				}
			}
		}
	}
	for _, name := range files(t, "truths/*") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			p := newPlan(t, readers.Config{BatchBytes: 400}, name)
			got, err := readAll(t.Context(), p, 3)
			if err != nil || len(p.Refused) > 0 {
				t.Fatal(err, p.Refused)
			}
			for i := range got.graphs {
				got.graphs[i].Group = 0
			}
			if diff := cmp.Diff(want, got.graphs); diff != "" {
				t.Errorf("graphs (-want +got):\n%s", diff)
			}
		})
	}
}
