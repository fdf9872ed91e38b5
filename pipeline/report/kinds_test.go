package report

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"graphscore/pipeline/display"
	"graphscore/writers/record"
)

// long is a name without a place to break it.
var long = strings.Repeat("averylongnameofascore", 6)

// kinds are outputs of every kind, by what is special about them.
func kinds(t *testing.T) map[string]string {
	t.Helper()
	dirs := map[string]string{"example": example(t)}
	one := []string{"charge"}
	var forty []string
	for i := range 40 {
		forty = append(forty, fmt.Sprintf("assay_%02d", i))
	}
	for name, n := range map[string]night{
		"done":        {parts: 12, graphs: 200, outputs: one},
		"failed":      {parts: 3, graphs: 200, outputs: one, failed: 9, exit: 69},
		"empty":       {parts: 2, graphs: 0, outputs: one},
		"nothing":     {outputs: one},
		"killed":      {parts: 2, graphs: 50, outputs: one, bad: 17, silent: true},
		"forty":       {parts: 2, graphs: 60, outputs: forty},
		"quarantined": {parts: 2, graphs: 2, outputs: one, bad: 2, exit: 3},
		"one":         {parts: 1, graphs: 1, outputs: one},
		"scales": {parts: 2, graphs: 300, outputs: []string{"far", "huge", "tiny", "narrow", "same", "wild"}, score: func(v float32, k int) float32 {
			v = float32(math.Tanh(float64(v) / math.Pow(10, float64(k))))
			return []float32{-1e6 + 100*v, 1e19 * (1 + v/4), 1e-30 * v, 100 + v/1e4, 0.5, float32(math.Copysign(math.Pow(10, 38*math.Abs(float64(v))), float64(v)))}[k]
		}},
		"long": {parts: 2, graphs: 60, outputs: []string{long, "b"}, name: long, exit: 4, gates: []record.Gate{
			{Name: "drift.psi", Output: long, Limit: 0.2, Value: 8.12345, Message: "PSI of " + long + " is 8.12"},
			{Name: "min_graphs", Limit: 1e12, Value: 120, Message: "the input holds 120 graphs"},
		}},
	} {
		dirs[name] = filepath.Join(t.TempDir(), "out")
		n.dir, n.number = dirs[name], 22
		n.write(t)
	}
	return dirs
}

// TestVerdicts: green is what is whole and holds a graph, and graphs that were planned count where no part holds them.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	dirs := kinds(t)
	removed := filepath.Join(t.TempDir(), "out")
	night{dir: removed, number: 22, parts: 3, graphs: 5, outputs: []string{"charge"}}.write(t)
	must(t, os.Remove(filepath.Join(removed, "region=01/molecules-00001.parquet")))
	dirs["removed"] = removed
	for name, want := range map[string]struct {
		state   State
		summary string
		scored  float64 // share
	}{
		"done":        {Done, "Every graph was scored, 2,400 in 12 parts.", 1},
		"one":         {Done, "Every graph was scored, 1 in 1 part.", 1},
		"example":     {Partly, "2 files could not be read", 0.94},
		"failed":      {Broken, "The run failed (exit code 69): 600 of 2,400 planned graphs scored, 3 parts so far.", 0.25},
		"empty":       {Empty, "Nothing was scored: the input (2 files) holds no graph.", 0},
		"nothing":     {Empty, "Nothing was scored: no file of the input was there.", 0},
		"killed":      {NotEnded, "The last run has not ended, or was killed: 2 parts so far.", 0.94},
		"quarantined": {Partly, "Every part is complete, but 2 of 4 graphs are in quarantine.", 0.5},
		"long":        {Partly, "Gates failed: drift.psi, min_graphs.", 1},
		"removed":     {Broken, "1 part is missing or damaged: 10 of 15 planned graphs scored, 2 parts left.", 10. / 15},
	} {
		r := build(t, Config{Path: dirs[name]})
		if r.State != want.state || !strings.HasPrefix(r.Summary, want.summary) {
			t.Errorf("%s: %s. %s", name, r.State, r.Summary)
		}
		var all, scored float64
		for _, o := range r.Outcome {
			if all += o.Share; o.Name == "scored" {
				scored = o.Share
			}
		}
		if math.Abs(scored-want.scored) > 0.005 || len(r.Outcome) > 0 && math.Abs(all-1) > 1e-9 {
			t.Errorf("%s: outcome %+v", name, r.Outcome)
		}
		if (r.State.Colour() == "good") != (want.state == Done) {
			t.Errorf("%s: %s is %s", name, r.State, r.State.Colour())
		}
	}
}

// TestTextIsWhole: whatever an output holds, its text fits a terminal and leaves nothing out.
func TestTextIsWhole(t *testing.T) {
	t.Parallel()
	for name, dir := range kinds(t) {
		var b strings.Builder
		r := build(t, Config{Path: dir})
		must(t, r.WriteText(&b))
		for line := range strings.Lines(b.String()) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > display.Width {
				t.Errorf("%s: %d columns: %s", name, n, line)
			}
		}
		joined := strings.Join(strings.Fields(b.String()), "")
		wants := []string{}
		for _, f := range r.Provenance {
			wants = append(wants, f.Value)
		}
		for _, s := range r.Scores {
			wants = append(wants, s.Output)
			for _, q := range quantileTexts(s.Quantiles) {
				wants = append(wants, q.Text)
			}
		}
		for _, want := range wants {
			if !strings.Contains(joined, strings.Join(strings.Fields(printable(want)), "")) {
				t.Errorf("%s: no %s in\n%s", name, want, b.String())
			}
		}
		if strings.Contains(b.String(), "…") {
			t.Errorf("%s: something is cut in\n%s", name, b.String())
		}
	}
}

func TestManyOutputs(t *testing.T) {
	t.Parallel()
	var names []string
	for i := range 40 {
		names = append(names, fmt.Sprint("o", i))
	}
	now, old := filepath.Join(t.TempDir(), "now"), filepath.Join(t.TempDir(), "old")
	n := night{dir: old, number: 20, parts: 2, graphs: 20, outputs: names, score: func(v float32, k int) float32 { return v + float32(k) }}
	n.write(t)
	n.dir, n.shift = now, 3
	n.write(t)
	r := build(t, Config{Path: now, Previous: old})
	if len(r.Scores) != 40 || len(r.ScoreDrift) != 40 || r.OutputCount != 40 || r.Sizes.Graphs != 40 {
		t.Fatalf("%d outputs, %d drifts of %d", len(r.Scores), len(r.ScoreDrift), r.OutputCount)
	}
	for i, s := range r.Scores {
		if s.Output != names[i] || r.ScoreDrift[i].Output != names[i] || s.Count != r.Totals.Nodes || r.ScoreDrift[i].PSI < 0 {
			t.Errorf("%d: %s, %+v", i, s.Output, r.ScoreDrift[i])
		}
	}
}

func TestTicks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []float64
		want   string
	}{
		{[]float64{-0.2, 0, 0.2}, "-0.2 0 0.2"}, {[]float64{0.15, 0.3, 0.45}, "0.15 0.30 0.45"},
		{[]float64{-1000100, -1000050, -1000000}, "-1,000,100 -1,000,050 -1,000,000"},
		{[]float64{9.5e18, 1e19, 1.05e19}, "0.95e19 1.00e19 1.05e19"}, {[]float64{-2e-30, 0, 2e-30}, "-2e-30 0 2e-30"},
		{[]float64{99.9999, 100, 100.0001}, "99.9999 100.0000 100.0001"}, {[]float64{0.5}, "0.5"}, {[]float64{0}, "0"}, {nil, ""},
		{[]float64{0, 20000, 40000}, "0 20,000 40,000"}, {[]float64{-2e38, 0, 2e38}, "-2e38 0 2e38"},
	} {
		if got := strings.Join(ticks(c.values), " "); got != c.want {
			t.Errorf("%v: %s, want %s", c.values, got, c.want)
		}
	}
	for _, c := range []struct {
		values []float64
		want   string
	}{
		{[]float64{0, 0.017, 1}, "0 0.017 1"}, {[]float64{1e19, 1.5e19}, "1e19 1.5e19"}, {[]float64{-1000234.5, -1000123.4}, "-1,000,235 -1,000,123"},
		{[]float64{100.0001, 100.0002}, "100.0001 100.0002"}, {[]float64{-1e-30}, "-1e-30"}, {[]float64{2, 2}, "2 2"},
	} {
		if got := strings.Join(distinct(c.values), " "); got != c.want {
			t.Errorf("%v: %s, want %s", c.values, got, c.want)
		}
	}
}
