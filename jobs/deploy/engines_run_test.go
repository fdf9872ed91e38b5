//go:build deploy

package deploy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"graphscore/jobs/jobtest"
	"graphscore/pipeline/exit"
)

// shared is the folder that the files of engines put all into.
const shared = "/srv/graphscore"

// site is a folder with a job of four good files and one that cannot be read, and a graphscore in its PATH of which some
// shards fail at first.
type site struct {
	folder
	path string // PATH
}

func newSite(t *testing.T) *site {
	t.Helper()
	real, err := filepath.Abs(repo + "/bin/graphscore")
	s := &site{folder: folder{t, t.TempDir()}}
	s.must(err)
	if _, err := os.Stat(real); err != nil {
		t.Fatalf("%v: run `make test-deploy`, which builds it", err)
	}
	model, err := filepath.Abs(repo + "/jobs/examples/molecules/model")
	s.must(err)
	graphs := read(t, repo+"/jobs/examples/molecules/data/held-back.parquet")
	for _, name := range []string{"a", "b", "c", "d"} {
		s.put("data/"+name+".parquet", graphs)
	}
	s.put("data/e.parquet", "not Parquet")
	s.put("job.yaml", "input: {path: data}\noutput: {path: scores}\nmodel: {path: '"+model+"'}\n")
	s.put("tried", "")
	script, err := filepath.Abs("testdata/transient.sh")
	s.must(err)
	s.must(os.MkdirAll(s.folder.path("bin"), 0o755))
	s.must(os.Symlink(script, s.folder.path("bin/graphscore")))
	s.path = s.folder.path("bin") + ":" + os.Getenv("PATH")
	return s
}

// command is one of an engine's file, in the site's folder, with paths that begin with that of the file put there.
func (s *site) command(ctx context.Context, words []string, env ...string) *exec.Cmd {
	here := make([]string, len(words))
	for i, word := range words {
		here[i] = strings.ReplaceAll(word, shared, s.at)
	}
	cmd := exec.CommandContext(ctx, "env", here...) // env searches the PATH of the command
	cmd.Dir = s.at
	real, _ := filepath.Abs(repo + "/bin/graphscore") // newSite has looked
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(e string) bool {
		return strings.HasPrefix(e, "MAKE") || strings.HasPrefix(e, "MFLAGS") || strings.HasPrefix(e, "GRAPHSCORE")
	}), "PATH="+s.path, "GRAPHSCORE_REAL="+real, "TRIED="+s.folder.path("tried"), "WAIT=0", "GRAPHSCORE_PYTHON=", "LC_ALL=C")
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

// code runs a command and returns its exit code, 128 and the signal where one ended it.
func code(cmd *exec.Cmd) (int, string, error) {
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		return 0, "", err
	}
	if status, is := cmd.ProcessState.Sys().(syscall.WaitStatus); is && status.Signaled() {
		return 128 + int(status.Signal()), said.String(), nil
	}
	return cmd.ProcessState.ExitCode(), said.String(), nil
}

// ends runs a command, and ends the test where it ends with another code.
func (s *site) ends(want int, words []string, env ...string) string {
	s.t.Helper()
	got, said, err := code(s.command(s.t.Context(), words, env...))
	s.must(err)
	if got != want {
		s.t.Fatalf("%q ended with %d, want %d:\n%s", words, got, want, said)
	}
	return said
}

// array is an array job as an engine runs it.
type array struct {
	words     []string
	count     int
	atOnce    int
	variables func(index int) []string
	tries     int
	again     func(code int) bool // a code that is not 0
}

// runs does what an engine does with an array, and returns the last code of each index.
func (s *site) runs(a array) map[int]int {
	s.t.Helper()
	var mu sync.Mutex
	last := map[int]int{}
	group, ctx := errgroup.WithContext(s.t.Context())
	group.SetLimit(a.atOnce)
	for index := range a.count {
		group.Go(func() error {
			for range a.tries {
				ended, _, err := code(s.command(ctx, a.words, a.variables(index)...))
				if err != nil {
					return err
				}
				mu.Lock()
				last[index] = ended
				mu.Unlock()
				if ended == exit.Done || !a.again(ended) {
					break
				}
			}
			return nil
		})
	}
	s.must(group.Wait())
	return last
}

// tried is how often each shard was tried.
func (s *site) tried() map[int]int {
	s.t.Helper()
	count := map[int]int{}
	for _, index := range numbers(s.t, s.read("tried")) {
		count[index]++
	}
	return count
}

func (s *site) read(name string) string {
	s.t.Helper()
	return read(s.t, s.folder.path(name))
}

// sums are the checksums of the parts of the site.
func (s *site) sums() string {
	s.t.Helper()
	var b strings.Builder
	s.must(jobtest.PrintSums(&b, s.folder.path("scores")))
	return b.String()
}

// eight is how often each of eight shards is tried: those of transient.sh twice, and the one that is refused so often.
func eight(refused int) map[int]int {
	return map[int]int{0: 1, 1: 2, 2: 2, 3: 1, 4: refused, 5: 2, 6: 1, 7: 1}
}

// TestEngines: the commands of each engine's files fill one output, though some tasks fail at first and one for good, with
// the bytes of one run.
func TestEngines(t *testing.T) {
	t.Parallel()
	need(t, map[string]string{"parallel": "parallel", "make": "make", "bash": "bash"})
	plain := newSite(t)
	plain.ends(exit.Partly, []string{"graphscore", "run", "job.yaml"})
	want := plain.sums()
	if strings.Count(want, ".parquet") != 4 {
		t.Fatalf("the plain run made %s", want)
	}
	for name, run := range map[string]func(*site) map[int]int{
		"Kubernetes": runKubernetes, "AWS Batch": runBatch, "Cloud Run": runCloud, "GNU parallel": runParallel, "make": runMake,
		"batch script": runScript,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			tries := run(s)
			if diff := cmp.Diff(tries, s.tried()); diff != "" {
				t.Errorf("tries of each shard:\n%s", diff)
			}
			if got := s.sums(); got != want {
				t.Errorf("one run makes\n%s, this made\n%s", want, got)
			}
			if success := "scores/_SUCCESS"; exists(s.folder.path(success)) != exists(plain.folder.path(success)) {
				t.Errorf("%s exists: %v, unlike after one run", success, exists(s.folder.path(success)))
			}
		})
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// failed checks the last codes of an array: all well but that of the file that cannot be read.
func (s *site) failed(last map[int]int) {
	s.t.Helper()
	maps.DeleteFunc(last, func(_, code int) bool { return code == exit.Done })
	if diff := cmp.Diff(map[int]int{4: exit.Partly}, last); diff != "" {
		s.t.Error(diff)
	}
}

func runKubernetes(s *site) map[int]int {
	plan, score, finish := kubernetes(s.t, "plan.yaml"), kubernetes(s.t, "score.yaml"), kubernetes(s.t, "finish.yaml")
	s.ends(exit.Done, plan.Spec.Template.Spec.Containers[0].words())
	shard := score.Spec.Template.Spec.Containers[0]
	s.failed(s.runs(array{
		words: shard.words(), count: score.Spec.Completions, atOnce: score.Spec.Parallelism,
		tries: score.Spec.BackoffLimitPerIndex + 1, again: score.again,
		variables: func(index int) []string {
			return []string{"JOB_COMPLETION_INDEX=" + strconv.Itoa(index), shard.Env[0].Name + "=" + shard.Env[0].Value}
		},
	}))
	s.ends(exit.Partly, finish.Spec.Template.Spec.Containers[0].words())
	return eight(1)
}

// recorded puts a program into the PATH that answers with one line and writes down its words; calls returns them.
func (s *site) recorded(program string) (calls func() [][]string) {
	s.t.Helper()
	s.put("bin/"+program, "#!/bin/sh\nprintf '%s\\037' \"$@\" >>"+program+".calls\necho >>"+program+".calls\necho job-$(wc -l <"+program+".calls)\n")
	s.must(os.Chmod(s.folder.path("bin/"+program), 0o755))
	return func() (all [][]string) {
		for line := range strings.Lines(s.read(program + ".calls")) {
			all = append(all, strings.Split(strings.TrimSuffix(line, "\x1f\n"), "\x1f"))
		}
		return all
	}
}

// after returns the word after a flag, "" where there is none.
func after(words []string, flag string) string {
	if at := slices.Index(words, flag); at >= 0 && at+1 < len(words) {
		return words[at+1]
	}
	return ""
}

func runBatch(s *site) map[int]int {
	calls := s.recorded("aws")
	program, err := filepath.Abs("aws-batch.sh")
	s.must(err)
	if said := s.ends(exit.Done, []string{program, "start", "queue"}); said != "job-2\njob-3\n" {
		s.t.Errorf("start said %q", said)
	}
	s.ends(exit.Done, []string{program, "finish", "queue"})
	made := calls()
	overridden := func(call []string) []string {
		var overrides struct{ Command []string }
		s.must(json.Unmarshal([]byte(after(call, "--container-overrides")), &overrides))
		return overrides.Command
	}
	if file := after(made[0], "--cli-input-json"); len(made) != 4 || file != "file://"+filepath.Dir(program)+"/aws-batch.json" ||
		after(made[2], "--depends-on") != "jobId=job-2" || after(made[2], "--array-properties") != "size=8" {
		s.t.Fatalf("calls of aws are %q", made)
	}
	definition := awsBatch(s.t)
	s.ends(exit.Done, overridden(made[1]))
	s.failed(s.runs(array{
		words: definition.ContainerProperties.Command, count: 8, atOnce: 4, tries: definition.RetryStrategy.Attempts, again: definition.again,
		variables: func(index int) []string {
			return []string{"AWS_BATCH_JOB_ARRAY_INDEX=" + strconv.Itoa(index), "AWS_BATCH_JOB_ARRAY_SIZE=8"}
		},
	}))
	s.ends(exit.Partly, overridden(made[3]))
	return eight(1)
}

func runCloud(s *site) map[int]int {
	calls := s.recorded("gcloud")
	program, err := filepath.Abs("cloud-run.sh")
	s.must(err)
	s.ends(exit.Done, []string{program, "region"})
	made := calls()
	if len(made) != 4 || after(made[0], "replace") != filepath.Dir(program)+"/cloud-run.yaml" || after(made[2], "--args") != "" {
		s.t.Fatalf("calls of gcloud are %q", made)
	}
	job := cloudRun(s.t).Spec.Template.Spec
	container := job.Template.Spec.Containers[0]
	overridden := func(call []string) []string {
		return append(slices.Clone(container.Command), strings.Split(after(call, "--args"), ",")...)
	}
	s.ends(exit.Done, overridden(made[1]))
	s.failed(s.runs(array{
		words: container.words(), count: job.TaskCount, atOnce: job.Parallelism, tries: job.Template.Spec.MaxRetries + 1,
		again: func(int) bool { return true },
		variables: func(index int) []string {
			return []string{"CLOUD_RUN_TASK_INDEX=" + strconv.Itoa(index), "CLOUD_RUN_TASK_COUNT=" + strconv.Itoa(job.TaskCount)}
		},
	}))
	s.ends(exit.Partly, overridden(made[3]))
	return eight(4)
}

func runParallel(s *site) map[int]int {
	program, err := filepath.Abs("parallel.sh")
	s.must(err)
	s.ends(exit.Partly, []string{program, "job.yaml", "8", "4"})
	codes := map[int]int{}
	for line := range strings.Lines(s.read("shards.log")) {
		if f := strings.Fields(line); f[0] != "Seq" {
			codes[numbers(s.t, f[len(f)-1])[0]] = numbers(s.t, f[6])[0]
		}
	}
	s.failed(codes)
	return eight(1)
}

func runMake(s *site) map[int]int {
	program, err := filepath.Abs("shards.mk")
	s.must(err)
	said := s.ends(2, []string{"make", "--no-print-directory", "-f", program, "-j", "4"})
	if !strings.Contains(said, "finish ended with 3, which make turns into 2") || !strings.Contains(said, "shard-4] Error 3 (ignored)") {
		s.t.Errorf("make said %s", said)
	}
	return eight(1)
}

// runScript runs array.sh, each two tasks with the variables of another scheduler.
func runScript(s *site) map[int]int {
	schedulers := []struct {
		variable string
		first    int
	}{{"SLURM_ARRAY_TASK_ID", 0}, {"PBS_ARRAY_INDEX", 0}, {"LSB_JOBINDEX", 1}, {"SGE_TASK_ID", 1}}
	program, err := filepath.Abs("array.sh")
	s.must(err)
	s.ends(exit.Done, []string{"graphscore", "plan", "job.yaml", "--out", "plan.json"})
	s.failed(s.runs(array{
		words: []string{program}, count: 8, atOnce: 4, tries: 1, again: func(int) bool { return false },
		variables: func(index int) []string {
			by := schedulers[index%len(schedulers)]
			return []string{by.variable + "=" + strconv.Itoa(index+by.first)}
		},
	}))
	s.ends(exit.Usage, []string{program})
	s.ends(exit.Partly, []string{"graphscore", "finish", "job.yaml", "--plan", "plan.json", "--shards", "8"})
	return eight(1)
}
