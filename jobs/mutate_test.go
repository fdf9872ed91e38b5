package jobs_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"graphscore/jobs"
	"graphscore/pipeline/pipelinetest/mutation"
)

// anyJob is the reader of job files, with what is checked of a job that it accepts.
func anyJob(t testing.TB) *mutation.Target {
	t.Helper()
	target := &mutation.Target{
		Seeds: map[string][]byte{}, Base: 4 << 20, Times: 64 << 10,
		Known: func(err error) bool {
			var e *jobs.Error
			return errors.As(err, &e)
		},
	}
	names, err := filepath.Glob("examples/*/*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatalf("examples: %v, %v", names, err)
	}
	for _, name := range append(names, "deploy/molecules.yaml") {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		target.Seeds[name] = content
	}
	target.Seeds["aliases"] = []byte("name: &n night\ninput: {path: &p [a, b], shard_bytes: 64MiB}\noutput: &o {path: *n}\nserver: {addresses: ['a:1']}\nlimits: {<<: *o, in_flight: 3}\n")
	path := filepath.Join(t.TempDir(), "job.yaml")
	target.Read = func(t *testing.T, content []byte) error {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		job, err := jobs.Load(path)
		if err != nil {
			return err
		}
		return job.WithDefaults().Validate()
	}
	return target
}

// TestMutatedJobs shows that no job file ends the process, takes much memory, or is refused without its name.
func TestMutatedJobs(t *testing.T) { mutation.Run(t, anyJob(t)) }

// FuzzJob is the same for the native fuzzer.
func FuzzJob(f *testing.F) { mutation.Fuzz(f, anyJob(f)) }
