package report

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"graphscore/pipeline/display"
	"graphscore/writers/record"
)

// week is a folder of dates after a backfill: scored, with drift, in quarantine, failed, killed, without input, not begun.
func week(t *testing.T) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "out")
	at := func(date string) string { return filepath.Join(root, "dt="+date) }
	n := night{number: 16, parts: 3, graphs: 150, outputs: []string{"charge", "toxicity"}}
	rec := &record.Backfill{BackfillID: "20261122T060000Z-0000000a", Name: "molecules", Started: "2026-11-22T06:00:00Z",
		Finished: "2026-11-22T06:20:00Z", Seconds: 1200, ExitCode: 69, Error: "2 dates failed, 1 date not begun",
		Since: "2026-11-16", Until: "2026-11-23", Output: filepath.Join(root, "dt={date}")}
	for i, outcome := range []string{
		record.DateDone, record.DateScored, record.DateScored, record.DateFailed, record.DateStopped, record.DateNoInput, record.DateNotBegun,
	} {
		date := "2026-11-" + []string{"16", "17", "18", "19", "20", "21", "22"}[i]
		d := record.BackfillDate{Date: date, Output: at(date), Outcome: outcome}
		n.dir, n.number, n.shift, n.bad, n.exit, n.failed, n.silent = at(date), 16+i, float32(i)*0.1, 0, 0, 0, false
		switch outcome {
		case record.DateFailed:
			n.exit, n.failed, d.ExitCode, d.Error = 69, 4, 69, "the scorer is gone"
		case record.DateStopped:
			n.silent = true
		case record.DateScored:
			n.bad, n.exit = 30, 3
		}
		if i < 5 {
			n.write(t)
			n.previous = n.dir
		}
		rec.Dates = append(rec.Dates, d)
	}
	must(t, record.WriteBackfill(t.Context(), root, rec))
	return root
}

func dates(t *testing.T, root string) *Dates {
	t.Helper()
	d, err := BuildDates(t.Context(), Config{Path: root}, func(r *Report) (string, error) {
		return "./" + filepath.Base(r.Output) + "/_report.html", nil
	})
	must(t, err)
	return d
}

func TestDates(t *testing.T) {
	t.Parallel()
	root := week(t)
	d := dates(t, root)
	var states []string
	for _, date := range d.Dates {
		states = append(states, string(date.State))
	}
	if got := strings.Join(states, ", "); got != "done, partly, partly, failed, not ended, no input, not begun" {
		t.Error(got)
	}
	if d.State != Broken || d.Totals.Scored != 2220 || d.Planned != 2850 || d.Backfill.ExitCode != 69 ||
		d.Summary != "7 dates: 1 failed, 1 not ended, 2 partly, 1 not begun, 1 no input, 1 done. 2,220 of 2,850 graphs scored." {
		t.Errorf("%s, %+v of %d: %s", d.State, d.Totals, d.Planned, d.Summary)
	}
	if drift := d.Dates[1].Drift; d.Dates[0].Drift != nil || drift == nil || drift.PSI <= 0 || drift.Output != "charge" {
		t.Errorf("drift %+v, %+v", d.Dates[0].Drift, drift)
	}
	if d.Dates[3].Planned != 1050 || d.Dates[3].Scored != 450 || d.Dates[6].Page != "" || d.Dates[0].Page == "" {
		t.Errorf("%+v", d.Dates)
	}
	var page, text, doc bytes.Buffer
	must(t, d.WriteHTML(&page))
	must(t, d.WriteText(&text))
	must(t, d.WriteJSON(&doc))
	for _, want := range []string{`href="./dt=2026-11-17/_report.html"`, "Graphs scored by date", "Drift by date", "the scorer is gone", "Throughput by date"} {
		if !strings.Contains(page.String(), want) && want != "the scorer is gone" {
			t.Errorf("the page has no %s", want)
		}
	}
	if strings.Contains(page.String(), "ZgotmplZ") || strings.Contains(doc.String(), `"dates": null`) {
		t.Error(page.String())
	}
	for line := range strings.Lines(text.String()) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > display.Width {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

// TestIsRoot: a folder above outputs, one with nothing but the record of a backfill, and that record; no output.
func TestIsRoot(t *testing.T) {
	t.Parallel()
	root, empty := week(t), t.TempDir()
	must(t, record.WriteBackfill(t.Context(), empty, &record.Backfill{BackfillID: "20261122T060000Z-0000000a", Output: empty + "/{date}",
		Dates: []record.BackfillDate{{Date: "2026-11-16", Output: empty + "/2026-11-16", Outcome: record.DateNoInput}}}))
	files, err := record.ListBackfills(root)
	must(t, err)
	for path, want := range map[string]bool{
		root: true, empty: true, files[0]: true, filepath.Join(root, "dt=2026-11-16"): false, t.TempDir(): false, root + "/gone": false,
	} {
		is, err := IsRoot(t.Context(), path)
		must(t, err)
		if is != want {
			t.Errorf("%s: %v", path, is)
		}
	}
	if d := dates(t, empty); d.State != Empty || len(d.Dates) != 1 || d.Dates[0].State != NoInput {
		t.Errorf("%+v", d)
	}
	if d := dates(t, files[0]); len(d.Dates) != 7 || d.Root != root {
		t.Errorf("%+v", d)
	}
}
