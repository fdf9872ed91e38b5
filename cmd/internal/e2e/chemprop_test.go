//go:build e2e

package e2e

import (
	"maps"
	"path/filepath"
	"testing"
)

// Models of chemprop are scored from an exported folder; graphs with an edge that has no reverse are in quarantine, and
// the library rejects the same ones.
func TestChemprop(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	python(t, "chemprop_inputs.py", folder)
	s := library(t, 3, filepath.Join(folder, "model"), filepath.Join(folder, "in"))
	if want := map[string]int{"edge_without_reverse": 12}; !maps.Equal(s.Rejected, want) {
		t.Errorf("rejected are %v, expected %v", s.Rejected, want)
	}
	if s.Files != 1 || s.Scores != 4*9 || len(s.Refused) > 0 {
		t.Errorf("the library finds %+v", s)
	}
}
