package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"graphscore/pipeline/display"
	"graphscore/writers/record"
)

func TestReportOfTwoNights(t *testing.T) {
	t.Parallel()
	r := build(t, Config{Path: example(t)})
	if r.State != Partly || r.RefusedCount != 2 || r.Totals.Graphs != 4800 || r.Totals.Parts != 12 {
		t.Errorf("state %q, refused %d, totals %+v", r.State, r.RefusedCount, r.Totals)
	}
	if got := r.Totals.Scored + r.Totals.Quarantined; got != r.Totals.Graphs {
		t.Errorf("%d scored or quarantined of %d graphs", got, r.Totals.Graphs)
	}
	var outcome int64
	for _, o := range r.Outcome {
		outcome += o.Graphs
	}
	var sized int64
	for _, b := range r.Sizes.Bars {
		sized += b.Count
	}
	if outcome != r.Totals.Graphs || sized != r.Totals.Scored || r.Sizes.Graphs != r.Totals.Scored {
		t.Errorf("outcome %d, sizes %d of %+v", outcome, sized, r.Totals)
	}
	for _, s := range r.Scores {
		sum := s.Below + s.Above
		for _, b := range s.Bars {
			sum += b.Count
		}
		if s.Count != r.Totals.Nodes || sum != s.Count {
			t.Errorf("output %s: %d scores, %d in bars, %d nodes", s.Output, s.Count, sum, r.Totals.Nodes)
		}
	}
	if len(r.Scores) != 2 || len(r.Slowest) != 10 || r.Slowest[0].Seconds < r.Slowest[9].Seconds || len(r.Throughput) != 109 {
		t.Errorf("%d outputs, slowest %+v, %d samples", len(r.Scores), r.Slowest, len(r.Throughput))
	}
	if len(r.Recent) != 2 || r.Previous != (night{number: 20}).id() {
		t.Errorf("recent %+v, previous %q", r.Recent, r.Previous)
	}
	notable := slices.ContainsFunc(r.Drift, func(c Change) bool { return c.What == "quarantine rate" && c.Notable })
	if q := r.Quarantine; !notable || len(q) != 1 || len(q[0].Examples) != 3 || q[0].Examples[0].GraphID != hostile {
		t.Errorf("drift %+v, quarantine %+v", r.Drift, q)
	}
}

func TestReportIsTheSameAgain(t *testing.T) {
	t.Parallel()
	dir := example(t)
	var pages [2]bytes.Buffer
	for i := range pages {
		r := build(t, Config{Path: dir})
		must(t, errors.Join(r.WriteHTML(&pages[i]), r.WriteText(&pages[i]), r.WriteJSON(&pages[i])))
	}
	if !bytes.Equal(pages[0].Bytes(), pages[1].Bytes()) {
		t.Error("two reports of the same output differ")
	}
}

func TestPageIsInert(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	must(t, build(t, Config{Path: example(t)}).WriteHTML(&b))
	page := b.String()
	for _, bad := range []string{"<script", "<img", "<link rel=\"style", "@import", "url(", "src=", "rgb(", "rgba(", "ZgotmplZ", "<b>"} {
		if strings.Contains(strings.ReplaceAll(page, "src=x onerror=", ""), bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	for _, want := range []string{"&lt;script&gt;", `name="viewport"`, "prefers-color-scheme: dark", `role="img" aria-label="`, "default-src 'none'"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	if hosts := regexp.MustCompile(`https?://[^"]*`).FindAllString(page, -1); slices.ContainsFunc(hosts, func(h string) bool {
		return h != "http://www.w3.org/2000/svg" && h != "http://www.w3.org/1999/xlink"
	}) {
		t.Errorf("the page names %q", hosts)
	}
}

// TestPageIsHarmless: no name of a folder, a job, an output or a file in a page, in JSON or in text commands a terminal.
func TestPageIsHarmless(t *testing.T) {
	t.Parallel()
	const hostile = "a\x1b[31m\a\r\x7f\u009b2J\u202e\u2028b"
	r := build(t, Config{Path: example(t)})
	r.Output, r.Name = hostile, hostile
	r.Scores[0].Output = hostile
	for name, write := range map[string]func(io.Writer) error{"html": r.WriteHTML, "json": r.WriteJSON, "text": r.WriteText} {
		var b strings.Builder
		must(t, write(&b))
		if text := b.String(); text != display.Harmless(text) || !strings.Contains(text, `\u202e`) {
			t.Errorf("%s commands a terminal, or has no name", name)
		}
	}
}

func TestTextFitsATerminal(t *testing.T) {
	t.Parallel()
	dir := example(t)
	var b strings.Builder
	must(t, build(t, Config{Path: dir, Previous: dir}).WriteText(&b))
	for line := range strings.Lines(b.String()) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > display.Width {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if strings.Contains(b.String(), "\x1b") {
		t.Error("data moves the cursor")
	}
	for _, want := range []string{"PARTLY.", "edge_out_of_range", "slowest shards", "time by stage", "throughput", "scores \"toxicity\"", "model digest"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

func TestJSONHasEveryList(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	must(t, newReport().WriteJSON(&b))
	var doc map[string]any
	must(t, json.Unmarshal(b.Bytes(), &doc))
	for key, value := range doc {
		if value == nil && key != "run" && key != "sizes" {
			t.Errorf("%s is null", key)
		}
	}
}

func TestScoreDrift(t *testing.T) {
	t.Parallel()
	old, now := filepath.Join(t.TempDir(), "old"), filepath.Join(t.TempDir(), "now")
	night{dir: old, number: 20, parts: 2, graphs: 300, outputs: []string{"charge"}}.write(t)
	night{dir: now, number: 21, parts: 2, graphs: 300, outputs: []string{"charge"}, shift: 0.5}.write(t)
	same := build(t, Config{Path: now, Previous: now}).ScoreDrift
	moved := build(t, Config{Path: now, Previous: old})
	if len(same) != 1 || same[0].KS != 0 {
		t.Errorf("against itself %+v", same)
	}
	d := moved.ScoreDrift
	if len(d) != 1 || d[0].KS < 0.5 || d[0].Mean[1]-d[0].Mean[0] < 0.49 || !strings.Contains(moved.Previous, old) {
		t.Errorf("shifted by 0.5: %+v against %q", d, moved.Previous)
	}
}

func TestRunThatNeverEnded(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "out")
	n := night{dir: dir, number: 20, parts: 3, graphs: 60, outputs: []string{"charge"}, bad: 9, silent: true}
	n.write(t)
	r := build(t, Config{Path: dir})
	if r.State != NotEnded || r.Run != nil || r.Totals.Parts != 3 || !strings.Contains(strings.Join(r.Notes, " "), n.id()) {
		t.Errorf("no record: %+v", r)
	}
	for _, write := range []func(*Report, *bytes.Buffer) error{
		func(r *Report, b *bytes.Buffer) error { return r.WriteHTML(b) },
		func(r *Report, b *bytes.Buffer) error { return r.WriteText(b) },
	} {
		var b bytes.Buffer
		must(t, write(r, &b))
		if b.Len() < 500 {
			t.Errorf("only %s", b.String())
		}
	}
	n.silent = false
	n.write(t)
	if r := build(t, Config{Path: dir}); r.State != Partly && r.State != Done {
		t.Errorf("it was continued, but is %q", r.State)
	}
	n.number, n.silent = 21, true
	n.write(t)
	if r := build(t, Config{Path: dir}); r.State != NotEnded || r.Run.ID != (night{number: 20}).id() {
		t.Errorf("a later run was killed, but the output is %q", r.State)
	}
}

func TestBrokenThingsAreNoted(t *testing.T) {
	t.Parallel()
	dir := example(t)
	part := filepath.Join(dir, "region=03/molecules-00003.parquet")
	whole := []byte(read(t, part))
	whole[len(whole)/3] ^= 0xff
	must(t, os.WriteFile(part, whole, 0o666))
	must(t, os.WriteFile(filepath.Join(dir, "region=04/molecules-00004.parquet"), []byte("PAR1"), 0o666))
	must(t, os.WriteFile(filepath.Join(dir, "_quarantine/region=00/molecules-00000.parquet.jsonl"), []byte("{}\n"), 0o666))
	must(t, os.WriteFile(filepath.Join(dir, "_runs", night{number: 21}.id()+".json"), []byte(`{"run_id": 4}`), 0o666))
	r := build(t, Config{Path: dir})
	notes := strings.Join(r.Notes, "\n")
	for _, want := range []string{"molecules-00003", "molecules-00004", "molecules-00000.parquet.jsonl", night{number: 21}.id()} {
		if !strings.Contains(notes, want) {
			t.Errorf("no word of %s in\n%s", want, notes)
		}
	}
	if r.Totals.Unreadable != 1 || r.Totals.Parts != 11 || r.Run.ID != (night{number: 20}).id() {
		t.Errorf("totals %+v, run %s", r.Totals, r.Run.ID)
	}
}

func TestNoOutput(t *testing.T) {
	t.Parallel()
	empty, dir := t.TempDir(), example(t)
	foreign := t.TempDir()
	must(t, os.WriteFile(filepath.Join(foreign, "a.parquet"), []byte("not parquet at all"), 0o666))
	elsewhere := filepath.Join(empty, "r.json")
	must(t, os.WriteFile(elsewhere, []byte("{}"), 0o666))
	var missing *NotFoundError
	var none *NotOutputError
	var bad *record.Error
	for _, c := range []struct {
		cfg  Config
		want any
	}{
		{Config{Path: filepath.Join(empty, "gone")}, &missing}, {Config{Path: empty}, &none}, {Config{Path: foreign}, &none},
		{Config{Path: elsewhere}, &bad}, {Config{Path: dir, Previous: empty}, &none},
		{Config{Path: dir, Previous: filepath.Join(empty, "gone")}, &missing},
	} {
		_, err := Build(t.Context(), c.cfg)
		if !errors.As(err, c.want) {
			t.Errorf("%+v: %v", c.cfg, err)
		}
	}
	if _, err := Build(t.Context(), Config{}); err == nil {
		t.Error("no path, no error")
	}
}

func TestOlderRun(t *testing.T) {
	t.Parallel()
	dir := example(t)
	r := build(t, Config{Path: filepath.Join(dir, "_runs", night{number: 20}.id()+".json")})
	if r.Run.ID != (night{number: 20}).id() || len(r.Drift) != 0 || len(r.Recent) != 1 || len(r.Notes) == 0 {
		t.Errorf("run %s, drift %+v, recent %+v, notes %q", r.Run.ID, r.Drift, r.Recent, r.Notes)
	}
}

// TestFolderOfDates: the folder above the outputs of a partitioned job is none itself, and says which is.
func TestFolderOfDates(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	night{dir: filepath.Join(dir, "dt=2026-11-20"), number: 20, parts: 1, graphs: 5, outputs: []string{"charge"}}.write(t)
	_, err := Build(t.Context(), Config{Path: dir})
	var none *NotOutputError
	if !errors.As(err, &none) || !strings.Contains(err.Error(), "dt=2026-11-20") {
		t.Error(err)
	}
}
