package submit

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"graphscore/jobs"
	"graphscore/writers/record"
)

// commands puts commands of bash into a PATH that has nothing else but the shell's own tools.
func commands(t *testing.T, scripts map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, script := range scripts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/bash\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":/bin:/usr/bin")
	for _, name := range []string{"sbatch", "squeue", "scontrol", "scancel"} {
		if _, fake := scripts[name]; !fake {
			t.Setenv("PATH", dir)
		}
	}
}

func TestSlurmScript(t *testing.T) {
	t.Parallel()
	command := Command{Words: []string{"/opt/graph score", "run", "it's.yaml"}, Count: 12, Logs: "/out put/100%", Dir: "/work"}
	a := record.Array{Name: "graphscore-x-1-2", Offset: 8, Indices: []int{0, 1, 3}}
	for _, c := range []struct {
		slurm    Slurm
		expected string
	}{
		{Slurm{}, `#!/bin/bash
# Written by graphscore submit: sbatch submits it as it is.
#SBATCH --job-name=graphscore-x-1-2
#SBATCH --array=0-1,3
#SBATCH --output="/out put/100%%/graphscore-x-1-2-%a.log"
#SBATCH --chdir=/work
#SBATCH --open-mode=append
#SBATCH --requeue

exec '/opt/graph score' run 'it'\''s.yaml' --shard "$((SLURM_ARRAY_TASK_ID + 8))/12"
`},
		{Slurm{AtOnce: 2, Options: jobs.Slurm{Partition: "long", Account: "me", QOS: "low", Time: "02:00:00", Mem: "8G", CPUs: 4, Nodes: "1", Setup: "module load python\nset -u\n", Extra: []string{"--constraint=avx512"}}}, `#!/bin/bash
# Written by graphscore submit: sbatch submits it as it is.
#SBATCH --job-name=graphscore-x-1-2
#SBATCH --array=0-1,3%2
#SBATCH --output="/out put/100%%/graphscore-x-1-2-%a.log"
#SBATCH --chdir=/work
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --partition=long
#SBATCH --account=me
#SBATCH --qos=low
#SBATCH --time=02:00:00
#SBATCH --mem=8G
#SBATCH --cpus-per-task=4
#SBATCH --nodes=1
#SBATCH --constraint=avx512

module load python
set -u

exec '/opt/graph score' run 'it'\''s.yaml' --shard "$((SLURM_ARRAY_TASK_ID + 8))/12"
`},
	} {
		if got := string(c.slurm.Script(command, a)); got != c.expected {
			t.Errorf("got\n%s\nexpected\n%s", got, c.expected)
		}
	}
	a.Offset = 0
	if got := string((&Slurm{}).Script(command, a)); !strings.Contains(got, `--shard "$SLURM_ARRAY_TASK_ID/12"`) {
		t.Errorf("got\n%s", got)
	}
}

// What sbatch takes for the end of a value, or of the line, is in quotes.
func TestSlurmQuotes(t *testing.T) {
	t.Parallel()
	for value, expected := range map[string]string{
		"/a/b-%a.log": "/a/b-%a.log", "/a#b/c": `"/a#b/c"`, "#1": `"#1"`, "a b": `"a b"`, "a\tb\v": "\"a\tb\v\"", "it's": `"it's"`,
		`say "x"`: `"say \"x\""`, `back\slash`: `"back\\slash"`,
	} {
		if got := quoted(value); got != expected {
			t.Errorf("%q: %s, expected %s", value, got, expected)
		}
	}
	script := string((&Slurm{}).Script(Command{Words: []string{"g"}, Count: 1, Logs: "/out #1/logs", Dir: "/work#2"}, record.Array{Name: "n", Indices: []int{0}}))
	for _, line := range []string{`#SBATCH --output="/out #1/logs/n-%a.log"`, `#SBATCH --chdir="/work#2"`} {
		if !strings.Contains(script, line+"\n") {
			t.Errorf("no %s in\n%s", line, script)
		}
	}
}

func TestSlurmTasks(t *testing.T) {
	commands(t, map[string]string{"sbatch": "", "scontrol": "", "scancel": "", "squeue": `cat <<'E'
  7  0  COMPLETED  0  n1
  7  1  FAILED  19968  n2
  7  2  PENDING  0
  7  3  RUNNING  0  n1
  7  4  NODE_FAIL  0  n2
  7  5  TIMEOUT  15  n2
  7  6  CANCELLED  9  n2
  7  7  OUT_OF_MEMORY  125  n2
  7  8  FAILED  9  n2
  7  9  COMPLETING  0  n1
  7  N/A  RUNNING  0  n1
E`})
	got, err := (&Slurm{}).Tasks(t.Context(), []string{"7", "8"})
	if err != nil {
		t.Fatal(err)
	}
	expected := []Task{
		{"7", 0, Ended, 0, "n1", "COMPLETED"}, {"7", 1, Ended, 78, "n2", "FAILED"}, {"7", 2, Waiting, 0, "", "PENDING"},
		{"7", 3, Running, 0, "n1", "RUNNING"}, {"7", 4, Ended, LostNode, "n2", "NODE_FAIL"}, {"7", 5, Ended, 143, "n2", "TIMEOUT"},
		{"7", 6, Canceled, 137, "n2", "CANCELLED"}, {"7", 7, Ended, 137, "n2", "OUT_OF_MEMORY"}, {"7", 8, Ended, 137, "n2", "FAILED"},
		{"7", 9, Running, 0, "n1", "COMPLETING"},
	}
	if !reflect.DeepEqual(got, expected) {
		t.Errorf("got %+v", got)
	}
}

func TestSlurmCommands(t *testing.T) {
	commands(t, map[string]string{
		"sbatch":   `[ "$1" = --parsable ] && echo "sbatch: warning" >&2 && echo "42;cluster"`,
		"scontrol": `printf 'Configuration data as of now\nMaxArraySize            = 1001\nMaxDBDMsgs = 1\n'`,
		"squeue":   `case "$*" in *--name=known*) printf '  42\n  42\n';; *--jobs*) echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1;; esac`,
		"scancel":  `[ "$*" = "42 43" ]`,
	})
	s, ctx := &Slurm{}, t.Context()
	if id, err := s.Submit(ctx, "/x.sh", nil); err != nil || id != "42" {
		t.Errorf("Submit: %q, %v", id, err)
	}
	if limit, err := s.Limit(ctx); err != nil || limit != 1001 {
		t.Errorf("Limit: %d, %v", limit, err)
	}
	for name, expected := range map[string]string{"known": "42", "unknown": ""} {
		if id, err := s.Find(ctx, name); err != nil || id != expected {
			t.Errorf("Find(%s): %q, %v", name, id, err)
		}
	}
	if tasks, err := s.Tasks(ctx, []string{"7"}); err != nil || tasks != nil {
		t.Errorf("Tasks: %v, %v", tasks, err)
	}
	if err := s.Cancel(ctx, []string{"42", "43"}); err != nil {
		t.Error(err)
	}
	if err := s.Cancel(ctx, nil); err != nil {
		t.Error(err)
	}
}

func TestSlurmThatFails(t *testing.T) {
	for _, c := range []struct{ name, sbatch, scontrol, expected string }{
		{"refuses", `echo "sbatch: error: Batch job submission failed: Invalid account" >&2; exit 1`, "", "sbatch --parsable /x.sh failed: sbatch: error: Batch job submission failed: Invalid account"},
		{"says nothing", "exit 3", "", "sbatch --parsable /x.sh failed: exit status 3"},
		{"no id", "echo Submitted batch job 7", "", `sbatch --parsable /x.sh failed: it printed "Submitted batch job 7", which is no id of a job`},
		{"is silent", "exec sleep 60", "", "sbatch --parsable /x.sh: no answer: see whether the controller of Slurm runs (scontrol ping); the same command continues"},
		{"no arrays", "", "echo 'MaxArraySize = 0'", "scontrol show config failed: MaxArraySize is 0: this cluster takes no array jobs"},
		{"no size", "", "echo nothing", "scontrol show config failed: it names no MaxArraySize"},
	} {
		t.Run(c.name, func(t *testing.T) {
			commands(t, map[string]string{"sbatch": c.sbatch, "scontrol": c.scontrol, "squeue": "", "scancel": ""})
			s := &Slurm{Patience: time.Minute}
			if c.name == "is silent" {
				s.Patience = 300 * time.Millisecond
			}
			var err error
			if c.sbatch != "" {
				_, err = s.Submit(t.Context(), "/x.sh", nil)
			} else {
				s.Patience = 0
				_, err = s.Limit(t.Context())
			}
			var failed *CommandError
			if !errors.As(err, &failed) || err.Error() != c.expected {
				t.Errorf("got %v, expected %s", err, c.expected)
			}
		})
	}
}

func TestSlurmThatIsMissing(t *testing.T) {
	commands(t, nil)
	_, err := (&Slurm{}).Limit(t.Context())
	var failed *CommandError
	if !errors.As(err, &failed) || !failed.Missing || !strings.Contains(err.Error(), "scontrol is not in PATH: run submit on a machine") {
		t.Errorf("got %v", err)
	}
}
