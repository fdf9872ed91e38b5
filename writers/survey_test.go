package writers

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"graphscore/pipeline/graph"
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

func TestLookWithoutFolder(t *testing.T) {
	t.Parallel()
	above := t.TempDir()
	cfg := testConfig(filepath.Join(above, "a", "b"))
	s, err := Look(t.Context(), cfg, []Spec{{Part: "a.parquet"}, {Part: "b.parquet"}}, nil)
	must(t, err)
	if d := cmp.Diff([]Decision{Score, Score}, s.Decisions); d != "" || s.There || s.Refusal(cfg.Dir) != nil {
		t.Errorf("%s, there %v", d, s.There)
	}
	if entries, err := os.ReadDir(above); err != nil || len(entries) > 0 {
		t.Errorf("%v was created, %v", entries, err)
	}
}

// TestLookSeesWhatReconcileSees: the same decisions and refusals, and nothing changes.
func TestLookSeesWhatReconcileSees(t *testing.T) {
	t.Parallel()
	for _, tc := range refusals() {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cfg, _, specs := standing(t)
			must(t, tc.change(&cfg, specs))
			// What a run that was killed left: a run would remove it, a look does not.
			left := filepath.Join(cfg.Dir, tempPrefix+"7"+tempSuffix)
			must(t, os.WriteFile(left, []byte("x"), 0o666))
			for _, rescore := range []bool{false, true} {
				cfg.Rescore = rescore
				before := stats(t, cfg.Dir)
				s, err := Look(t.Context(), cfg, specs, allInputs)
				must(t, err)
				if d := cmp.Diff(before, stats(t, cfg.Dir)); d != "" {
					t.Fatalf("looking changed something: %s", d)
				}
				o := open(t, cfg)
				r, want := o.Reconcile(t.Context(), specs, allInputs)
				must(t, o.Close())
				must(t, os.WriteFile(left, []byte("x"), 0o666))
				got := s.Refusal(cfg.Dir)
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

func TestLookCountsBytes(t *testing.T) {
	t.Parallel()
	cfg, _, specs := standing(t)
	s, err := Look(t.Context(), cfg, specs, allInputs)
	must(t, err)
	var want int64
	for _, spec := range specs {
		info, err := os.Stat(filepath.Join(cfg.Dir, spec.Part))
		must(t, err)
		want += info.Size()
	}
	if s.Bytes != want || !s.There {
		t.Errorf("%d bytes, expected %d", s.Bytes, want)
	}
}

func TestLookFails(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o666))
	var create *CreateError
	if _, err := Look(t.Context(), testConfig(file), nil, nil); !errors.As(err, &create) {
		t.Errorf("a file: %v", err)
	}
	if err := CheckFree(file); !errors.As(err, &create) {
		t.Errorf("a file: %v", err)
	}
	cfg := testConfig(t.TempDir())
	cfg.Outputs = nil
	if _, err := Look(t.Context(), cfg, nil, nil); err == nil {
		t.Error("no outputs, no error")
	}
	if _, err := Look(t.Context(), testConfig(t.TempDir()), []Spec{{Part: "../a.parquet"}}, nil); err == nil {
		t.Error("a part outside, no error")
	}
}

func TestCheckFree(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "out")
	must(t, CheckFree(dir))
	o := open(t, testConfig(dir))
	before := stats(t, dir)
	var held *LockedError
	if err := CheckFree(dir); !errors.As(err, &held) || held.PID != os.Getpid() {
		t.Errorf("held: %v", err)
	}
	if d := cmp.Diff(before, stats(t, dir)); d != "" {
		t.Error(d)
	}
	must(t, o.Close())
	must(t, CheckFree(dir))
	must(t, open(t, testConfig(dir)).Close()) // the look itself holds nothing
	must(t, os.Remove(filepath.Join(dir, lockName)))
	must(t, CheckFree(dir))
	if _, err := os.Lstat(filepath.Join(dir, lockName)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the lock was created: %v", err)
	}
}

// TestScaleWeighsAsPartsDo holds the size that a Scale tells against the files that a Part writes.
func TestScaleWeighsAsPartsDo(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t.TempDir())
	cfg.blockRows, cfg.groupBytes, cfg.disk = 0, 0, quick
	for _, graphs := range []int{0, 1, 400} {
		s := makeShard("a", graphs, cfg, false)
		scale, err := NewScale(s.spec, Contents{Settings: cfg.Settings, GraphIDs: cfg.GraphIDs, NodeIDs: cfg.NodeIDs, Outputs: cfg.Outputs})
		must(t, err)
		b, sc := s.batch(cfg, false, 0, len(s.graphs))
		must(t, scale.Write(t.Context(), b, sc))
		o := open(t, cfg)
		p, err := o.Create(t.Context(), s.spec)
		must(t, err)
		must(t, s.write(t.Context(), p, cfg, false, nil))
		must(t, p.Commit(t.Context()))
		for i, g := range s.graphs { // as shard.write has them
			if g.reject != "" {
				must(t, scale.Reject(t.Context(), graph.Rejection{GraphID: g.id, RowGroup: i / 10, Row: int64(i), Code: g.reject,
					Message: "<why> & \"what\"", Nodes: int64(len(g.scores)), Edges: 5}))
			}
		}
		must(t, scale.Commit(t.Context()))
		must(t, scale.Close())
		var want int64
		for _, name := range []string{"a.parquet", quarantineName("a.parquet")} {
			if info, err := os.Stat(filepath.Join(cfg.Dir, name)); err == nil {
				want += info.Size()
			}
		}
		if scale.Bytes() != want || scale.Nodes() != p.Ledger().Nodes {
			t.Errorf("%d graphs: %d bytes and %d nodes, expected %d and %d", graphs, scale.Bytes(), scale.Nodes(), want, p.Ledger().Nodes)
		}
		must(t, o.Close())
	}
}
