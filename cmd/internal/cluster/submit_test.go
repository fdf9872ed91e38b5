//go:build slurm

package cluster

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// files is how many files a job has, each a part and a shard of its own.
const files = 6

// newJob makes a folder with a job of several files. setup are lines of bash that each task runs first.
func newJob(t *testing.T, setup string) (job string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o777); err != nil {
		t.Fatal(err)
	}
	model, err := filepath.Abs(example + "/model")
	if err != nil {
		t.Fatal(err)
	}
	graphs, err := os.ReadFile(example + "/data/held-back.parquet")
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		if err := os.WriteFile(filepath.Join(dir, "data", fmt.Sprintf("%d.parquet", i)), graphs, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	text := fmt.Sprintf("name: cluster\ninput: {path: data}\noutput: {path: out}\nmodel: {path: %s}\nworkers: 1\n", model)
	if setup != "" {
		text += "submit:\n  slurm:\n    cpus: 1\n    setup: |\n"
		for line := range strings.Lines(setup) {
			text += "      " + line
		}
		text += "\n"
	}
	job = filepath.Join(dir, "job.yaml")
	if err := os.WriteFile(job, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return job
}

func submit(job string, more ...string) []string {
	return append([]string{"submit", job, "--engine", "slurm", "--shards", strconv.Itoa(files), "--every", "500ms"}, more...)
}

// contents are the parts, the quarantine and the _SUCCESS of an output by name: what must be the same as of one machine.
func contents(t *testing.T, out string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(out, func(path string, d fs.DirEntry, err error) error {
		name, relative := filepath.Rel(out, path)
		switch {
		case err != nil || relative != nil:
			return err
		case d.IsDir() && (name == "_runs" || name == "_locks"):
			return filepath.SkipDir
		case d.IsDir() || name == "_lock":
			return nil
		}
		content, err := os.ReadFile(path)
		all[name] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// sameAsAlone compares the output of a job with that of one run on one machine.
func (s *slurm) sameAsAlone(job string) {
	s.t.Helper()
	alone := filepath.Join(s.t.TempDir(), "alone")
	s.run(0, "run", job, "--output", alone)
	expected, got := contents(s.t, alone), contents(s.t, filepath.Join(filepath.Dir(job), "out"))
	if !maps.Equal(got, expected) {
		s.t.Errorf("files %v, expected %v with the same bytes", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(expected)))
	}
}

// arrays counts the arrays that were submitted, by their scripts.
func arrays(t *testing.T, job string) int {
	t.Helper()
	scripts, err := filepath.Glob(filepath.Join(filepath.Dir(job), "out", "_runs", "submit-*", "*.sh"))
	if err != nil {
		t.Fatal(err)
	}
	return len(scripts)
}

// One cluster for what does not harm it: both nodes are used, the bytes are those of one machine, a second submit does
// nothing, what may pass is healed, and what does not pass is named.
func TestSubmit(t *testing.T) {
	s := startSlurm(t, 4) // fewer than there are shards
	t.Run("both nodes, arrays below MaxArraySize, the same bytes", func(t *testing.T) {
		s := &slurm{t, s.dir}
		nodes := filepath.Join(t.TempDir(), "nodes")
		job := newJob(t, "echo $SLURMD_NODENAME >>"+nodes)
		s.run(0, submit(job)...)
		used, err := os.ReadFile(nodes)
		if err != nil || !bytes.Contains(used, []byte("n1")) || !bytes.Contains(used, []byte("n2")) {
			t.Errorf("nodes %q (%v)", used, err)
		}
		s.sameAsAlone(job)
		if n := arrays(t, job); n != 2 {
			t.Errorf("%d arrays, expected 2", n)
		}
		s.run(0, submit(job)...)
		if n := arrays(t, job); n != 2 {
			t.Errorf("%d arrays after a second submit", n)
		}
	})
	t.Run("what may pass is healed", func(t *testing.T) {
		s := &slurm{t, s.dir}
		mark := filepath.Join(t.TempDir(), "mark")
		job := newJob(t, "if [ $SLURM_ARRAY_TASK_ID = 1 ] && mkdir "+mark+"; then exit 69; fi")
		s.run(0, submit(job)...)
		s.sameAsAlone(job)
		if n := arrays(t, job); n != 3 { // mkdir succeeds once: one of shards 1 and 5 is submitted again
			t.Errorf("%d arrays, expected 3", n)
		}
	})
	t.Run("what does not pass is named", func(t *testing.T) {
		s := &slurm{t, s.dir}
		job := newJob(t, "if [ $SLURM_ARRAY_TASK_ID = 2 ]; then echo the disk of scratch is not mounted >&2; exit 78; fi")
		said := s.run(3, submit(job)...)
		for _, expected := range []string{"shard 2 ended with exit code 78 on n", "the disk of scratch is not mounted", "1 part not there: 2.parquet", "submits just these"} {
			if !strings.Contains(said, expected) {
				t.Errorf("%q is not in\n%s", expected, said)
			}
		}
		if _, err := os.Stat(filepath.Join(filepath.Dir(job), "out", "_SUCCESS")); err == nil {
			t.Error("_SUCCESS exists")
		}
		status := s.run(0, "status", job)
		if !strings.Contains(status, "5 of 6 exist") || !strings.Contains(status, "1 shard: 2") {
			t.Errorf("status\n%s", status)
		}
		content, err := os.ReadFile(job)
		if err != nil {
			t.Fatal(err)
		}
		mended := bytes.Replace(content, []byte("exit 78"), []byte("true"), 1)
		if err := os.WriteFile(job, mended, 0o666); err != nil {
			t.Fatal(err)
		}
		s.run(0, submit(job)...)
		s.sameAsAlone(job)
	})
	t.Run("submit is killed, and another continues", func(t *testing.T) {
		s := &slurm{t, s.dir}
		count := filepath.Join(t.TempDir(), "count")
		job := newJob(t, "echo $SLURM_ARRAY_TASK_ID >>"+count+"\nsleep 3")
		p := s.start(submit(job)...)
		eventually(t, "the first task runs", func() bool { _, err := os.Stat(count); return err == nil })
		second, said := s.start(submit(job)...).wait()
		if second != 75 || !strings.Contains(said, "are submitted by pid") {
			t.Errorf("a second submit beside the first: exit code %d\n%s", second, said)
		}
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		p.wait()
		s.run(0, submit(job)...)
		started, err := os.ReadFile(count)
		if n := bytes.Count(started, []byte("\n")); err != nil || n != files {
			t.Errorf("%d tasks were started (%v), expected %d", n, err, files)
		}
		s.sameAsAlone(job)
	})
	t.Run("the input changes while submit is dead", func(t *testing.T) {
		s := &slurm{t, s.dir}
		mark := filepath.Join(t.TempDir(), "mark")
		job := newJob(t, "echo x >>"+mark+"\nsleep 3")
		p := s.start(submit(job)...)
		eventually(t, "the first task runs", func() bool { _, err := os.Stat(mark); return err == nil })
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		p.wait()
		data := filepath.Join(filepath.Dir(job), "data")
		if err := os.Rename(filepath.Join(data, "5.parquet"), filepath.Join(data, "new.parquet")); err != nil {
			t.Fatal(err)
		}
		if said := s.run(75, submit(job)...); !strings.Contains(said, "at work: wait until they end, or cancel") {
			t.Errorf("beside the tasks of another plan:\n%s", said)
		}
		eventually(t, "the queue is empty", func() bool { return s.queue() == "" })
		s.run(0, submit(job)...)
		s.sameAsAlone(job)
	})
	t.Run("Ctrl-C cancels the tasks", func(t *testing.T) {
		s := &slurm{t, s.dir}
		count := filepath.Join(t.TempDir(), "count")
		job := newJob(t, "echo x >>"+count+"\nsleep 600")
		p := s.start(submit(job)...)
		eventually(t, "the first task runs", func() bool { _, err := os.Stat(count); return err == nil })
		if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		if code, said := p.wait(); code != 130 || !strings.Contains(said, "were canceled") {
			t.Errorf("exit code %d\n%s", code, said)
		}
		eventually(t, "the queue is empty", func() bool { return s.queue() == "" })
	})
}

// queue is what squeue lists.
func (s *slurm) queue() string {
	cmd := exec.CommandContext(s.t.Context(), "squeue", "--noheader")
	cmd.Env = s.env()
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// A node is killed with the task that it runs: Slurm starts that again on the other, and nothing is lost.
func TestNodeIsKilled(t *testing.T) {
	s := startSlurm(t, 1000)
	nodes := filepath.Join(t.TempDir(), "nodes")
	job := newJob(t, "echo $$ $SLURMD_NODENAME >>"+nodes+"\nif [ $SLURMD_NODENAME = n2 ]; then sleep 600; fi")
	p := s.start(submit(job)...)
	var pid int
	eventually(t, "a task runs on n2", func() bool {
		text, _ := os.ReadFile(nodes)
		for line := range strings.Lines(string(text)) {
			if first, node, _ := strings.Cut(strings.TrimSpace(line), " "); node == "n2" {
				pid, _ = strconv.Atoi(first)
			}
		}
		return pid != 0
	})
	s.kill("n2", syscall.SIGKILL)
	for _, victim := range []int{parent(t, pid), pid} { // its slurmstepd, and the task
		if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	if code, said := p.wait(); code != 0 {
		t.Fatalf("exit code %d\n%s", code, said)
	}
	s.sameAsAlone(job)
}

// parent is the process that started another.
func parent(t *testing.T, pid int) int {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	ppid, err := strconv.Atoi(fields[1])
	if err != nil {
		t.Fatal(err)
	}
	return ppid
}
