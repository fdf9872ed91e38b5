package writers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"graphscore/jobs/jobtest"
	"graphscore/pipeline/faulttest"
	"graphscore/pipeline/graph"
	"graphscore/writers/atomic"
	"graphscore/writers/atomic/atomictest"
	"graphscore/writers/part"
	"graphscore/writers/record"
)

// failing fails at one step: once, or, as if the process had died, at every step from then on.
type failing struct {
	steps int
	at    int
	die   bool
	err   error
	hit   string // the step that failed
}

func (f *failing) disk(inner atomic.Disk) atomic.Disk {
	return &atomictest.Faulty{Disk: inner, Fail: f.step}
}

func (f *failing) step(op, name string) error {
	f.steps++
	switch {
	case f.steps == f.at:
		f.hit = op + " " + name
		return f.err
	case f.die && f.steps > f.at:
		return atomictest.ErrDead
	}
	return nil
}

// crashConfig is fast: a thousand runs die with it. Parts have one row group.
func crashConfig(t *testing.T) setup {
	cfg := testConfig(t.TempDir())
	cfg.Disk, cfg.sizes.GroupBytes = atomictest.Quick, 1<<20
	return cfg
}

// job is a run over shards of two inputs, as a pipeline would do it.
func job(ctx context.Context, cfg setup, shards []shard) (err error) {
	out, err := Open(ctx, cfg.Config)
	if err != nil {
		return err
	}
	o := opened{out, cfg}
	defer func() { err = errors.Join(err, o.Close()) }()
	var specs []part.Spec
	inputs := map[string]bool{}
	for _, s := range shards {
		specs = append(specs, s.spec)
		inputs[s.spec.Input] = true
	}
	r, err := o.Reconcile(ctx, specs, inputs)
	if err != nil {
		return err
	}
	for i, s := range shards {
		if r.Decisions[i] == Skip {
			continue
		}
		if err := o.Begin(); err != nil {
			return err
		}
		if err := s.commit(ctx, o, false); err != nil {
			return err
		}
	}
	if err := o.Finish(ctx, r, true); err != nil {
		return err
	}
	return o.WriteRecord(&record.Run{RunID: cfg.RunID})
}

// planOne and planTwo are two plans for one folder: the second has another model, other quarantined graphs, and
// cuts b in one shard instead of two.
func planOne(cfg setup) []shard {
	a, b1, b2, c := makeShard("d/e/a", 30, cfg, false), makeShard("b.rg00000-00001", 20, cfg, false),
		makeShard("b.rg00002-00003", 25, cfg, false), makeShard("c", 5, cfg, false)
	b1.spec.Input, b2.spec.Input = "b", "b"
	b1.spec.LastGroup, b2.spec.FirstGroup = 1, 2
	c.graphs[2].reject = "" // c has no quarantined graph ...
	return []shard{a, b1, b2, c}
}

func planTwo(cfg setup) []shard {
	a, b, c := makeShard("d/e/a", 30, cfg, false), makeShard("b", 45, cfg, false), makeShard("c", 5, cfg, false)
	for i := range a.graphs { // ... a had some ...
		a.graphs[i].reject, a.graphs[i].failed = "", false
	}
	c.graphs[2].reject = graph.TooLarge // ... and in the end c has one
	out := []shard{a, b, c}
	for i := range out {
		out[i].spec.Model = "sha256:other"
	}
	return out
}

// result is the tree without records and locks.
func result(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := tree(t, dir)
	maps.DeleteFunc(out, func(name, _ string) bool {
		return strings.HasPrefix(name, record.Dir) || strings.HasPrefix(name, locksDir)
	})
	return out
}

// checkWhole finds fault with parts that cannot be read, with quarantine files that are not those of the part
// beside them, and with a _SUCCESS that stands while something is missing.
func checkWhole(t *testing.T, dir, when string, complete ...map[string]string) {
	t.Helper()
	files := result(t, dir)
	for name := range files {
		if !strings.HasSuffix(name, ".parquet") {
			continue
		}
		l, err := part.ReadFooter(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			t.Errorf("%s: %v", when, err)
			continue
		}
		if fault, err := part.QuarantineFault(atomic.At(dir), dir, name, l); fault != "" || err != nil {
			t.Errorf("%s: %s: %s%v", when, name, fault, err)
		}
	}
	if _, ok := files[SuccessName]; !ok {
		return
	}
	for _, want := range complete {
		maps.DeleteFunc(files, func(name, _ string) bool { return atomic.IsTemp(name) })
		if reflect.DeepEqual(want, files) {
			return
		}
	}
	t.Errorf("%s: _SUCCESS stands, but the parts are not all there", when)
}

// death is a way to die in a run that follows another or is the first.
type death struct {
	name          string
	before, after func(setup) []shard
	// lose makes it a power failure, and says what of the folders is lost that was not synced; it may depend on
	// the step.
	lose func(step int) func(dir string) bool
	// onOrphan is what becomes of parts of the run before whose input is gone.
	onOrphan OnOrphan
	level    graph.Level
}

// planGone is planOne after its first input was renamed and its last one removed: both parts have quarantine files.
func planGone(cfg setup) []shard {
	all := planOne(cfg)
	renamed := makeShard("renamed", 30, cfg, false)
	renamed.spec.Fingerprint = all[0].spec.Fingerprint
	return []shard{renamed, all[1], all[2]}
}

func TestDeathAtEveryStep(t *testing.T) {
	t.Parallel()
	everything := func(int) func(string) bool { return func(string) bool { return true } }
	some := func(step int) func(string) bool {
		r := rand.New(rand.NewPCG(uint64(step), 1))
		return func(string) bool { return r.IntN(2) == 0 }
	}
	quarantine := func(int) func(string) bool {
		return func(dir string) bool { return strings.HasPrefix(dir, part.QuarantineDir) }
	}
	for _, tc := range []death{
		{name: "killed in a first run", after: planOne},
		{name: "killed in a first run over edges", after: planOne, level: graph.EdgeLevel},
		{name: "killed while it rescores", before: planOne, after: planTwo},
		{name: "killed while it prunes", before: planOne, after: planGone, onOrphan: PruneOrphans},
		{name: "power lost in a first run", after: planOne, lose: everything},
		{name: "power lost while it rescores", before: planOne, after: planTwo, lose: everything},
		{name: "power lost while it prunes", before: planOne, after: planGone, lose: everything, onOrphan: PruneOrphans},
		{name: "power lost with some folders", before: planOne, after: planTwo, lose: some},
		{name: "power lost with some folders while it prunes", before: planOne, after: planGone, lose: some, onOrphan: PruneOrphans},
		{name: "power lost with the quarantine", before: planOne, after: planTwo, lose: quarantine},
		{name: "power lost with the quarantine while it prunes", before: planOne, after: planGone, lose: quarantine, onOrphan: PruneOrphans},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			clean := atLevel(crashConfig(t), tc.level)
			must(t, job(t.Context(), clean, tc.after(clean)))
			want := result(t, clean.Dir)
			at := 1
			for ; tc.at(t, at, want); at += stride {
			}
			least := 40
			if tc.onOrphan == PruneOrphans { // most parts exist already
				least = 25
			}
			if at < least {
				t.Errorf("only %d steps", at)
			}
			row := faulttest.Row{Case: "2", How: "every step on the disk after one fails, as if the process had died there", Outcome: "no half file; after the next run the same bytes", Times: (at - 1) / stride}
			if tc.lose != nil {
				row.Case, row.How = "3", "the same at each step, and what was not synced is gone: files, names in folders, all of them or some"
			}
			row.Tally = sameGraphs(t, clean.Dir, row.Times)
			faulttest.Report(t, row)
		})
	}
}

// sameGraphs counts the graphs of outputs that have the bytes of one.
func sameGraphs(t *testing.T, dir string, outputs int) *faulttest.Tally {
	t.Helper()
	graphs, err := jobtest.CountGraphs(dir)
	must(t, err)
	tally := faulttest.Compare(graphs, graphs)
	tally.Graphs *= outputs
	return tally
}

// at dies at a step and resumes. It says whether there was such a step.
func (tc death) at(t *testing.T, at int, want map[string]string) bool {
	t.Helper()
	cfg := atLevel(crashConfig(t), tc.level)
	cfg.Rescore, cfg.OnOrphan = true, tc.onOrphan
	complete := []map[string]string{want}
	if tc.before != nil {
		must(t, job(t.Context(), cfg, tc.before(cfg)))
		complete = append(complete, result(t, cfg.Dir))
	}
	power := atomictest.NewPower(cfg.Dir)
	d := &failing{at: at, die: true, err: errors.New("dead")}
	killed := cfg
	killed.Disk = func(inner atomic.Disk) atomic.Disk { return d.disk(power.Disk(atomictest.Quick(inner))) }
	err := job(t.Context(), killed, tc.after(cfg))
	if d.hit == "" {
		must(t, err)
		return false
	}
	when := fmt.Sprintf("died at step %d (%s)", at, d.hit)
	if err == nil {
		t.Errorf("%s, and no error", when)
	}
	if tc.lose != nil {
		must(t, power.Lose(tc.lose(at)))
	}
	checkWhole(t, cfg.Dir, when, complete...)
	must(t, job(t.Context(), cfg, tc.after(cfg)))
	if diff := differ(want, result(t, cfg.Dir)); diff != "" {
		t.Fatalf("%s: other files after the next run: %.500s", when, diff)
	}
	return true
}

func TestDiskErrorAtEveryStep(t *testing.T) {
	t.Parallel()
	clean := crashConfig(t)
	must(t, job(t.Context(), clean, planTwo(clean)))
	want := result(t, clean.Dir)
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EIO} {
		t.Run(errno.Error(), func(t *testing.T) {
			t.Parallel()
			for at := 1; ; at += stride {
				cfg := crashConfig(t)
				d := &failing{at: at, err: errno}
				faulty := cfg
				faulty.Disk = func(inner atomic.Disk) atomic.Disk { return d.disk(atomictest.Quick(inner)) }
				err := job(t.Context(), faulty, planTwo(cfg))
				if d.hit == "" {
					must(t, err)
					number := map[syscall.Errno]string{syscall.ENOSPC: "4", syscall.EIO: "5"}[errno]
					faulttest.Report(t, faulttest.Row{Case: number, How: "a step on the disk fails, fsync and rename included: " + errno.Error(),
						Outcome: "an error that names the path; after the next run the same bytes", Times: (at - 1) / stride, Tally: sameGraphs(t, clean.Dir, (at-1)/stride)})
					return
				}
				when := fmt.Sprintf("step %d (%s)", at, d.hit)
				checkDiskError(t, err, errno, cfg.Dir, when)
				checkWhole(t, cfg.Dir, when, want)
				if strings.HasPrefix(d.hit, "remove") {
					continue // what could not be removed may stay until the next run
				}
				for name := range tree(t, cfg.Dir) {
					if atomic.IsTemp(name) {
						t.Errorf("%s: %s is left", when, name)
					}
				}
				must(t, job(t.Context(), cfg, planTwo(cfg)))
				if diff := differ(want, result(t, cfg.Dir)); diff != "" {
					t.Fatalf("%s: other files after the next run: %.500s", when, diff)
				}
			}
		})
	}
}

func checkDiskError(t *testing.T, err error, errno syscall.Errno, dir, when string) {
	t.Helper()
	var failed *atomic.IOError
	if !errors.As(err, &failed) || !errors.Is(err, errno) {
		t.Errorf("%s: error %v is no IOError of %v", when, err, errno)
		return
	}
	if !strings.HasPrefix(failed.Path, dir) || !strings.Contains(err.Error(), failed.Path) {
		t.Errorf("%s: %v does not name a path of the output", when, err)
	}
	if !strings.Contains(err.Error(), errno.Error()) {
		t.Errorf("%s: %v does not say %v", when, err, errno)
	}
	if errno == syscall.ENOSPC && !strings.Contains(err.Error(), "free some space") {
		t.Errorf("%s: %v does not say what to do", when, err)
	}
}

func TestFullDiskSaysHowMuch(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t.TempDir())
	d := &failing{err: syscall.ENOSPC}
	cfg.Disk = d.disk
	o := open(t, cfg)
	s := makeShard("a", 200, cfg, false)
	p, err := o.Create(t.Context(), s.spec)
	must(t, err)
	must(t, s.write(t.Context(), p, cfg, false, nil))
	d.at = d.steps + 1
	err = p.Commit(t.Context())
	want := fmt.Sprintf("writing %q: no space left on device after", filepath.Join(cfg.Dir, "a.parquet"))
	if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "more are needed") {
		t.Errorf("error %v, want %s", err, want)
	}
	must(t, p.Close())
	if _, err := os.Stat(filepath.Join(cfg.Dir, "a.parquet")); !os.IsNotExist(err) {
		t.Errorf("the part: %v", err)
	}
}
