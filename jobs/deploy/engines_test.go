package deploy

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"graphscore/jobs/submit"
	"graphscore/pipeline/exit"
)

// killed is the code of a process that SIGKILL ended: no code of the program, but one that every engine sees.
const killed = 137

// container is that of a manifest of Kubernetes or Cloud Run.
type container struct {
	Name          string
	Command, Args []string
	Env           []struct{ Name, Value string }
}

func (c *container) words() []string { return slices.Concat(c.Command, c.Args) }

// failureRule is one of a podFailurePolicy.
type failureRule struct {
	Action      string
	OnExitCodes *struct {
		ContainerName, Operator string
		Values                  []int
	} `yaml:"onExitCodes"`
}

// kubernetesJob is what a test reads of a manifest; apis/ reads all of it.
type kubernetesJob struct {
	Metadata struct{ Name string }
	Spec     struct {
		Completions, Parallelism int
		BackoffLimitPerIndex     int                           `yaml:"backoffLimitPerIndex"`
		BackoffLimit             int                           `yaml:"backoffLimit"`
		PodFailurePolicy         struct{ Rules []failureRule } `yaml:"podFailurePolicy"`
		Template                 struct {
			Spec struct{ Containers []container }
		}
	}
}

func kubernetes(t *testing.T, name string) *kubernetesJob {
	t.Helper()
	var job kubernetesJob
	if err := yaml.Unmarshal([]byte(read(t, "kubernetes/"+name)), &job); err != nil {
		t.Fatal(err)
	}
	return &job
}

// again reports whether a pod that ended with the code is tried again.
func (j *kubernetesJob) again(code int) bool {
	for _, rule := range j.Spec.PodFailurePolicy.Rules {
		if on := rule.OnExitCodes; on != nil && on.Operator == "In" && slices.Contains(on.Values, code) {
			return rule.Action != "FailIndex" && rule.Action != "FailJob"
		}
	}
	return true
}

// batchDefinition is what a test reads of aws-batch.json; apis/ reads all of it.
type batchDefinition struct {
	ContainerProperties struct{ Command []string }
	RetryStrategy       struct {
		Attempts       int
		EvaluateOnExit []struct{ OnExitCode, OnStatusReason, Action string }
	}
}

func awsBatch(t *testing.T) *batchDefinition {
	t.Helper()
	var definition batchDefinition
	if err := json.Unmarshal([]byte(read(t, "aws-batch.json")), &definition); err != nil {
		t.Fatal(err)
	}
	return &definition
}

// again reports whether a job whose container ended with the code is tried again: the first rule of which all conditions
// match decides, and without one it is.
func (d *batchDefinition) again(code int) bool {
	matches := func(pattern, text string) bool {
		start, open := strings.CutSuffix(pattern, "*")
		return pattern == "" || pattern == text || open && strings.HasPrefix(text, start)
	}
	for _, rule := range d.RetryStrategy.EvaluateOnExit {
		if matches(rule.OnExitCode, strconv.Itoa(code)) && matches(rule.OnStatusReason, "Essential container in task exited") {
			return rule.Action == "RETRY"
		}
	}
	return true
}

// cloudRunJob is what a test reads of cloud-run.yaml; apis/ reads all of it.
type cloudRunJob struct {
	Spec struct {
		Template struct {
			Spec struct {
				TaskCount   int `yaml:"taskCount"`
				Parallelism int
				Template    struct {
					Spec struct {
						MaxRetries int `yaml:"maxRetries"`
						Containers []container
					}
				}
			}
		}
	}
}

func cloudRun(t *testing.T) *cloudRunJob {
	t.Helper()
	var job cloudRunJob
	if err := yaml.Unmarshal([]byte(read(t, "cloud-run.yaml")), &job); err != nil {
		t.Fatal(err)
	}
	return &job
}

// script returns what a script of this folder does with a code: those that it lists are not tried again.
func script(t *testing.T, name string) func(code int) bool {
	t.Helper()
	list := regexp.MustCompile(`PERMANENT *:?="?([0-9 ]+)`).FindStringSubmatch(read(t, name))
	if list == nil {
		t.Fatalf("%s has no list PERMANENT", name)
	}
	permanent := numbers(t, list[1])
	return func(code int) bool { return !slices.Contains(permanent, code) }
}

// policies is what each engine does with a code, by the head of its column on the page.
func policies(t *testing.T) map[string][]func(code int) bool {
	t.Helper()
	return map[string][]func(code int) bool{
		"Slurm, by submit": {submit.MayPass},
		"Kubernetes":       {kubernetes(t, "plan.yaml").again, kubernetes(t, "score.yaml").again, kubernetes(t, "finish.yaml").again},
		"AWS Batch":        {awsBatch(t).again},
		"Cloud Run jobs":   {func(int) bool { return true }},
		"GNU parallel, make, array.sh": {
			script(t, "parallel.sh"), script(t, "shards.mk"), script(t, "array.sh"),
		},
	}
}

// codes are those that a shard may end with beside 0.
func codes() []int {
	all := []int{killed}
	for _, entry := range exit.Table() {
		if entry.Code != exit.Done {
			all = append(all, entry.Code)
		}
	}
	slices.Sort(all)
	return all
}

// The files know the permanent codes that submit knows. Two engines do not distinguish all of them.
func TestRetries(t *testing.T) {
	t.Parallel()
	for engine, all := range policies(t) {
		for i, again := range all {
			for _, code := range codes() {
				want := submit.MayPass(code) || engine == "Cloud Run jobs" || engine == "AWS Batch" && code == exit.Other
				if got := again(code); got != want {
					t.Errorf("%s, file %d: %d is tried again: %v, want %v", engine, i, code, got, want)
				}
			}
		}
	}
}

// The page has, for each engine and code, what the files do.
func TestRetriesOnPage(t *testing.T) {
	t.Parallel()
	heads, rows := cells(t, "README.md", "| ended with |")
	found := map[int]bool{}
	for _, row := range rows {
		for _, code := range numbers(t, strings.ReplaceAll(row[0], ",", " ")) {
			found[code] = true
			for i, head := range heads[1:] {
				all, known := policies(t)[head]
				if !known {
					t.Fatalf("no policy is known of %q", head)
				}
				want := "fails"
				if all[0](code) {
					want = "again"
				}
				if row[i+1] != want {
					t.Errorf("%d under %q is %q, want %q", code, head, row[i+1], want)
				}
			}
		}
	}
	for _, code := range codes() {
		if !found[code] {
			t.Errorf("the table has no row of %d", code)
		}
	}
	if want := len(policies(t)) + 1; len(heads) != want {
		t.Errorf("the table has %d columns, want %d", len(heads), want)
	}
}

// cells returns the heads and the rows of the table of a page whose first line begins so.
func cells(t *testing.T, page, begins string) (heads []string, rows [][]string) {
	t.Helper()
	_, from, found := strings.Cut(read(t, page), "\n"+begins)
	if !found {
		t.Fatalf("%s has no table that begins with %q", page, begins)
	}
	for line := range strings.Lines(begins + from) {
		if !strings.HasPrefix(line, "|") {
			break
		}
		var row []string
		for cell := range strings.SplitSeq(strings.Trim(line, "|\n "), "|") {
			row = append(row, strings.TrimSpace(cell))
		}
		if !strings.HasPrefix(row[0], "---") {
			rows = append(rows, row)
		}
	}
	return rows[0], rows[1:]
}

// One number of shards, wherever a file of an engine names it.
func TestOneCount(t *testing.T) {
	t.Parallel()
	score, finish := kubernetes(t, "score.yaml"), kubernetes(t, "finish.yaml")
	count := strconv.Itoa(score.Spec.Completions)
	shard := score.Spec.Template.Spec.Containers[0]
	if len(shard.Env) != 1 || shard.Env[0].Name != "GRAPHSCORE_SHARDS" || shard.Env[0].Value != count {
		t.Errorf("the variables of score.yaml are %v, its completions %s", shard.Env, count)
	}
	if words := finish.Spec.Template.Spec.Containers[0].words(); words[len(words)-1] != count {
		t.Errorf("finish.yaml ends with %q, completions are %s", words, count)
	}
	tasks := cloudRun(t).Spec.Template.Spec.TaskCount
	if want := fmt.Sprintf(",--shards,%d\n", tasks); !strings.HasSuffix(read(t, "cloud-run.sh"), want) {
		t.Errorf("cloud-run.sh does not finish %d shards", tasks)
	}
	for _, array := range []string{"--array=0-7 ", "-J 0-7 ", "-t 1-8 ", `[1-8]"`, "\nSHARDS=8 "} {
		if !strings.Contains(read(t, "array.sh"), array) {
			t.Errorf("array.sh has no %q", array)
		}
	}
}
