//go:build slurm

package cluster

import (
	"os"
	"path/filepath"
	"testing"
)

// array.sh, as its page submits it: Slurm takes it, though it has lines for other schedulers, and its tasks make the output
// of one machine. Its two CPUs and 4 GB are more than a node here has.
func TestBatchScript(t *testing.T) {
	s := startSlurm(t, 1000)
	job := newJob(t, "")
	dir, err := filepath.Abs(filepath.Dir(job))
	if err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs(root + "/jobs/deploy/array.sh")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", filepath.Dir(program)+":"+os.Getenv("PATH"))
	plan := filepath.Join(dir, "plan.json")
	s.run(0, "plan", job, "--out", plan)
	s.ask("sbatch", "--cpus-per-task=1", "--mem=500M", "--chdir="+dir, script)
	eventually(t, "the queue is empty", func() bool { return s.queue() == "" })
	s.run(0, "finish", job, "--plan", plan, "--shards", "8")
	if logs, err := filepath.Glob(filepath.Join(dir, "slurm-*_*.out")); err != nil || len(logs) != 8 {
		t.Errorf("the logs of tasks are %v (%v)", logs, err)
	}
	s.sameAsAlone(job)
}
