package writers

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"graphscore/pipeline/graph"
	"graphscore/writers/part"
)

// again reconciles with the wish to make every part again of which graphs are in quarantine.
func again(t *testing.T, o opened, specs []part.Spec) *Reconciled {
	t.Helper()
	plan := o.cfg.plan(specs, allInputs)
	plan.Retry = func(*part.Footer) (bool, error) { return true, nil }
	r, err := o.Output.Reconcile(t.Context(), plan)
	must(t, err)
	return r
}

// inodes are the files of an output as the disk knows them.
func inodes(t *testing.T, dir string) map[string]os.FileInfo {
	t.Helper()
	out := map[string]os.FileInfo{}
	for name := range result(t, dir) {
		info, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(name)))
		must(t, err)
		out[name] = info
	}
	return out
}

// A part that is made again and comes out the same is not touched, and neither is _SUCCESS.
func TestRetryLeavesWhatIsTheSame(t *testing.T) {
	t.Parallel()
	cfg, shards, specs := standing(t)
	before := inodes(t, cfg.Dir)
	o := open(t, cfg)
	r := again(t, o, specs)
	if d := cmp.Diff([]Decision{Retry, Retry, Retry, Retry}, r.Decisions); d != "" {
		t.Fatal(d)
	}
	for i, s := range shards {
		if r.Footers[i] != nil {
			t.Errorf("%s is made again and has a footer", specs[i].Part)
		}
		must(t, s.commit(t.Context(), o, false))
	}
	must(t, o.Finish(t.Context(), r, true))
	after := inodes(t, cfg.Dir)
	if len(after) != len(before) {
		t.Errorf("%d files, were %d", len(after), len(before))
	}
	for name, was := range before {
		if is := after[name]; is == nil || !os.SameFile(was, is) || !was.ModTime().Equal(is.ModTime()) {
			t.Errorf("%s was touched", name)
		}
	}
}

// One that comes out otherwise takes its place: _SUCCESS goes before, and the bytes are those of a run that made it so
// at once.
func TestRetryReplacesWhatDiffers(t *testing.T) {
	t.Parallel()
	cfg, shards, specs := standing(t)
	whole, worse := shards[0], shards[1]
	for i := range whole.graphs {
		whole.graphs[i].reject, whole.graphs[i].failed = "", false
	}
	worse.graphs[3].reject, worse.graphs[3].failed = graph.TooLarge, false
	clean := cfg
	clean.Dir = t.TempDir()
	must(t, job(t.Context(), clean, shards))

	o := open(t, cfg)
	r := again(t, o, specs)
	must(t, whole.commit(t.Context(), o, false))
	if done, err := o.View().Succeeded(); done || err != nil {
		t.Error("_SUCCESS stays beside a part that has changed")
	}
	must(t, worse.commit(t.Context(), o, false))
	for _, s := range shards[2:] {
		must(t, s.commit(t.Context(), o, false))
	}
	must(t, o.Finish(t.Context(), r, true))
	if d := cmp.Diff(result(t, clean.Dir), result(t, cfg.Dir)); d != "" {
		t.Error(d)
	}
}

// A part that is not made again after all, as the run has ended, stays with its quarantine file and _SUCCESS.
func TestRetryThatEndsEarly(t *testing.T) {
	t.Parallel()
	cfg, shards, specs := standing(t)
	before := tree(t, cfg.Dir)
	o := open(t, cfg)
	again(t, o, specs)
	p, err := o.Create(t.Context(), specs[0])
	must(t, err)
	must(t, shards[0].write(t.Context(), p, cfg, false, nil))
	must(t, p.Close())
	must(t, o.Close())
	if d := cmp.Diff(before, tree(t, cfg.Dir)); d != "" {
		t.Error(d)
	}
}
