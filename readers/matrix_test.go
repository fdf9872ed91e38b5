//go:build e2e

package readers_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"graphscore/readers"
)

// TestMatrix compares each value of files of every writer, codec, encoding and type with what was written.
func TestMatrix(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	python, err := filepath.Abs("../python/.venv/bin/python")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), python, "testdata/matrix.py", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: run `make test-e2e`, which sets the venv up\n%s", err, out)
	}
	kinds, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(kinds) != 4 {
		t.Fatal(kinds, err)
	}
	for _, kind := range kinds {
		t.Run(filepath.Base(kind), func(t *testing.T) {
			t.Parallel()
			want := graphsOf(t, filepath.Join(kind, "graphs.json"))
			p := newPlan(t, readers.Config{}, kind)
			if len(p.Refused) > 0 {
				t.Error(p.Refused[0])
			}
			for _, f := range p.Files {
				checkFile(t, f.Path, want)
			}
			if len(p.Files) < 100 {
				t.Errorf("%d files", len(p.Files))
			}
		})
	}
}

// checkFile wants exactly those graphs, for a model that reads all of them and for one that reads little.
func checkFile(t *testing.T, name string, want []plain) {
	t.Helper()
	for _, w := range []readers.Wanted{wide(), wanted(3)} {
		got, err := readWanted(t.Context(), newPlan(t, readers.Config{BatchBytes: 2000}, name), w)
		if err != nil || len(got.rejected) > 0 {
			t.Errorf("%s: %v %+v", filepath.Base(name), err, got.rejected)
			return
		}
		if diff := cmp.Diff(only(want, w), only(got.graphs, w)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", filepath.Base(name), diff[:min(len(diff), 2000)])
		}
	}
}
