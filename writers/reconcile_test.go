package writers

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/schema"
	"github.com/google/go-cmp/cmp"

	"graphscore/writers/atomic/atomictest"
	"graphscore/writers/part"
)

// foreignParquet is a Parquet file of another maker.
func foreignParquet(t *testing.T) []byte {
	t.Helper()
	fields := schema.FieldList{schema.NewInt64Node("x", parquet.Repetitions.Required, -1)}
	root, err := schema.NewGroupNode("schema", parquet.Repetitions.Required, fields, -1)
	must(t, err)
	var b bytes.Buffer
	must(t, file.NewParquetWriter(&b, root).Close())
	return b.Bytes()
}

// standing makes an output with the parts of planOne and returns the plan.
func standing(t *testing.T) (setup, []shard, []part.Spec) {
	t.Helper()
	cfg := testConfig(t.TempDir())
	cfg.Disk = atomictest.Quick
	shards := planOne(cfg)
	must(t, job(t.Context(), cfg, shards))
	var specs []part.Spec
	for _, s := range shards {
		specs = append(specs, s.spec)
	}
	return cfg, shards, specs
}

var allInputs = map[string]bool{"d/e/a": true, "b": true, "c": true}

func TestReconcileSkips(t *testing.T) {
	t.Parallel()
	cfg, shards, specs := standing(t)
	before := tree(t, cfg.Dir)
	o := open(t, cfg)
	r, err := o.Reconcile(t.Context(), specs, allInputs)
	must(t, err)
	for i, d := range r.Decisions {
		if d != Skip || r.Footers[i] == nil || r.Footers[i].RowsIn != shards[i].spec.Rows {
			t.Errorf("%s: %v, ledger %+v", specs[i].Part, d, r.Footers[i])
		}
	}
	if len(r.Orphaned)+len(r.Superseded) != 0 {
		t.Errorf("orphaned %v, superseded %v", r.Orphaned, r.Superseded)
	}
	must(t, o.Finish(t.Context(), r, true))
	if d := cmp.Diff(before, tree(t, cfg.Dir)); d != "" {
		t.Errorf("a run with nothing to do changed something: %s", d)
	}
}

func TestReconcileFindsMissingAndOrphaned(t *testing.T) {
	t.Parallel()
	cfg, _, specs := standing(t)
	must(t, os.Remove(filepath.Join(cfg.Dir, "c.parquet")))
	o := open(t, cfg)
	r, err := o.Reconcile(t.Context(), specs[1:], map[string]bool{"b": true, "c": true})
	must(t, err)
	if d := cmp.Diff([]Decision{Skip, Skip, Score}, r.Decisions); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"d/e/a.parquet"}, r.Orphaned); d != "" {
		t.Error(d)
	}
	// An input that is there but not planned, because it could not be read, is no orphan.
	r, err = o.Reconcile(t.Context(), specs[1:], allInputs)
	must(t, err)
	if len(r.Orphaned) != 0 {
		t.Errorf("orphaned %v", r.Orphaned)
	}
}

// refusal is a change between two runs, and what the message says of it.
type refusal struct {
	name   string
	change func(*setup, []part.Spec) error
	want   []string
}

func refusals() []refusal {
	damage := func(content string) func(*setup, []part.Spec) error {
		return func(cfg *setup, specs []part.Spec) error {
			return os.WriteFile(filepath.Join(cfg.Dir, "d", "e", "a.parquet"), []byte(content), 0o666)
		}
	}
	return []refusal{
		{"input", func(_ *setup, s []part.Spec) error { s[0].Fingerprint = "fast:new"; return nil },
			[]string{`1 part of something else`, `"d/e/a.parquet" (fingerprint of the input fast:new, was fast:d/e/a)`, "--rescore"}},
		{"kind of fingerprint", func(_ *setup, s []part.Spec) error { s[0].Fingerprint = "full:d/e/a"; return nil },
			[]string{"fingerprint of the input full:d/e/a, was fast:d/e/a"}},
		{"model", func(_ *setup, s []part.Spec) error {
			for i := range s {
				s[i].Model = "sha256:n"
			}
			return nil
		}, []string{"4 parts", "(model sha256:n, was sha256:m)", "; and 1 more: give --rescore"}},
		{"settings", func(c *setup, _ []part.Spec) error {
			c.Settings.MessageBytes, c.Settings.Columns = 7, map[string]string{"features": "f"}
			return nil
		}, []string{`(setting columns is {"features":"f"}, was {}, setting message_bytes is 7, was 0)`}},
		{"range", func(_ *setup, s []part.Spec) error { s[0].LastGroup = 9; return nil },
			[]string{"row groups 0 to 9, was 0 to 3"}},
		{"rows", func(_ *setup, s []part.Spec) error { s[0].Rows = 9; return nil }, []string{"rows 9, was 30"}},
		{"cut in another way", func(_ *setup, s []part.Spec) error { s[1].Part = "b.parquet"; s[2].Part = "b.x.parquet"; return nil },
			[]string{`"b.rg00000-00001.parquet" (row groups 0 to 1 of "b" are cut in another way now)`}},
		{"cut short", damage("PAR1"), []string{`"d/e/a.parquet" (it is damaged: it has only 4 bytes)`, "--rescore"}},
		{"other format", damage(strings.Repeat("x", 500)), []string{"it is not a whole Parquet file"}},
		{"empty", damage(""), []string{"it has only 0 bytes"}},
	}
}

func TestReconcileRefuses(t *testing.T) {
	t.Parallel()
	for _, tc := range refusals() {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cfg, _, specs := standing(t)
			must(t, tc.change(&cfg, specs))
			before := tree(t, cfg.Dir)
			o := open(t, cfg)
			_, err := o.Reconcile(t.Context(), specs, allInputs)
			var mismatch *MismatchError
			if !errors.As(err, &mismatch) {
				t.Fatalf("error %v is no MismatchError", err)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not say %s", err, want)
				}
			}
			if d := cmp.Diff(before, tree(t, cfg.Dir)); d != "" {
				t.Error(d)
			}
			must(t, o.Close())
			cfg.Rescore = true
			o = open(t, cfg)
			r, err := o.Reconcile(t.Context(), specs, allInputs)
			must(t, err)
			if n := len(r.Superseded); r.Decisions[0] != Redo && r.Decisions[1] != Redo && n != 2 && cfg.Settings.MessageBytes == 0 {
				t.Errorf("with Rescore: %v, superseded %v", r.Decisions, r.Superseded)
			}
		})
	}
}

func TestReconcileLeavesForeignFilesAlone(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		make func(t *testing.T, path string)
	}{
		{"other Parquet", func(t *testing.T, path string) { must(t, os.WriteFile(path, foreignParquet(t), 0o666)) }},
		{"a folder", func(t *testing.T, path string) { must(t, os.Mkdir(path, 0o777)) }},
		{"a link", func(t *testing.T, path string) { must(t, os.Symlink("/etc/passwd", path)) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cfg := testConfig(t.TempDir())
			cfg.Rescore = true
			tc.make(t, filepath.Join(cfg.Dir, "a.parquet"))
			o := open(t, cfg)
			_, err := o.Reconcile(t.Context(), []part.Spec{{Part: "a.parquet", Input: "a"}}, map[string]bool{"a": true})
			var mismatch *MismatchError
			if !errors.As(err, &mismatch) || !mismatch.Parts[0].Foreign || strings.Contains(err.Error(), "--rescore") {
				t.Errorf("error %v", err)
			}
			_, err = o.Reconcile(t.Context(), []part.Spec{{Part: "b.parquet", Input: "b"}}, map[string]bool{"b": true})
			must(t, err)
		})
	}
}

// TestSupersededWaitForTheirSuccessors has the new part of b fail, that of a succeed.
func TestSupersededWaitForTheirSuccessors(t *testing.T) {
	t.Parallel()
	cfg, _, _ := standing(t)
	cfg.Rescore = true
	o := open(t, cfg)
	b := makeShard("b", 45, cfg, false)
	plan := []part.Spec{b.spec}
	r, err := o.Reconcile(t.Context(), plan, allInputs)
	must(t, err)
	old := []string{"b.rg00000-00001.parquet", "b.rg00002-00003.parquet"}
	if d := cmp.Diff(old, r.Superseded); d != "" {
		t.Fatal(d)
	}
	must(t, o.Begin())
	must(t, o.Finish(t.Context(), r, false))
	files := result(t, cfg.Dir)
	for _, name := range old {
		if files[name] == "" {
			t.Errorf("%s went before the new part stood", name)
		}
	}
	must(t, b.commit(t.Context(), o, false))
	must(t, o.Finish(t.Context(), r, true))
	files = result(t, cfg.Dir)
	for _, name := range old {
		for _, gone := range []string{name, part.QuarantineName(name)} {
			if _, there := files[gone]; there {
				t.Errorf("%s is still there", gone)
			}
		}
	}
	if _, ok := files[SuccessName]; !ok || files["b.parquet"] == "" || files["d/e/a.parquet"] == "" {
		t.Errorf("missing among %v", slices.Sorted(maps.Keys(files)))
	}
}

// TestSameInputNameUnderTwoRoots: parts below another folder are never taken for old ranges.
func TestSameInputNameUnderTwoRoots(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t.TempDir())
	cfg.Rescore = true
	o := open(t, cfg)
	var specs []part.Spec
	for _, root := range []string{"x", "y"} {
		s := makeShard(root+"/a", 5, cfg, false)
		s.spec.Input = "a"
		must(t, s.commit(t.Context(), o, false))
		specs = append(specs, s.spec)
	}
	r, err := o.Reconcile(t.Context(), specs[:1], map[string]bool{"a": true})
	must(t, err)
	if len(r.Superseded) != 0 {
		t.Errorf("superseded %v", r.Superseded)
	}
}

func TestPartNames(t *testing.T) {
	t.Parallel()
	o := open(t, testConfig(t.TempDir()))
	for _, name := range []string{
		"", "a", ".parquet", "../a.parquet", "/a.parquet", "a/../../b.parquet", "_quarantine/a.parquet", "a/_b/c.parquet",
		"a/.b.parquet", "a//b.parquet", "_x.parquet", "a\x00.parquet",
	} {
		if _, err := o.Create(t.Context(), part.Spec{Part: name}); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", name)) {
			t.Errorf("Create %q: %v", name, err)
		}
		if _, err := o.Reconcile(t.Context(), []part.Spec{{Part: name}}, nil); err == nil {
			t.Errorf("Reconcile %q: no error", name)
		}
	}
	for _, name := range []string{"a b.parquet", "a\nb.parquet", "ü/é.parquet", "\xff.parquet", `a\b.parquet`} {
		s := shard{spec: part.Spec{Part: name, Input: name, Fingerprint: "fast:" + name}}
		must(t, s.commit(t.Context(), o, false))
		r, err := o.Reconcile(t.Context(), []part.Spec{s.spec}, nil)
		must(t, err)
		if r.Decisions[0] != Skip {
			t.Errorf("%q: %v", name, r.Decisions[0])
		}
	}
}
