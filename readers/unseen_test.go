package readers_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"graphscore/readers"
)

// TestUnseen: what could not be looked at is told apart from what does not exist. Links that lead nowhere stand for all
// that cannot be read: a superuser may read every folder.
func TestUnseen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(names ...string) string { return filepath.Join(append([]string{dir}, names...)...) }
	for _, name := range []string{"one", "two", "three"} {
		noError(t, os.MkdirAll(at(name, "deep"), 0o777))
	}
	noError(t, os.Symlink("/nowhere/a.parquet", at("one", "deep", "a.parquet")))
	noError(t, os.WriteFile(at("two", "b.parquet"), []byte("a letter"), 0o666))
	inputs := []readers.Input{
		{Name: "x", Path: at("one")}, {Name: "y", Path: at("two")}, {Name: "z", Path: at("three")},
		{Name: "w", Path: at("two", "*.parquet")}, {Name: "v", Path: at("two", "*.arrow")},
	}
	p, err := readers.NewPlan(t.Context(), readers.Config{Inputs: inputs})
	noError(t, err)
	if d := cmp.Diff([]string{"x/deep/a.parquet"}, p.Unseen); d != "" {
		t.Errorf("unseen: %s", d)
	}
	// A file that cannot be read is there; one that another input led to first counts for both.
	if !p.Present()["y/b.parquet"] {
		t.Errorf("present: %v", p.Present())
	}
	if d := cmp.Diff([]string{at("three"), at("two", "*.arrow")}, p.Unmatched) + cmp.Diff([]string{"z", "v"}, p.Absent); d != "" {
		t.Errorf("unmatched: %s", d)
	}

	// Without a name, all is below the root.
	p, err = readers.NewPlan(t.Context(), readers.Config{Inputs: []readers.Input{{Path: at("one")}}})
	noError(t, err)
	if d := cmp.Diff([]string{"deep/a.parquet"}, p.Unseen); d != "" || p.Empty() || len(p.Unmatched) > 0 {
		t.Errorf("unseen: %s; unmatched %v", d, p.Unmatched)
	}
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
