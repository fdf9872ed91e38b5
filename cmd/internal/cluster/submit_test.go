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

	"graphscore/jobs/jobtest"
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

// newDates is newJob with two files for each of three dates.
func newDates(t *testing.T, setup string) (job string) {
	t.Helper()
	job = newJob(t, setup)
	data := filepath.Join(filepath.Dir(job), "data")
	for i := range files {
		folder := filepath.Join(data, fmt.Sprintf("2026-01-%02d", i/2+1))
		if err := os.MkdirAll(folder, 0o777); err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("%d.parquet", i)
		if err := os.Rename(filepath.Join(data, name), filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	edit(t, job, "{path: data}", "{path: 'data/{date}'}")
	edit(t, job, "{path: out}", "{path: 'out/{date}'}")
	return job
}

// edit replaces a text of a job.
func edit(t *testing.T, job, text, by string) {
	t.Helper()
	content, err := os.ReadFile(job)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(job, bytes.Replace(content, []byte(text), []byte(by), 1), 0o666); err != nil {
		t.Fatal(err)
	}
}

// mend takes the failure out of the setup of a job.
func mend(t *testing.T, job string) {
	t.Helper()
	edit(t, job, "exit 78", "true")
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
func (s *slurm) sameAsAlone(job string) { s.sameAsAloneWith(0, job) }

// sameAsAloneWith is sameAsAlone where that run ends with a code.
func (s *slurm) sameAsAloneWith(code int, job string) {
	s.t.Helper()
	alone := filepath.Join(s.t.TempDir(), "alone")
	s.run(code, "run", job, "--output", alone)
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
		mend(t, job)
		s.run(0, submit(job)...)
		s.sameAsAlone(job)
	})
	t.Run("a shard is killed between the two renames of its commit", func(t *testing.T) {
		s := &slurm{t, s.dir}
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		mark := filepath.Join(t.TempDir(), "mark")
		// The last line of the script is exec graphscore ...: a function of that name runs it to its death, once.
		job := newJob(t, "if [ $SLURM_ARRAY_TASK_ID = 2 ] && mkdir "+mark+"; then exec() { "+
			killKey+"=$OUT "+self+" \"$@\"; code=$?; ls $OUT $OUT/_quarantine >"+mark+"/after; exit $code; }; fi")
		dir := filepath.Dir(job)
		edit(t, job, "    setup: |\n", "    setup: |\n      OUT="+filepath.Join(dir, "out")+"\n")
		g := jobtest.NewGraphs()
		g.Width, g.Bad[1] = 16, "nan"
		if err := g.WriteFile(filepath.Join(dir, "data", "2.parquet"), 5); err != nil {
			t.Fatal(err)
		}
		s.run(3, submit(job)...) // a graph is in quarantine
		after, err := os.ReadFile(filepath.Join(mark, "after"))
		if err != nil || !bytes.Contains(after, []byte("\n2.parquet.jsonl\n")) || bytes.Contains(after, []byte("\n2.parquet\n")) {
			t.Errorf("after its death the output had\n%s\n(%v)", after, err)
		}
		if n := arrays(t, job); n != 3 {
			t.Errorf("%d arrays, expected 3", n)
		}
		s.sameAsAloneWith(3, job)
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
		s.killOnce(count, p)
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
		s.killOnce(mark, s.start(submit(job)...))
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
	t.Run("a backfill over one array", func(t *testing.T) {
		s := &slurm{t, s.dir}
		job := newDates(t, "if [ $SLURM_ARRAY_TASK_ID = 3 ]; then echo no scratch >&2; exit 78; fi")
		dir := filepath.Dir(job)
		backfill := []string{"backfill", job, "--since", "2026-01-01", "--until", "2026-01-04", "--engine", "slurm", "--shards", "2", "--every", "500ms"}
		said := s.run(78, backfill...) // task 3 is shard 1 of the second date
		if !strings.Contains(said, "2026-01-02 failed with 78: shard 1 ended with exit code 78 on n") || !strings.Contains(said, "no scratch") {
			t.Errorf("got\n%s", said)
		}
		for date, expected := range map[string]bool{"2026-01-01": true, "2026-01-02": false, "2026-01-03": true} {
			if _, err := os.Stat(filepath.Join(dir, "out", date, "_SUCCESS")); (err == nil) != expected {
				t.Errorf("%s: %v", date, err)
			}
		}
		mend(t, job)
		s.run(0, backfill...)
		s.run(0, "backfill", job, "--since", "2026-01-01", "--until", "2026-01-04", "--output", filepath.Join(dir, "alone", "{date}"))
		for _, date := range []string{"2026-01-01", "2026-01-02", "2026-01-03"} {
			if !maps.Equal(contents(t, filepath.Join(dir, "out", date)), contents(t, filepath.Join(dir, "alone", date))) {
				t.Errorf("%s has other files or bytes than one machine", date)
			}
		}
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

// killOnce kills a submit once a file exists.
func (s *slurm) killOnce(file string, p *process) {
	s.t.Helper()
	eventually(s.t, file+" exists", func() bool { _, err := os.Stat(file); return err == nil })
	if err := p.cmd.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	p.wait()
}

// queue is what squeue lists.
func (s *slurm) queue() string { return s.ask("squeue", "--noheader") }

// ask runs a command of Slurm and returns what it prints.
func (s *slurm) ask(name string, args ...string) string {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), name, args...)
	cmd.Env = s.env()
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatal(name, args, err)
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
	s.release()
	if code, said := p.wait(); code != 0 {
		t.Fatalf("exit code %d\n%s", code, said)
	}
	s.sameAsAlone(job)
}

// release starts at once what Slurm has put back into the queue, which it does two minutes later by itself.
func (s *slurm) release() {
	s.t.Helper()
	var task string
	eventually(s.t, "the task is in the queue again", func() bool {
		for line := range strings.Lines(s.ask("squeue", "--noheader", "--array", "--states=PENDING", "--Format=ArrayJobID:.16,ArrayTaskID:.16,Reason:.32")) {
			if f := strings.Fields(line); len(f) == 3 && f[2] == "BeginTime" {
				task = f[0] + "_" + f[1]
			}
		}
		return task != ""
	})
	s.ask("scontrol", "update", "JobId="+task, "StartTime=now")
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
