package readers_test

import (
	"os"
	"path/filepath"
	"testing"

	"graphscore/readers"
)

// TestNamesDoNotMove: the name of an input is the first folder of its parts, whatever else is there.
func TestNamesDoNotMove(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, dir := range []string{"a", "b"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	good, err := os.ReadFile(filepath.Join("testdata", "good", "v1_none.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "a", "x.parquet"), good, 0o600); err != nil {
		t.Fatal(err)
	}
	one := readers.Input{Name: "n", Path: filepath.Join(root, "a")}
	two := readers.Input{Name: "m", Path: filepath.Join(root, "b")}
	for _, inputs := range [][]readers.Input{{one}, {one, two}, {two, one}} {
		p, err := readers.NewPlan(t.Context(), readers.Config{Inputs: inputs})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Shards[0].Part; got != "n/x.parquet" {
			t.Errorf("part %s of %d inputs, want n/x.parquet", got, len(inputs))
		}
	}
}
