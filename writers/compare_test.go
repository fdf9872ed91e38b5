package writers

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"graphscore/writers/atomic"
	"graphscore/writers/part"
)

// stats is name, size, time and mode of all that lies below dir.
func stats(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	must(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err == nil {
			out[path] = info.ModTime().String() + " " + info.Mode().String() + " " + fs.FormatFileInfo(info)
		}
		return err
	}))
	return out
}

func TestCompareWithoutFolder(t *testing.T) {
	t.Parallel()
	above := t.TempDir()
	cfg := testConfig(filepath.Join(above, "a", "b"))
	s, err := Compare(t.Context(), cfg.Config, cfg.plan([]part.Spec{{Part: "a.parquet"}, {Part: "b.parquet"}}, nil))
	must(t, err)
	if d := cmp.Diff([]Decision{Score, Score}, s.Decisions); d != "" || s.Exists || s.Refusal() != nil {
		t.Errorf("%s, there %v", d, s.Exists)
	}
	if entries, err := os.ReadDir(above); err != nil || len(entries) > 0 {
		t.Errorf("%v was created, %v", entries, err)
	}
}

// TestCompareSeesWhatReconcileSees: the same decisions and refusals, and nothing changes.
func TestCompareSeesWhatReconcileSees(t *testing.T) {
	t.Parallel()
	for _, tc := range refusals() {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cfg, _, specs := standing(t)
			must(t, tc.change(&cfg, specs))
			// What a run that was killed left: a run would remove it, a look does not.
			left := filepath.Join(cfg.Dir, ".graphscore-7.tmp")
			must(t, os.WriteFile(left, []byte("x"), 0o666))
			for _, rescore := range []bool{false, true} {
				cfg.Rescore = rescore
				before := stats(t, cfg.Dir)
				s, err := Compare(t.Context(), cfg.Config, cfg.plan(specs, allInputs))
				must(t, err)
				if d := cmp.Diff(before, stats(t, cfg.Dir)); d != "" {
					t.Fatalf("looking changed something: %s", d)
				}
				o := open(t, cfg)
				r, want := o.Reconcile(t.Context(), specs, allInputs)
				must(t, o.Close())
				must(t, os.WriteFile(left, []byte("x"), 0o666))
				got := s.Refusal()
				if (got == nil) != (want == nil) || got != nil && got.Error() != want.Error() {
					t.Errorf("rescore %v: looking says %v, a run says %v", rescore, got, want)
				}
				if r == nil {
					continue
				}
				if d := cmp.Diff(r.Decisions, s.Decisions) + cmp.Diff(r.Superseded, s.Superseded) + cmp.Diff(r.Orphaned, s.Orphaned); d != "" {
					t.Errorf("rescore %v: %s", rescore, d)
				}
			}
		})
	}
}

func TestCompareFails(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o666))
	var create *atomic.CreateError
	if _, err := Compare(t.Context(), testConfig(file).Config, testConfig(file).plan(nil, nil)); !errors.As(err, &create) {
		t.Errorf("a file: %v", err)
	}
	if err := NewView(file).CheckFree(); !errors.As(err, &create) {
		t.Errorf("a file: %v", err)
	}
	cfg := testConfig(t.TempDir())
	cfg.Outputs = nil
	if _, err := Compare(t.Context(), cfg.Config, cfg.plan(nil, nil)); err == nil {
		t.Error("no outputs, no error")
	}
	if _, err := Compare(t.Context(), testConfig(t.TempDir()).Config, testConfig(t.TempDir()).plan([]part.Spec{{Part: "../a.parquet"}}, nil)); err == nil {
		t.Error("a part outside, no error")
	}
}
