package deploy

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// makes gives what make prints, and whether it was content.
func makes(t *testing.T, folder string, args ...string) (printed string, content bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "make", append([]string{"--no-print-directory", "-C", folder}, args...)...)
	cmd.Env = slices.DeleteFunc(append(os.Environ(), "LC_ALL=C"), func(e string) bool { // that of a make around this test
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
		{ours, "run", "bin/graphscore run '" + example + "/job.yaml'"},
		{ours, "run JOB=j.yaml DATE=2026-01-31", "bin/graphscore run 'j.yaml' --date '2026-01-31'"},
		{ours, "backfill JOB=j.yaml SINCE=2026-01-01", "bin/graphscore backfill 'j.yaml' --since '2026-01-01'"},
		{ours, "backfill JOB=j.yaml SINCE=2026-01-01 UNTIL=2026-02-01", "bin/graphscore backfill 'j.yaml' --since '2026-01-01' --until '2026-02-01'"},
		{ours, "plan JOB=j.yaml DATE=2026-01-31", "bin/graphscore plan 'j.yaml' --date '2026-01-31'"},
		{ours, "report", "bin/graphscore report '" + example + "/out'"},
		{ours, "report JOB=j.yaml OUT=scores", "bin/graphscore report 'scores'"},
		{ours, "verify-output JOB=j.yaml DATE=2026-01-31", "bin/graphscore verify 'j.yaml' --date '2026-01-31' --sample 1%"},
		{theirs, "run", "/opt/graphscore/bin/graphscore run 'job.yaml'"},
		{theirs, "run GRAPHSCORE=graphscore DATE=2026-01-31 ARGS=--rescore", "graphscore run 'job.yaml' --date '2026-01-31' --rescore"},
		{theirs, "backfill SINCE=2026-01-01 UNTIL=2026-02-01", "/opt/graphscore/bin/graphscore backfill 'job.yaml' --since '2026-01-01' --until '2026-02-01'"},
		{theirs, "plan JOB=j.yaml", "/opt/graphscore/bin/graphscore plan 'j.yaml'"},
		{theirs, "report", "/opt/graphscore/bin/graphscore report 'scores'"},
		{theirs, "verify SAMPLE=5%", "/opt/graphscore/bin/graphscore verify 'job.yaml' --sample '5%'"},
		{theirs, "doctor DATE=2026-01-31", "/opt/graphscore/bin/graphscore doctor 'job.yaml' --date '2026-01-31'"},
	} {
		got, content := wouldMake(t, c.folder, c.args)
		if got, _, _ = strings.Cut(got, " || "); !content || strings.Join(strings.Fields(got), " ") != c.want {
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

// Names reach the program as they were given. What it ends with is said, with a command that ends with it.
func TestMakefileWords(t *testing.T) {
	t.Parallel()
	ours, err := filepath.Abs("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := filepath.Abs("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	const odd = `it's a "b" $x, (y) #z; %s`
	for _, c := range []struct {
		makefile, target string
		want             []string
	}{
		{ours, "run", []string{"run", odd, "--date", odd}},
		{ours, "backfill", []string{"backfill", odd, "--since", odd, "--until", odd}},
		{ours, "plan", []string{"plan", odd, "--date", odd}},
		{ours, "report", []string{"report", odd}},
		{ours, "verify-output", []string{"verify", odd, "--date", odd, "--sample", "1%"}},
		{ours, "serve", []string{"-m", "graphscore", "serve", "--model", odd, "--listen", odd}},
		{theirs, "run", []string{"run", odd, "--date", odd}},
		{theirs, "backfill", []string{"backfill", odd, "--since", odd, "--until", odd}},
		{theirs, "plan", []string{"plan", odd, "--date", odd}},
		{theirs, "doctor", []string{"doctor", odd, "--date", odd}},
		{theirs, "report", []string{"report", odd}},
		{theirs, "verify", []string{"verify", odd, "--date", odd, "--sample", odd}},
	} {
		folder := t.TempDir()
		for _, program := range []string{"bin/graphscore", "python/.venv/bin/python"} {
			path := filepath.Join(folder, program)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("#!/bin/sh\nprintf '<%s>' \"$@\"\necho\nexit 75\n"), 0o700)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(folder, "python/.venv/.place"), []byte(folder+"\n"), 0o600); err != nil { // or it is removed
			t.Fatal(err)
		}
		args := []string{"-f", c.makefile, "-o", "build", c.target, "GRAPHSCORE=bin/graphscore"}
		for _, name := range []string{"JOB", "DATE", "SINCE", "UNTIL", "OUT", "MODEL", "LISTEN", "SAMPLE"} {
			args = append(args, name+"="+odd)
		}
		printed, content := makes(t, folder, args...)
		got, said, _ := strings.Cut(printed, "\n")
		if want := "<" + strings.Join(c.want, "><") + ">"; content || got != want {
			t.Errorf("make %s: %s, expected %s", c.target, got, want)
		}
		_, direct, ok := strings.Cut(said, ": ended with 75, which make turns into 2; for the code itself: ")
		direct, _, _ = strings.Cut(direct, "\n")
		cmd := exec.CommandContext(t.Context(), "sh", "-c", direct)
		cmd.Dir = folder
		out, err := cmd.Output()
		var ended *exec.ExitError
		if !ok || !errors.As(err, &ended) || ended.ExitCode() != 75 || strings.TrimSpace(string(out)) != got {
			t.Errorf("make %s said %q, which printed %q: %v", c.target, said, out, err)
		}
	}
}
