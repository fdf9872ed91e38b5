package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"graphscore/writers/record"
)

// TestEarlierDate: what the run knew of is compared with, also where both were moved together, and no more once it
// is not whole.
func TestEarlierDate(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	old, now := filepath.Join(root, "out/dt=2026-11-20"), filepath.Join(root, "out/dt=2026-11-21")
	must(t, os.MkdirAll(filepath.Dir(old), 0o777))
	n := night{dir: old, number: 20, parts: 2, graphs: 300, outputs: []string{"charge"}}
	n.write(t)
	n.dir, n.number, n.shift, n.previous = now, 21, 0.5, old
	n.write(t)
	asked := build(t, Config{Path: now, Previous: old})
	r := build(t, Config{Path: now})
	if len(r.ScoreDrift) != 1 || r.ScoreDrift[0].KS < 0.5 || r.ScoreDrift[0].PSI < 0.5 || r.DriftNote != "" {
		t.Errorf("drift %+v, %q", r.ScoreDrift, r.DriftNote)
	}
	if r.Previous != asked.Previous || !strings.HasPrefix(r.Previous, old+": ") || len(r.Drift) != len(asked.Drift) {
		t.Errorf("previous %q, drift %+v, asked for: %q, %+v", r.Previous, r.Drift, asked.Previous, asked.Drift)
	}
	moved := filepath.Join(root, "moved")
	must(t, os.Rename(filepath.Join(root, "out"), moved))
	if r := build(t, Config{Path: filepath.Join(moved, "dt=2026-11-21")}); len(r.ScoreDrift) != 1 {
		t.Errorf("moved: drift %+v, %q", r.ScoreDrift, r.DriftNote)
	}
	must(t, os.Remove(filepath.Join(moved, "dt=2026-11-20/_SUCCESS")))
	r = build(t, Config{Path: filepath.Join(moved, "dt=2026-11-21")})
	if len(r.ScoreDrift) != 0 || !strings.Contains(r.DriftNote, "is not whole any more") {
		t.Errorf("half written: drift %+v, %q", r.ScoreDrift, r.DriftNote)
	}
}

// TestWhyNoScoreDrift: the report says why scores are not compared.
func TestWhyNoScoreDrift(t *testing.T) {
	t.Parallel()
	first := night{number: 20, parts: 2, graphs: 30, outputs: []string{"charge"}}
	other := first
	other.outputs = []string{"risk"}
	for name, c := range map[string]struct {
		then func(t *testing.T, dir string)
		want string
	}{
		"first run": {func(*testing.T, string) {}, ""},
		"rescored": {func(t *testing.T, dir string) {
			again := first
			again.dir, again.number = dir, 21
			again.write(t)
		}, "both runs wrote to this folder"},
		"nothing to do": {func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, "_runs/20261121T020000Z-00000021.json"),
				[]byte(`{"run_id": "20261121T020000Z-00000021", "counts": {"skipped": 60}, "shards": []}`), 0o666))
		}, "This run scored nothing"},
		"its own folder": {func(t *testing.T, dir string) {
			again := first
			again.dir, again.number, again.previous = dir, 21, dir
			again.write(t)
		}, "is not whole any more"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "out")
			n := first
			n.dir = dir
			n.write(t)
			c.then(t, dir)
			r := build(t, Config{Path: dir})
			if (c.want == "") != (r.DriftNote == "") || !strings.Contains(r.DriftNote, c.want) || len(r.ScoreDrift) != 0 {
				t.Errorf("%q, want %q", r.DriftNote, c.want)
			}
		})
	}
	a, b := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	first.dir, other.dir = a, b
	first.write(t)
	other.write(t)
	if r := build(t, Config{Path: b, Previous: a}); !strings.Contains(r.DriftNote, "no scores of one name") {
		t.Errorf("other outputs: %q", r.DriftNote)
	}
}

func TestGatesAreShown(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "out")
	night{dir: dir, number: 20, parts: 2, graphs: 30, outputs: []string{"charge"}, exit: 4, gates: []record.Gate{
		{Name: "quarantine_rate", Limit: 0.05, Value: 0.0125, Passed: true},
		{Name: "min_graphs", Limit: 12345, Value: 60, Message: "the input holds 60 graphs <b>"},
		{Name: "max_input_age", Limit: 129600, Passed: true, Message: "not checked"},
		{Name: "drift.psi", Output: "charge", Limit: 0.2, Value: 0.31},
	}}.write(t)
	r := build(t, Config{Path: dir})
	if r.State != Partly || !strings.HasPrefix(r.Summary, "Gates failed: min_graphs, drift.psi. The scores stay") {
		t.Errorf("%s: %s", r.State, r.Summary)
	}
	var text, page strings.Builder
	must(t, r.WriteText(&text))
	must(t, r.WriteHTML(&page))
	for _, want := range []string{"12,345", "1.25%", "36 h 00 min", "0.31", "failed", "passed", "drift.psi", "–"} {
		if !strings.Contains(text.String(), want) || !strings.Contains(page.String(), want) {
			t.Errorf("no %s in\n%s", want, text.String())
		}
	}
	if !strings.Contains(page.String(), "60 graphs &lt;b&gt;") || !strings.Contains(text.String(), "max_input_age: not checked") {
		t.Errorf("messages are not told: %s", text.String())
	}
}
