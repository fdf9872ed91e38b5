package writers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sync/errgroup"

	"graphscore/pipeline/graph"
	"graphscore/writers/atomic"
	"graphscore/writers/atomic/atomictest"
	"graphscore/writers/part"
	"graphscore/writers/record"
)

// openTask opens an output beside others.
func openTask(t *testing.T, cfg setup, task record.Task) opened {
	t.Helper()
	o, err := OpenTask(t.Context(), cfg.Config, task)
	must(t, err)
	t.Cleanup(func() { o.Close() })
	return opened{o, cfg}
}

// ofTasks are the shards with the numbers of a task.
func ofTasks(shards []shard, task record.Task) (own []shard) {
	for i, s := range shards {
		if i%task.Count == task.Index {
			own = append(own, s)
		}
	}
	return own
}

// taskJob makes the parts of one task.
func taskJob(ctx context.Context, cfg setup, all []shard, task record.Task) (err error) {
	out, err := OpenTask(ctx, cfg.Config, task)
	if err != nil {
		return err
	}
	o := opened{out, cfg}
	defer func() { err = errors.Join(err, o.Close()) }()
	own := ofTasks(all, task)
	plan := cfg.plan(nil, map[string]bool{})
	for _, s := range all {
		plan.Inputs[s.spec.Input] = true
	}
	mine := map[string]bool{}
	for _, s := range own {
		plan.Specs, mine[s.spec.Part] = append(plan.Specs, s.spec), true
	}
	for _, s := range all {
		if !mine[s.spec.Part] {
			plan.Beside = append(plan.Beside, s.spec)
		}
	}
	r, err := o.Output.Reconcile(ctx, plan)
	if err != nil {
		return err
	}
	for i, s := range own {
		if r.Decisions[i] == Skip {
			continue
		}
		if err := s.commit(ctx, o, false); err != nil {
			return err
		}
	}
	return o.WriteTaskRecord(&record.TaskRun{Run: record.Run{RunID: cfg.RunID}, Task: task})
}

// tasksJob makes all parts in two tasks, one after the other, and finishes.
func tasksJob(ctx context.Context, cfg setup, shards []shard) error {
	for i := range 2 {
		if err := taskJob(ctx, cfg, shards, record.Task{Index: i, Count: 2}); err != nil {
			return err
		}
	}
	if err := job(ctx, cfg, shards); err != nil {
		return err
	}
	out, err := Open(ctx, cfg.Config)
	if err != nil {
		return err
	}
	return errors.Join(out.ForgetTasks(), out.Close())
}

// A task that dies at any step leaves nothing that the next one, and who finishes, do not make whole.
func TestTaskDeathAtEveryStep(t *testing.T) {
	t.Parallel()
	for _, lose := range []bool{false, true} {
		t.Run(fmt.Sprintf("power lost %v", lose), func(t *testing.T) {
			t.Parallel()
			clean := crashConfig(t)
			must(t, job(t.Context(), clean, planOne(clean)))
			want := result(t, clean.Dir)
			for at := 1; ; at += stride {
				cfg := crashConfig(t)
				power := atomictest.NewPower(cfg.Dir)
				d := &failing{at: at, die: true, err: errors.New("dead")}
				killed := cfg
				killed.Disk = func(inner atomic.Disk) atomic.Disk { return d.disk(power.Disk(atomictest.Quick(inner))) }
				err := tasksJob(t.Context(), killed, planOne(cfg))
				if d.hit == "" {
					must(t, err)
					if at < 60 {
						t.Errorf("only %d steps", at)
					}
					return
				}
				when := fmt.Sprintf("died at step %d (%s)", at, d.hit)
				if lose {
					must(t, power.Lose(func(string) bool { return true }))
				}
				checkWhole(t, cfg.Dir, when, want)
				must(t, tasksJob(t.Context(), cfg, planOne(cfg)))
				if diff := differ(want, result(t, cfg.Dir)); diff != "" {
					t.Fatalf("%s: other files after the next run: %.500s", when, diff)
				}
			}
		})
	}
}

// Tasks of several counts at once, so that most parts are made by more than one process: no part is torn or lost, and the
// bytes are those of one run.
func TestTasksAtOnce(t *testing.T) {
	t.Parallel()
	clean := crashConfig(t)
	must(t, job(t.Context(), clean, planOne(clean)))
	want := result(t, clean.Dir)
	for range 8 {
		cfg := crashConfig(t)
		var g errgroup.Group
		for _, count := range []int{1, 2, 3, 5} {
			for i := range count {
				g.Go(func() error { return taskJob(t.Context(), cfg, planOne(cfg), record.Task{Index: i, Count: count}) })
			}
		}
		must(t, g.Wait())
		checkWhole(t, cfg.Dir, "all at once")
		for name := range tree(t, cfg.Dir) {
			if atomic.IsTemp(name) {
				t.Errorf("%s is left", name)
			}
		}
		must(t, tasksJob(t.Context(), cfg, planOne(cfg)))
		if diff := differ(want, result(t, cfg.Dir)); diff != "" {
			t.Fatalf("other files: %.500s", diff)
		}
	}
}

// finals are the files of a result that have their names.
func finals(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := result(t, dir)
	maps.DeleteFunc(files, func(name, _ string) bool { return atomic.IsTemp(name) })
	return files
}

// A part that another process has made meanwhile is left as it is, whatever its bytes; one of another ledger ends the task.
func TestTaskMeetsPart(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*shard)
		lost   bool // the quarantine file of the other
		want   string
	}{
		"the same":          {},
		"other scores":      {change: func(s *shard) { s.graphs[1].scores[0][0]++ }},
		"quarantine lost":   {lost: true},
		"other counts":      {change: func(s *shard) { s.graphs[2].reject = graph.TooLarge }, want: "quarantined"},
		"other fingerprint": {change: func(s *shard) { s.spec.Fingerprint = "fast:other" }, want: "fingerprint"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := crashConfig(t)
			first, second := openTask(t, cfg, record.Task{Index: 0, Count: 2}), openTask(t, cfg, record.Task{Index: 1, Count: 2})
			one, two := makeShard("a", 60, cfg, false), makeShard("a", 60, cfg, false)
			if test.change != nil {
				test.change(&two)
			}
			p, err := second.Create(t.Context(), two.spec)
			must(t, err)
			must(t, two.write(t.Context(), p, cfg, false, nil))
			must(t, one.commit(t.Context(), first, false))
			want := finals(t, cfg.Dir)
			if test.lost {
				must(t, os.Remove(filepath.Join(cfg.Dir, filepath.FromSlash(part.QuarantineName("a.parquet")))))
			}
			err = errors.Join(p.Commit(t.Context()), p.Close())
			var mismatch *MismatchError
			if test.want == "" && err != nil || test.want != "" && (!errors.As(err, &mismatch) || !strings.Contains(err.Error(), test.want)) {
				t.Fatalf("error %v, want %q", err, test.want)
			}
			if diff := differ(want, finals(t, cfg.Dir)); diff != "" {
				t.Errorf("the part was changed: %.300s", diff)
			}
		})
	}
}

// Locks of tasks and of runs that have the output alone.
func TestTaskLocks(t *testing.T) {
	t.Parallel()
	cfg := crashConfig(t)
	task := openTask(t, cfg, record.Task{Index: 2, Count: 3})
	other := openTask(t, cfg, record.Task{Index: 2, Count: 4})
	var held *LockedError
	if _, err := OpenTask(t.Context(), cfg.Config, record.Task{Index: 2, Count: 3}); !errors.As(err, &held) || held.Task.String() != "2/3" || held.PID != os.Getpid() {
		t.Errorf("the same task: %v", err)
	}
	if _, err := Open(t.Context(), cfg.Config); !errors.As(err, &held) || held.Task == nil || held.PID != os.Getpid() {
		t.Errorf("a run alone: %v", err)
	}
	view := NewView(cfg.Dir)
	if err := view.CheckFree(); !errors.As(err, &held) {
		t.Errorf("free: %v", err)
	}
	must(t, view.CheckShared())
	if h, err := view.Holder(); h != nil || err != nil {
		t.Errorf("the holder is %v, %v", h, err)
	}
	must(t, task.Close())
	must(t, other.Close())
	must(t, view.CheckFree())
	alone := open(t, cfg)
	if err := view.CheckShared(); !errors.As(err, &held) || held.Task != nil {
		t.Errorf("shared: %v", err)
	}
	if _, err := OpenTask(t.Context(), cfg.Config, record.Task{Index: 2, Count: 3}); !errors.As(err, &held) || held.Task != nil || held.RunID != cfg.RunID {
		t.Errorf("a task beside a run alone: %v", err)
	}
	inv, err := view.List(t.Context())
	must(t, err)
	if len(inv.Foreign) > 0 {
		t.Errorf("foreign: %v", inv.Foreign)
	}
	must(t, alone.ForgetTasks())
	if entries, err := os.ReadDir(filepath.Join(cfg.Dir, locksDir)); err != nil || len(entries) > 0 {
		t.Errorf("locks are left: %v, %v", entries, err)
	}
}

// A task removes temporary files of its own, and no others.
func TestTaskTemps(t *testing.T) {
	t.Parallel()
	cfg := crashConfig(t)
	must(t, os.MkdirAll(filepath.Join(cfg.Dir, "d"), 0o777))
	names := []string{"d/.graphscore-shard1of2-7.tmp", ".graphscore-shard1of2-8.tmp", "d/.graphscore-shard1of3-7.tmp", "d/.graphscore-7.tmp", "d/.graphscore-shard11of2-7.tmp"}
	for _, name := range names {
		must(t, os.WriteFile(filepath.Join(cfg.Dir, name), nil, 0o666))
	}
	must(t, openTask(t, cfg, record.Task{Index: 1, Count: 2}).Close())
	left := tree(t, cfg.Dir)
	for i, name := range names {
		if _, is := left[name]; is != (i >= 2) {
			t.Errorf("%s is left: %v", name, is)
		}
	}
	must(t, open(t, cfg).Close())
	for name := range tree(t, cfg.Dir) {
		if atomic.IsTemp(name) {
			t.Errorf("%s is left by a run alone", name)
		}
	}
}

// A task that is outside its count is none.
func TestTaskOutside(t *testing.T) {
	t.Parallel()
	for _, task := range []record.Task{{}, {Index: 3, Count: 3}, {Index: -1, Count: 3}} {
		if _, err := OpenTask(t.Context(), crashConfig(t).Config, task); err == nil {
			t.Errorf("%v was opened", task)
		}
	}
}

// A file system without locks is named as one.
func TestNoLocks(t *testing.T) {
	t.Parallel()
	for _, errno := range []syscall.Errno{syscall.ENOLCK, syscall.EOPNOTSUPP, syscall.ENOSYS} {
		err := locking("out/_lock", errno)
		var create *atomic.CreateError
		if !errors.As(err, &create) || !strings.Contains(err.Error(), "its file system has no locks of files (flock)") {
			t.Errorf("%v: %v", errno, err)
		}
	}
	var io *atomic.IOError
	if err := locking("out/_lock", syscall.EIO); !errors.As(err, &io) {
		t.Errorf("another error: %v", err)
	}
}
