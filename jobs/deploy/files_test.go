// Package deploy holds the templates of this folder together with the program: what they promise about exit codes,
// folders, flags and metrics cannot drift. What is behind the build tag deploy tries them for real.
package deploy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"graphscore/jobs"
	"graphscore/pipeline/local"
	"graphscore/pipeline/observe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// unit gives the values of a systemd unit by key, in order.
func unit(t *testing.T, path string) map[string][]string {
	t.Helper()
	settings := map[string][]string{}
	for line := range strings.Lines(read(t, path)) {
		key, value, found := strings.Cut(strings.TrimSpace(line), "=")
		if found && !strings.HasPrefix(key, "#") {
			settings[key] = append(settings[key], value)
		}
	}
	return settings
}

// numbers reads numbers with spaces between them.
func numbers(t *testing.T, text string) []int {
	t.Helper()
	var found []int
	for _, word := range strings.Fields(text) {
		n, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, n)
	}
	return found
}

// exitCodes returns the constants of package exit, by name.
func exitCodes(t *testing.T) map[string]int {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../pipeline/exit/exit.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]int{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, is := n.(*ast.ValueSpec)
		if !is || len(spec.Values) != 1 {
			return true
		}
		if literal, is := spec.Values[0].(*ast.BasicLit); is && literal.Kind == token.INT {
			codes[spec.Names[0].Name] = numbers(t, literal.Value)[0]
		}
		return true
	})
	return codes
}

// Every code of the program has its treatment in the unit, and the unit knows no other code.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	want := map[string][]string{
		"good":  {"Done", "Partly"},
		"again": {"Other", "NoScorer", "IO", "Locked", "Interrupted", "Terminated"},
		"person": {"CheckFailed", "Usage", "NoInput", "NotThere", "Bug", "CannotCreate",
			"Contract", "Auth", "Config"},
	}
	service := unit(t, "graphscore@.service")
	treatment := map[int]string{0: "good"}
	for key, name := range map[string]string{"SuccessExitStatus": "good", "RestartPreventExitStatus": "person"} {
		for _, code := range numbers(t, strings.Join(service[key], " ")) {
			if before := treatment[code]; before != "" {
				t.Errorf("%s has %d, which is %q already", key, code, before)
			}
			treatment[code] = name
		}
	}
	got := map[string][]string{}
	for name, code := range exitCodes(t) {
		how := treatment[code]
		if how == "" {
			how = "again"
		}
		got[how] = append(got[how], name)
		delete(treatment, code)
	}
	sorted := cmp.Transformer("sorted", func(names []string) string { return strings.Join(slices.Sorted(slices.Values(names)), " ") })
	if diff := cmp.Diff(want, got, sorted); diff != "" {
		t.Errorf("decide in graphscore@.service, then here, what becomes of each code of exit.go:\n%s", diff)
	}
	if len(treatment) > 0 {
		t.Errorf("the unit treats codes that the program does not have: %v", treatment)
	}
}

// The manager's patience is longer than the program's own.
func TestStopTimeout(t *testing.T) {
	t.Parallel()
	service := unit(t, "graphscore@.service")
	patience, err := time.ParseDuration(service["TimeoutStopSec"][0])
	if err != nil {
		t.Fatal(err)
	}
	if grace := (local.Config{}).WithDefaults().StopGrace; patience < 2*grace {
		t.Errorf("TimeoutStopSec is %v, workers have %v to leave", patience, grace)
	}
	if service["KillMode"][0] != "mixed" {
		t.Error("workers get SIGTERM beside the program: a run could not end what it has begun")
	}
}

// rule is one of alerts.yaml.
type rule struct{ Alert, Expr string }

func rules(t *testing.T) []rule {
	t.Helper()
	var file struct{ Groups []struct{ Rules []rule } }
	if err := yaml.Unmarshal([]byte(read(t, "alerts.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	return file.Groups[0].Rules
}

// alerts are the names of all.
func alerts(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, r := range rules(t) {
		names = append(names, r.Alert)
	}
	return names
}

// The alerts call a failure what the unit calls one. That nothing matches, and that nothing is wrong and another try is due, have alerts of their own.
func TestAlertedCodes(t *testing.T) {
	t.Parallel()
	codes := exitCodes(t)
	named := map[string][]int{}
	code := regexp.MustCompile(`(?:[!=]=) (\d+)`)
	for _, r := range rules(t) {
		for _, found := range code.FindAllStringSubmatch(r.Expr, -1) {
			named[r.Alert] = append(named[r.Alert], numbers(t, found[1])...)
		}
	}
	failed := append([]int{codes["Done"]}, numbers(t, unit(t, "graphscore@.service")["SuccessExitStatus"][0])...)
	want := map[string][]int{
		"GraphscoreRunFailed":       append(failed, codes["NotThere"], codes["Locked"]),
		"GraphscoreDeliveryMissing": {codes["NotThere"]},
	}
	if diff := cmp.Diff(want, named); diff != "" {
		t.Error(diff)
	}
}

// The alerts and their annotations know no metric, and no reason of a date, that the program does not write.
func TestAlertedMetrics(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "molecules.prom")
	last := &observe.LastRun{Job: observe.Job{Name: "molecules"}, Ended: time.Now(), Success: true, Output: &observe.Output{}, Dates: map[string]int64{}}
	for _, reason := range observe.Reasons() {
		last.Dates[reason] = 0
	}
	for _, last.TurnedAway = range []bool{false, true} {
		if err := observe.WriteTextfile(t.Context(), file, last); err != nil {
			t.Fatal(err)
		}
	}
	metric := regexp.MustCompile(`graphscore_\w+`)
	there := metric.FindAllString(read(t, file), -1)
	for _, rules := range []string{"alerts.yaml", "testdata/alerts_test.yaml"} {
		named := metric.FindAllString(read(t, rules), -1)
		if len(named) == 0 {
			t.Errorf("%s names no metric", rules)
		}
		for _, name := range named {
			if !slices.Contains(there, name) {
				t.Errorf("%s names %s, which the program does not write", rules, name)
			}
		}
		for _, reasons := range regexp.MustCompile(`reason=~?"([^"]*)"`).FindAllStringSubmatch(read(t, rules), -1) {
			for reason := range strings.SplitSeq(reasons[1], "|") {
				if !slices.Contains(observe.Reasons(), reason) {
					t.Errorf("%s names the reason %q, which the program does not write", rules, reason)
				}
			}
		}
	}
}

func TestJob(t *testing.T) {
	t.Parallel()
	job, err := jobs.Load("molecules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	full := job.WithDefaults()
	if err := full.Validate(); err != nil {
		t.Fatal(err)
	}
	if !full.Partitioned() {
		t.Error("a job by the clock has a {date}")
	}
	// What the unit lets it write is where it writes.
	writable := strings.NewReplacer("%i", "molecules", "-", "").Replace(unit(t, "graphscore@.service")["ReadWritePaths"][0])
	if !strings.HasPrefix(full.Output.Path, writable+"/") {
		t.Errorf("the job writes to %s, the unit lets it write to %s", full.Output.Path, writable)
	}
}

// cron reads minute, hour, day, month, weekday, user; a bare % would end the command.
func TestCrontab(t *testing.T) {
	t.Parallel()
	entry := regexp.MustCompile(`^\d+ \d+ \* \* [*0-6] graphscore graphscore (backfill|verify) /etc/graphscore/molecules\.yaml `)
	variable := regexp.MustCompile(`^#?[A-Z_]+=[^$%]*$`)
	entries := 0
	for line := range strings.Lines(read(t, "crontab")) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case line == "", strings.HasPrefix(line, "# "), line == "#", variable.MatchString(line):
		case entry.MatchString(line) && !strings.Contains(strings.ReplaceAll(line, `\%`, ""), "%"):
			entries++
		default:
			t.Errorf("cron would misread %q", line)
		}
	}
	if entries != 2 {
		t.Errorf("%d entries", entries)
	}
}

// The page names every file that is for an operator.
func TestReadme(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	page := read(t, "README.md")
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() || strings.HasSuffix(name, ".go") || name == "README.md" {
			continue
		}
		if !strings.Contains(page, "["+name+"]("+name+")") {
			t.Errorf("README.md does not link to %s", name)
		}
	}
}
