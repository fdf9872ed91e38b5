package jobs_test

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"graphscore/jobs"
)

func ptr[T any](v T) *T { return &v }

func TestLoadGates(t *testing.T) {
	t.Parallel()
	path := write(t, `
input: {path: data}
output: {path: out}
model: {path: model}
gates:
  quarantine_rate: 1%
  min_graphs: 1000
  max_input_age: 36h
  drift: {against: ../scores, psi: 0.2, ks: 0, mean: 0.05, max: 1e-3}
`)
	job, err := jobs.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	want := jobs.Gates{
		QuarantineRate: ptr(jobs.Share(0.01)), MinGraphs: 1000, MaxInputAge: jobs.Duration(36 * time.Hour),
		Drift: &jobs.Drift{
			Against: filepath.Join(filepath.Dir(path), "../scores"), PSI: ptr(0.2), KS: ptr(0.0), Mean: ptr(0.05), Max: ptr(0.001),
		},
	}
	if diff := cmp.Diff(want, job.Gates); diff != "" {
		t.Error(diff)
	}
	if err := job.WithDefaults().Validate(); err != nil {
		t.Error(err)
	}
	if (jobs.Gates{}).Any() || !(jobs.Gates{QuarantineRate: ptr(jobs.Share(0))}).Any() {
		t.Error("no graph in quarantine is a gate, no gate is none")
	}
}

func TestLoadGatesSaysWhere(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"gates: {quarantine: 1%}":           `unknown field "quarantine"`,
		"gates: {drift: {psy: 1}}":          `unknown field "psy"`,
		"gates: {quarantine_rate: 1}":       `:1:26: 1 may be 1% or 100%: write it with its %`,
		"gates: {quarantine_rate: 2}":       `"2" is not a share: write 1% or 0.01, from 0% to 100%`,
		"gates: {quarantine_rate: 101%}":    `"101%" is not a share`,
		"gates: {quarantine_rate: -1%}":     `"-1%" is not a share`,
		"gates: {quarantine_rate: .nan}":    `".nan" is not a share`,
		"gates: {quarantine_rate: NaN%}":    `"NaN%" is not a share`,
		"gates: {max_input_age: 0s}":        `"0s" is not a time span`,
		"gates: {max_input_age: a day}":     `"a day" is not a time span`,
		"gates: {min_graphs: many}":         "expected a number, got",
		"gates: {drift: {psi: much}}":       "expected a number, got",
		"gates: {drift: yes please}":        "expected a mapping",
		"gates: {drift: {max: [1]}}":        "expected a number, got",
		"gates: {drift: {psi: 1, psi: 2}}":  ":1:25: ",
		"gates: {drift: {against: [a, b]}}": "expected a text, got",
	} {
		path := write(t, text+"\n")
		_, err := jobs.Load(path)
		var e *jobs.Error
		if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), path+":1:") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

func TestValidateGates(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		output string
		gates  jobs.Gates
		want   string
	}{
		"none":            {"out", jobs.Gates{}, ""},
		"nothing at all":  {"out", jobs.Gates{QuarantineRate: ptr(jobs.Share(0))}, ""},
		"rate":            {"out", jobs.Gates{QuarantineRate: ptr(jobs.Share(math.NaN()))}, "gates.quarantine_rate is NaN: it must be from 0% to 100%"},
		"graphs":          {"out", jobs.Gates{MinGraphs: -1}, "gates.min_graphs is -1: it must be at least 0"},
		"age":             {"out", jobs.Gates{MaxInputAge: -1}, "gates.max_input_age is -1ns: "},
		"drift":           {"out", jobs.Gates{Drift: &jobs.Drift{Against: "old", PSI: ptr(0.0)}}, ""},
		"no limit":        {"out", jobs.Gates{Drift: &jobs.Drift{Against: "old"}}, "gates.drift sets no limit: give psi, ks, mean or max"},
		"psi":             {"out", jobs.Gates{Drift: &jobs.Drift{Against: "old", PSI: ptr(-0.1)}}, "gates.drift.psi is -0.1: it must be a number of at least 0"},
		"endless":         {"out", jobs.Gates{Drift: &jobs.Drift{Against: "old", Max: ptr(math.Inf(1))}}, "gates.drift.max is +Inf: "},
		"no number":       {"out", jobs.Gates{Drift: &jobs.Drift{Against: "old", Mean: ptr(math.NaN())}}, "gates.drift.mean is NaN: "},
		"ks":              {"out", jobs.Gates{Drift: &jobs.Drift{Against: "old", KS: ptr(1.1)}}, "gates.drift.ks is 1.1: it must be from 0 to 1"},
		"against nothing": {"out", jobs.Gates{Drift: &jobs.Drift{KS: ptr(0.1)}}, "gates.drift.against is missing: name the output to compare with"},
		"against itself":  {"out/", jobs.Gates{Drift: &jobs.Drift{Against: "./x/../out", KS: ptr(0.1)}}, "gates.drift.against is the output itself"},
		"home":            {"out", jobs.Gates{Drift: &jobs.Drift{Against: "~/old", KS: ptr(0.1)}}, "gates.drift.against is \"~/old\": ~ is not expanded"},
		"date":            {"out", jobs.Gates{Drift: &jobs.Drift{Against: "old/{date}", KS: ptr(0.1)}}, "gates.drift.against has a {date}, but neither"},
		"of dates":        {"out/{date}", jobs.Gates{Drift: &jobs.Drift{KS: ptr(0.1)}}, ""},
		"other dates":     {"out/{date}", jobs.Gates{Drift: &jobs.Drift{Against: "old/{date}", KS: ptr(0.1)}}, ""},
		"one for all":     {"out/{date}", jobs.Gates{Drift: &jobs.Drift{Against: "old", KS: ptr(0.1)}}, ""},
		"brace":           {"out/{date}", jobs.Gates{Drift: &jobs.Drift{Against: "old/{dat}", KS: ptr(0.1)}}, "gates.drift.against has the unknown placeholder {dat}"},
		"layout":          {"out/{date}", jobs.Gates{Drift: &jobs.Drift{Against: "old/{date:x}", KS: ptr(0.1)}}, "gates.drift.against: {date:x} is the same for every date"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := jobs.Job{
				Path: "job.yaml", Input: jobs.Input{Path: jobs.Paths{{Path: "data"}}},
				Output: jobs.Output{Path: test.output}, Model: jobs.Model{Path: "model"}, Gates: test.gates,
			}.WithDefaults()
			got := fmt.Sprint(j.Validate())
			want := "job.yaml: " + test.want
			if test.want == "" {
				want = fmt.Sprint(error(nil))
			}
			if !strings.HasPrefix(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// The job of a date looks for what came before it, and knows its own output.
func TestEarlier(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		output, against, timezone, date string
		unit                            jobs.Unit
		want                            []string
	}{
		"days":             {"out/{date}", "", "", "2024-03-01", "", []string{"out/2024-02-29", "out/2024-02-28", "out/2024-02-27"}},
		"months":           {"out/{date:2006-01}", "", "", "2026-02", jobs.Month, []string{"out/2026-01", "out/2025-12", "out/2025-11"}},
		"weeks":            {"out/{date}", "", "", "2026-01-08", jobs.Week, []string{"out/2025-12-29", "out/2025-12-22", "out/2025-12-15"}},
		"hour left out":    {"out/{date:2006-01-02T15}", "", "Europe/Berlin", "2026-03-29T04", jobs.Hour, []string{"out/2026-03-29T03", "out/2026-03-29T01", "out/2026-03-29T00"}},
		"another pattern":  {"out/{date}", "old/{date}", "", "2026-01-01", "", []string{"old/2025-12-31", "old/2025-12-30", "old/2025-12-29"}},
		"never its own":    {"out/{date:2006-01}/{date:02}", "out/{date:2006-01}/31", "", "2026-01-31", "", []string{"out/2025-12/31"}},
		"fixed":            {"out/{date}", "old", "", "2026-01-01", "", []string{"old"}},
		"output not dated": {"out", "", "", "2026-01-01", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := jobs.Job{
				Input: jobs.Input{Path: jobs.Paths{{Path: "data/{date}"}}}, Output: jobs.Output{Path: test.output},
				Partition: test.unit, Timezone: test.timezone,
			}
			if test.against != "" {
				j.Gates.Drift = &jobs.Drift{Against: test.against}
			}
			calendar, err := j.Calendar()
			if err != nil {
				t.Fatal(err)
			}
			date, err := calendar.Parse(test.date, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for path := range j.On(date).Earlier() {
				if got = append(got, path); len(got) == max(1, len(test.want)) {
					break
				}
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	for range (jobs.Job{Output: jobs.Output{Path: "out"}}).Earlier() {
		t.Error("a job without dates has nothing before it")
	}
}

// A share written in percent is the number that the same count of all gives: k of 1000 pass a gate of k/10 %.
func TestShareMeetsItsCount(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.IntRange(0, 100_000).Draw(t, "thousandths of a percent")
		text := fmt.Sprintf("%d.%03d%%", k/1000, k%1000)
		got, err := jobs.ParseShare(text)
		if err != nil || float64(got) != float64(k)/100_000 {
			t.Fatalf("%s is %v (%v), want %v", text, got, err, float64(k)/100_000)
		}
	})
}
