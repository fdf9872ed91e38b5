//go:build deploy

package deploy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// newDataFolder has a job over two dates, and the Makefile for it.
func newDataFolder(t *testing.T) string {
	t.Helper()
	model, err := filepath.Abs(repo + "/jobs/examples/molecules/model")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	graphs := read(t, repo+"/jobs/examples/molecules/data/held-back.parquet")
	for name, text := range map[string]string{
		"data/dt=2026-01-30/atoms.parquet": graphs, "data/dt=2026-01-31/atoms.parquet": graphs, "Makefile": read(t, "Makefile"),
		"job.yaml": "input: {path: 'data/dt={date}'}\noutput: {path: 'scores/dt={date}'}\nmodel: {path: '" + model + "'}\n",
	} {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// Each target of both Makefiles does its work, on a folder of two dates.
func TestMakefilesForReal(t *testing.T) {
	t.Parallel()
	ours, theirs := newDataFolder(t), newDataFolder(t)
	program, err := filepath.Abs(repo + "/bin/graphscore")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ folder, args, want string }{
		{repo, "plan JOB=" + ours + "/job.yaml DATE=2026-01-30", "999 graphs"},
		{repo, "run JOB=" + ours + "/job.yaml DATE=2026-01-30", "999  graphs"},
		{repo, "backfill JOB=" + ours + "/job.yaml SINCE=2026-01-30 UNTIL=2026-02-01", "2 dates: 1 done before, 1 scored"},
		{repo, "report JOB=" + ours + "/job.yaml OUT=" + ours + "/scores/dt=2026-01-31", "_report.html"},
		{repo, "verify-output JOB=" + ours + "/job.yaml DATE=2026-01-31", "nothing is wrong"},
		{theirs, "doctor DATE=2026-01-30", "ready to run"},
		{theirs, "plan DATE=2026-01-30", "999 graphs"},
		{theirs, "run DATE=2026-01-30", "999  graphs"},
		{theirs, "backfill SINCE=2026-01-30 UNTIL=2026-02-01", "2 dates: 1 done before, 1 scored"},
		{theirs, "report OUT=scores/dt=2026-01-31", "_report.html"},
		{theirs, "verify DATE=2026-01-31", "nothing is wrong"},
	} {
		printed, content := makes(t, c.folder, append(strings.Fields(c.args), "GRAPHSCORE="+program)...)
		if !content || !strings.Contains(printed, c.want) {
			t.Errorf("make -C %s %s has no %q:\n%s", c.folder, c.args, c.want, printed)
		}
	}
}
