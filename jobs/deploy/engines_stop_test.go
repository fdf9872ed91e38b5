//go:build deploy

package deploy

import (
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"graphscore/pipeline/exit"
)

// newPretended returns a site without a job, whose graphscore is a script of bash.
func newPretended(t *testing.T, graphscore string) *site {
	t.Helper()
	s := &site{folder: folder{t, t.TempDir()}}
	s.put("calls", "")
	s.put("bin/graphscore", "#!/bin/bash\n"+graphscore)
	s.must(os.Chmod(s.folder.path("bin/graphscore"), 0o755))
	s.path = s.folder.path("bin") + ":" + os.Getenv("PATH")
	return s
}

// slow is a graphscore whose shards run until a signal ends them, which takes its time.
const slow = `[ "$1" != run ] || trap 'sleep 0.3; echo end >>calls; exit 143' TERM
echo "$1" >>calls
[ "$1" != run ] || {
  for _ in {1..600}; do sleep 0.1; done
}
`

// A signal to parallel.sh alone ends its shards before the script ends, and nothing of it stays.
func TestEnginesStop(t *testing.T) {
	t.Parallel()
	need(t, map[string]string{"parallel": "parallel", "bash": "bash"})
	program, err := filepath.Abs("parallel.sh")
	if err != nil {
		t.Fatal(err)
	}
	// What is ignored when a shell begins it cannot trap: under nohup the script would rightly go on after SIGHUP.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(hangups) })
	for sent, want := range map[syscall.Signal]int{syscall.SIGTERM: 143, syscall.SIGINT: 130, syscall.SIGHUP: 129} {
		t.Run(sent.String(), func(t *testing.T) {
			t.Parallel()
			s := newPretended(t, slow)
			s.put("tmp/other", "")
			cmd := s.command(t.Context(), []string{program, "job.yaml", "8", "2"}, "TMPDIR="+s.folder.path("tmp"))
			s.must(cmd.Start())
			eventually(t, "plan\nrun\nrun\n", func() string { return s.read("calls") })
			s.must(cmd.Process.Signal(sent))
			if err := cmd.Wait(); cmd.ProcessState.ExitCode() != want {
				t.Errorf("it ended with %v, want %d", err, want)
			}
			if diff := cmp.Diff("plan\nrun\nrun\nend\nend\n", s.read("calls")); diff != "" {
				t.Errorf("when it had ended, the calls were:\n%s", diff)
			}
			if left, err := os.ReadDir(s.folder.path("tmp")); err != nil || len(left) != 1 {
				t.Errorf("in the folder for temporary files are %v (%v)", left, err)
			}
		})
	}
}

// Names reach graphscore from parallel.sh and shards.mk as they were given.
func TestEnginesNames(t *testing.T) {
	t.Parallel()
	need(t, map[string]string{"parallel": "parallel", "make": "make", "bash": "bash"})
	const job, plan = `it's a "b" $x, (y) #z.yaml`, `the plan's $x.json`
	want := "<plan><" + job + "><--out><" + plan + ">\n" +
		"<run><" + job + "><--plan><" + plan + "><--workers><1><--quiet><--shard><0/1>\n" +
		"<finish><" + job + "><--plan><" + plan + "><--shards><1>\n"
	for file, words := range map[string][]string{
		"parallel.sh": {job, "1"},
		"shards.mk":   {"JOB=" + job, "PLAN=" + plan, "SHARDS=1"},
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			program, err := filepath.Abs(file)
			if err != nil {
				t.Fatal(err)
			}
			s := newPretended(t, `printf '<%s>' "$@" >>calls; echo >>calls`)
			command := append([]string{program}, words...)
			if file == "shards.mk" {
				command = append([]string{"make", "-f"}, command...)
			}
			s.ends(exit.Done, command, "PLAN="+plan)
			if diff := cmp.Diff(want, s.read("calls")); diff != "" {
				t.Error(diff)
			}
		})
	}
}
