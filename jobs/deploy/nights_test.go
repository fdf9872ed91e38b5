//go:build deploy

package deploy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"golang.org/x/tools/txtar"
)

// promTest is a file of promtool test rules.
type promTest struct {
	RuleFiles []string      `yaml:"rule_files"`
	Interval  string        `yaml:"evaluation_interval"`
	Tests     []promTimings `yaml:"tests"`
}

type promTimings struct {
	Name        string       `yaml:"name"`
	Interval    string       `yaml:"interval"`
	Series      []promSeries `yaml:"input_series"`
	Expressions []promExpr   `yaml:"promql_expr_test"`
}

type promSeries struct {
	Series string `yaml:"series"`
	Values string `yaml:"values"`
}

type promExpr struct {
	Expr    string       `yaml:"expr"`
	At      string       `yaml:"eval_time"`
	Samples []promSample `yaml:"exp_samples"`
}

type promSample struct {
	Labels string  `yaml:"labels"`
	Value  float64 `yaml:"value"`
}

// evening is what lay in the textfiles at a time, and which alerts are to fire so long after.
type evening struct {
	at      time.Time
	after   time.Duration
	alerts  []string // JOB:ALERT
	metrics map[string]float64
}

// promTime is a time span as Prometheus writes it.
func promTime(d time.Duration) string { return strconv.Itoa(int(d.Minutes())) + "m" }

// readNights reads what the script nights of the command line left.
func readNights(t *testing.T) []evening {
	t.Helper()
	archive, err := txtar.ParseFile("testdata/nights.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var all []evening
	for _, f := range archive.Files {
		e := evening{metrics: map[string]float64{}}
		if e.at, err = time.Parse(time.RFC3339, f.Name); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(f.Data)) {
			line = strings.TrimSuffix(line, "\n")
			if firing, is := strings.CutPrefix(line, "# firing after "); is {
				after, alerts, _ := strings.Cut(firing, ":")
				if e.after, err = time.ParseDuration(after); err != nil {
					t.Fatal(err)
				}
				e.alerts = strings.Fields(alerts)
				continue
			}
			space := strings.LastIndexByte(line, ' ')
			value, err := strconv.ParseFloat(line[space+1:], 64)
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			e.metrics[line[:space]] = value
		}
		all = append(all, e)
	}
	return all
}

// step is how often Prometheus looks.
const step = 10 * time.Minute

// sampled is the nights as promtool has them: a sample a step, and times that begin at 0 with the first night.
func sampled(t *testing.T, nights []evening, label string) promTimings {
	t.Helper()
	start := nights[0].at
	place := func(at time.Time) int {
		since := at.Sub(start)
		if since < 0 || since%step != 0 {
			t.Fatalf("%v is not some times %v after the first night", at, step)
		}
		return int(since / step)
	}
	end := nights[len(nights)-1]
	values := map[string][]string{} // by series
	for _, e := range nights {
		for series := range e.metrics {
			values[series] = slices.Repeat([]string{"_"}, place(end.at.Add(end.after))+1)
		}
	}
	for _, e := range nights {
		for series, value := range e.metrics {
			if strings.Contains(series, "_timestamp_seconds{") {
				value -= float64(start.Unix())
			}
			for i := place(e.at); i < len(values[series]); i++ {
				values[series][i] = strconv.FormatFloat(value, 'f', -1, 64)
			}
		}
	}
	test := promTimings{Name: label, Interval: promTime(step)}
	for series, list := range values {
		test.Series = append(test.Series, promSeries{strings.Replace(series, `job="`, label+`="`, 1), strings.Join(list, " ")})
	}
	for _, e := range nights {
		expected := promExpr{
			Expr: fmt.Sprintf(`count by (%s, alertname) (ALERTS{alertstate="firing"})`, label),
			At:   promTime(e.at.Add(e.after).Sub(start)),
		}
		for _, alert := range e.alerts {
			job, name, _ := strings.Cut(alert, ":")
			expected.Samples = append(expected.Samples, promSample{fmt.Sprintf(`{%s=%q, alertname=%q}`, label, job, name), 1})
		}
		test.Expressions = append(test.Expressions, expected)
	}
	return test
}

// On what the program itself wrote in two weeks of nights, exactly those alerts fire that the script of the nights says,
// with either name of the label.
func TestAlertsOfNights(t *testing.T) {
	t.Parallel()
	need(t, map[string]string{"promtool": "prometheus"})
	rules, err := filepath.Abs("alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	nights := readNights(t)
	for _, e := range nights {
		if e.after < 0 || e.after >= 24*time.Hour {
			t.Errorf("%v: alerts are looked at after %v", e.at, e.after)
		}
	}
	test := promTest{RuleFiles: []string{rules}, Interval: promTime(step), Tests: []promTimings{
		sampled(t, nights, "job"), sampled(t, nights, "exported_job"),
	}}
	content, err := yaml.Marshal(test)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "nights.yaml")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "promtool", "test", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	firing := map[string]bool{}
	for _, e := range nights {
		for _, alert := range e.alerts {
			_, name, _ := strings.Cut(alert, ":")
			firing[name] = true
		}
	}
	for _, name := range alerts(t) {
		// These two are of time and of nothing: testdata/alerts_test.yaml has them.
		if !firing[name] && name != "GraphscoreSlow" && name != "GraphscoreNeverRan" {
			t.Errorf("in no night %s is to fire", name)
		}
	}
}
