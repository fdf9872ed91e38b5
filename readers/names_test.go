package readers_test

import (
	"errors"
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

// TestOptionalInput: where nothing exists at an optional path there are no files, and the names of the other parts are
// those that they have on a date with all inputs.
func TestOptionalInput(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{"a/x.parquet": "v1_none.parquet"})
	there, absent := filepath.Join(root, "a"), filepath.Join(root, "b")
	p, err := readers.NewPlan(t.Context(), readers.Config{Inputs: []readers.Input{{Path: absent, Optional: true}}})
	if err != nil || !p.Empty() || len(p.Shards) != 0 {
		t.Errorf("an optional path without files: %+v, %v", p, err)
	}
	p, err = readers.NewPlan(t.Context(), readers.Config{Inputs: []readers.Input{
		{Name: "n", Path: there, Optional: true}, {Name: "m", Path: absent, Optional: true},
	}})
	if err != nil || len(p.Shards) != 1 || p.Shards[0].Part != "n/x.parquet" {
		t.Errorf("one of two optional paths: %v, %v", parts(p), err)
	}
	var planned *readers.PlanError
	_, err = readers.NewPlan(t.Context(), readers.Config{Inputs: []readers.Input{{Path: there, Optional: true}, {Path: absent, Optional: true}}})
	if !errors.As(err, &planned) {
		t.Errorf("two roots without names, of which one is absent: %v", err)
	}
	var missing *readers.NotFoundError
	if _, err = readers.NewPlan(t.Context(), readers.Config{Inputs: []readers.Input{{Path: absent}}}); !errors.As(err, &missing) {
		t.Errorf("a path that is not optional: %v", err)
	}
	if err := os.Symlink(filepath.Join(root, "gone"), absent); err != nil {
		t.Fatal(err)
	}
	if _, err = readers.NewPlan(t.Context(), readers.Config{Inputs: []readers.Input{{Path: absent, Optional: true}}}); !errors.As(err, &missing) {
		t.Errorf("a link that leads nowhere: %v", err)
	}
}
