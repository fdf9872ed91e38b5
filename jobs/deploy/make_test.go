package deploy

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// makes gives what make prints, and whether it was content.
func makes(t *testing.T, folder string, args ...string) (printed string, content bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "make", append([]string{"--no-print-directory", "-C", folder}, args...)...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(e string) bool { // that of a make around this test
		name, _, _ := strings.Cut(e, "=")
		return slices.Contains([]string{"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "GNUMAKEFLAGS",
			"JOB", "DATE", "SINCE", "UNTIL", "OUT", "GRAPHSCORE", "ARGS", "SAMPLE"}, name)
	})
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err == nil
}

// wouldMake gives the last line of what make would do.
func wouldMake(t *testing.T, folder, args string) (last string, content bool) {
	t.Helper()
	printed, content := makes(t, folder, append(strings.Fields(args), "-n")...)
	return printed[strings.LastIndex(printed, "\n")+1:], content
}

// Each target makes the command that it should of its variables; one that lacks a variable says so in a sentence.
func TestMakefiles(t *testing.T) {
	t.Parallel()
	const ours, theirs = "../..", "."
	const example = "jobs/examples/molecules"
	for _, c := range []struct{ folder, args, want string }{
		{ours, "run", "bin/graphscore run " + example + "/job.yaml"},
		{ours, "run JOB=j.yaml DATE=2026-01-31", "bin/graphscore run j.yaml --date 2026-01-31"},
		{ours, "backfill JOB=j.yaml SINCE=2026-01-01", "bin/graphscore backfill j.yaml --since 2026-01-01"},
		{ours, "backfill JOB=j.yaml SINCE=2026-01-01 UNTIL=2026-02-01", "bin/graphscore backfill j.yaml --since 2026-01-01 --until 2026-02-01"},
		{ours, "plan JOB=j.yaml DATE=2026-01-31", "bin/graphscore plan j.yaml --date 2026-01-31"},
		{ours, "report", "bin/graphscore report " + example + "/out"},
		{ours, "report JOB=j.yaml OUT=scores", "bin/graphscore report scores"},
		{ours, "verify-output JOB=j.yaml DATE=2026-01-31", "bin/graphscore verify j.yaml --date 2026-01-31 --sample 1%"},
		{theirs, "run", "/opt/graphscore/bin/graphscore run job.yaml"},
		{theirs, "run GRAPHSCORE=graphscore DATE=2026-01-31 ARGS=--rescore", "graphscore run job.yaml --date 2026-01-31 --rescore"},
		{theirs, "backfill SINCE=2026-01-01 UNTIL=2026-02-01", "/opt/graphscore/bin/graphscore backfill job.yaml --since 2026-01-01 --until 2026-02-01"},
		{theirs, "plan JOB=j.yaml", "/opt/graphscore/bin/graphscore plan j.yaml"},
		{theirs, "report", "/opt/graphscore/bin/graphscore report scores"},
		{theirs, "verify SAMPLE=5%", "/opt/graphscore/bin/graphscore verify job.yaml --sample 5%"},
		{theirs, "doctor DATE=2026-01-31", "/opt/graphscore/bin/graphscore doctor job.yaml --date 2026-01-31"},
	} {
		if got, content := wouldMake(t, c.folder, c.args); !content || strings.Join(strings.Fields(got), " ") != c.want {
			t.Errorf("make -C %s %s: %q, expected %q", c.folder, c.args, got, c.want)
		}
	}
	for _, c := range []struct{ folder, args, want string }{
		{ours, "run JOB=", "make run needs JOB=..., as in JOB=job.yaml."},
		{ours, "plan JOB=", "make plan needs JOB=..., as in JOB=job.yaml."},
		{ours, "verify-output JOB=", "make verify-output needs JOB=..., as in JOB=job.yaml."},
		{ours, "backfill JOB=j.yaml", "make backfill needs SINCE=..., as in SINCE=2026-01-01."},
		{ours, "backfill JOB= SINCE=2026-01-01", "make backfill needs JOB=..., as in JOB=job.yaml."},
		{ours, "report JOB=j.yaml", "make report needs OUT=..., as in OUT=scores."},
		{theirs, "backfill", "make backfill needs SINCE=..., as in SINCE=2026-01-01."},
		{theirs, "run JOB=", "make run needs JOB=..., as in JOB=job.yaml."},
		{theirs, "report OUT=", "make report needs OUT=..., as in OUT=scores/dt=2026-01-31."},
	} {
		got, content := wouldMake(t, c.folder, c.args)
		if _, said, _ := strings.Cut(got, " *** "); content || said != c.want+"  Stop." {
			t.Errorf("make -C %s %s: %q, expected %q", c.folder, c.args, got, c.want)
		}
	}
}
