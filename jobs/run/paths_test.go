package run

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"graphscore/jobs"
	"graphscore/pipeline/exit"
)

// Where an output lies of which a folder cannot be looked at, nobody can say: it may overlap the input.
func TestCheckPathsOfAnOutputUnseen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Symlink("loop", filepath.Join(dir, "loop")); err != nil {
		t.Fatal(err)
	}
	job := jobs.Job{
		Input:  jobs.Input{Path: jobs.Paths{{Path: filepath.Join(dir, "in")}}},
		Output: jobs.Output{Path: filepath.Join(dir, "loop", "out")},
	}
	err := Config{Job: &job}.CheckPaths()
	if code := ExitCode(err); code != exit.CannotCreate || !strings.Contains(err.Error(), job.Output.Path) {
		t.Errorf("%d: %v", code, err)
	}
}

// An output overlaps an input where the next run would read what this one wrote, and nowhere else.
func TestCheckPaths(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"data", "out", "d[1]"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(dir, "data"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		input, output string
		overlap       bool
	}{
		{"data", "out", false},
		{"data", "data", true},
		{"data", "data/out", true},
		{"data", "data2", false},
		{"out/in", "out", true},
		{"data", "link/out", true},
		{"link", "data/new/out", true},
		{"data/a.parquet", "data", true},
		{"data/a.parquet", "data/out", false},
		{"data/*.parquet", "out", false},
		{"d*/*.parquet", "out", false},
		{"d*/*.parquet", "data/out", false}, // which it cannot match
		{"d*/*.parquet", "data/out.parquet", true},
		{"d*/*", "d2/out/scores", true},
		{"data/*.parquet", "data/out", false},
		{"d*/**/*.parquet", "out", false},
		{"*/*.parquet", "out", true},
		{"*", "out", true},
		{"**/*.parquet", "out", true},
		{"?ut/*.parquet", "out", true},
		{"[a-n]*/*.parquet", "out", false},
		{"{data,in}/*.parquet", "out", true}, // alternatives are not looked into
		{"d*/x/*.parquet", "data/out", false},
		{"d*/o*/*.parquet", "data/out", true},
		{"d[1]", "d[1]/out", true},
		{"out/*/x.parquet", "out", true},
	} {
		job := jobs.Job{
			Input:  jobs.Input{Path: jobs.Paths{{Path: filepath.Join(dir, test.input)}}},
			Output: jobs.Output{Path: filepath.Join(dir, test.output)},
		}
		err := Config{Job: &job}.CheckPaths()
		var overlap *OverlapError
		if errors.As(err, &overlap) != test.overlap || err != nil && overlap == nil {
			t.Errorf("input %s, output %s: %v", test.input, test.output, err)
		}
	}
}
