package report

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"graphscore/pipeline/display"
	"graphscore/writers"
	"graphscore/writers/record"
)

// Dates is the content of a report on the outputs below a folder, as those of the dates of a backfill. Lists are never
// nil.
type Dates struct {
	// Root is the folder above the outputs.
	Root string `json:"root"`
	Name string `json:"name"`
	// State is the worst of all dates with an output, Summary says how many there are of each.
	State   State    `json:"state"`
	Summary string   `json:"summary"`
	Notes   []string `json:"notes"`
	// Backfill is the last one, nil where none left a record.
	Backfill *Backfill `json:"backfill"`
	Planned  int64     `json:"planned_graphs"`
	Totals   Totals    `json:"totals"`
	// Dates are in the order of their names.
	Dates []Date `json:"dates"`
}

// Backfill is how a backfill ended. ExitCode is [record.NotEnded] where it goes on, or was killed.
type Backfill struct {
	ID       string  `json:"id"`
	Started  string  `json:"started"`
	Finished string  `json:"finished"`
	Seconds  float64 `json:"seconds"`
	Since    string  `json:"since"`
	Until    string  `json:"until"`
	ExitCode int     `json:"exit_code"`
	Error    string  `json:"error"`
}

// Date is one output, or a date that has none.
type Date struct {
	// Date is that of the backfill, or the folder where it has none. Output is the folder below the root, with slashes.
	Date    string `json:"date"`
	Output  string `json:"output"`
	State   State  `json:"state"`
	Summary string `json:"summary"`
	// ExitCode and Started are those of the last run, 0 and "" where there is no record of it.
	ExitCode int    `json:"exit_code"`
	Started  string `json:"started"`
	// Graphs are those of parts; Planned, Scored and Quarantined as in a [Report].
	Planned     int64   `json:"planned_graphs"`
	Graphs      int64   `json:"graphs"`
	Scored      int64   `json:"scored"`
	Quarantined int64   `json:"quarantined"`
	Share       float64 `json:"quarantined_share"`
	Seconds     float64 `json:"seconds"`
	PerSecond   float64 `json:"graphs_per_second"`
	// Model is the beginning of the digest of the parts' model, with others counted.
	Model string `json:"model"`
	// Drift is against the output before; nil where there is nothing to compare with.
	Drift *DateDrift `json:"drift"`
	// Page is the report of the date as a path from that of all, "" for none.
	Page string `json:"page"`
}

// DateDrift is the score column that is farthest off by PSI, and how far.
type DateDrift struct {
	// Against is the folder of the output before, below the root where it lies there.
	Against string  `json:"against"`
	Output  string  `json:"output"`
	PSI     float64 `json:"psi"`
	KS      float64 `json:"ks"`
}

// IsRoot reports whether a path is a folder above outputs, and none itself, or the record of a backfill in its _runs.
// Such paths are for [BuildDates], all others for [Build]. Errors are an *atomic.IOError or that of ctx.
func IsRoot(ctx context.Context, path string) (bool, error) {
	info, err := os.Stat(path)
	if err != nil {
		return false, nil // Build says what is wrong with it
	}
	if !info.IsDir() {
		_, is := record.BackfillOf(path)
		return is, nil
	}
	view := writers.NewView(path)
	records, err := view.Records()
	if err != nil || len(records) > 0 {
		return false, err
	}
	holder, err := view.Holder()
	if err != nil || holder != nil {
		return false, err
	}
	backfills, err := record.ListBackfills(path)
	if err != nil || len(backfills) > 0 {
		return len(backfills) > 0, err
	}
	inventory, err := view.List(ctx)
	if err != nil {
		return false, err
	}
	return len(inventory.Outputs) > 0 && !inventory.Lock, nil
}

// BuildDates reports on every output below cfg.Path and on the dates of its last backfill, or of the one whose record
// cfg.Path is. Previous must be empty: each date is compared with what its run knew of. page takes the report of each date
// once it is made, and returns the path of its page as Date.Page has it. Errors are those of [Build] and of page.
func BuildDates(ctx context.Context, cfg Config, page func(*Report) (string, error)) (*Dates, error) {
	d := &Dates{Root: cfg.Path, Notes: []string{}, Dates: []Date{}}
	var files []string
	if dir, is := record.BackfillOf(cfg.Path); is {
		d.Root, files = dir, []string{cfg.Path}
	}
	view := writers.NewView(d.Root)
	inventory, err := view.List(ctx)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		if files, err = record.ListBackfills(d.Root); err != nil {
			return nil, err
		}
	}
	known, err := d.backfill(files)
	if err != nil {
		return nil, err
	}
	for _, name := range inventory.Outputs {
		date := Date{Date: name, Output: name, Model: "–"}
		if r, is := known[name]; is {
			date.Date = r.Date
		}
		if err := d.build(ctx, view.Path(name), &date, page); err != nil {
			return nil, err
		}
		delete(known, name)
	}
	for output, r := range known {
		if date, is := without(output, r); is {
			d.Dates = append(d.Dates, date)
		}
	}
	slices.SortFunc(d.Dates, func(a, b Date) int { return cmp.Or(cmp.Compare(a.Date, b.Date), cmp.Compare(a.Output, b.Output)) })
	d.conclude()
	return d, nil
}

// backfill describes the first record that can be read, and returns its dates by their folders below the root.
func (d *Dates) backfill(files []string) (map[string]record.BackfillDate, error) {
	known := map[string]record.BackfillDate{}
	for _, file := range files {
		rec, err := record.ReadBackfill(file)
		var bad *record.Error
		if errors.As(err, &bad) && len(files) > 1 {
			d.Notes = append(d.Notes, fmt.Sprintf("The record %s was left out: %s.", filepath.Base(file), bad.Reason))
			continue
		}
		if err != nil {
			return nil, err
		}
		d.Name = rec.Name
		d.Backfill = &Backfill{
			ID: rec.BackfillID, Started: rec.Started, Finished: rec.Finished, Seconds: rec.Seconds,
			Since: rec.Since, Until: rec.Until, ExitCode: rec.ExitCode, Error: rec.Error,
		}
		if rec.ExitCode == record.NotEnded {
			d.Notes = append(d.Notes, "The backfill "+rec.BackfillID+" has not ended: it is still running, or it was killed. The same command continues it.")
		}
		above := aboveDates(rec.Output)
		for _, date := range rec.Dates {
			if rel, err := filepath.Rel(above, date.Output); err == nil {
				known[filepath.ToSlash(rel)] = date
			}
		}
		return known, nil
	}
	return known, nil
}

// aboveDates is the folder above the first element of a path that has a placeholder.
func aboveDates(path string) string {
	at := strings.IndexByte(path, '{')
	if at < 0 {
		return path
	}
	return filepath.Dir(path[:at] + "x")
}

// build reports on one output.
func (d *Dates) build(ctx context.Context, dir string, date *Date, page func(*Report) (string, error)) error {
	r, err := Build(ctx, Config{Path: dir})
	var none *NotOutputError
	if errors.As(err, &none) {
		date.State, date.Summary = NotEnded, "A run began here, but left neither parts nor a record."
		d.Dates = append(d.Dates, *date)
		return nil
	}
	if err != nil {
		return err
	}
	if date.Page, err = page(r); err != nil {
		return err
	}
	d.Name = cmp.Or(d.Name, r.Name)
	date.State, date.Summary = r.State, r.Summary
	date.Planned, date.Graphs, date.Scored, date.Quarantined = r.Planned, r.Totals.Graphs, r.Totals.Scored, r.Totals.Quarantined
	date.Share = float64(date.Quarantined) / float64(max(date.Graphs, 1))
	if r.Run != nil {
		date.ExitCode, date.Started, date.Seconds, date.PerSecond = r.Run.ExitCode, r.Run.Started, r.Run.Seconds, r.Run.PerSecond
	}
	var models []string
	for _, f := range r.Provenance {
		if f.Name == "model digest" {
			models = append(models, short(f.Value))
		}
	}
	if len(models) > 0 {
		if date.Model = models[0]; len(models) > 1 {
			date.Model += fmt.Sprintf(" and %d more", len(models)-1)
		}
	}
	against, _, _ := strings.Cut(strings.TrimPrefix(r.Previous, strings.TrimSuffix(d.Root, "/")+"/"), ": ")
	for _, s := range r.ScoreDrift {
		if date.Drift == nil || s.PSI > date.Drift.PSI {
			date.Drift = &DateDrift{Against: against, Output: s.Output, PSI: s.PSI, KS: s.KS}
		}
	}
	d.Dates = append(d.Dates, *date)
	d.sum(&r.Totals)
	d.Planned += max(r.Planned, r.Totals.Graphs)
	return nil
}

func (d *Dates) sum(t *Totals) {
	d.Totals.Parts += t.Parts
	d.Totals.Bytes += t.Bytes
	d.Totals.Graphs += t.Graphs
	d.Totals.Scored += t.Scored
	d.Totals.Quarantined += t.Quarantined
	d.Totals.Nodes += t.Nodes
	d.Totals.Unreadable += t.Unreadable
	d.Totals.Missing += t.Missing
}

// without describes a date of a backfill that has no output, unless it was not asked for.
func without(output string, r record.BackfillDate) (Date, bool) {
	date := Date{Date: r.Date, Output: output, ExitCode: r.ExitCode, Seconds: r.Seconds, Model: "–"}
	switch r.Outcome {
	case record.DateNoInput:
		date.State, date.Summary = NoInput, "Its input does not exist."
	case record.DateNotBegun, record.DateWouldRun:
		date.State, date.Summary = NotBegun, "The backfill ended before its turn."
	case record.DateFailed, record.DateStopped:
		date.State, date.Summary = Broken, fmt.Sprintf("It failed (exit code %d): %s", r.ExitCode, r.Error)
	case record.DateScored, record.DateDone:
		date.State, date.Summary = Broken, "It was scored, but its output is gone."
	default:
		return date, false
	}
	return date, true
}

// conclude sums up the states.
func (d *Dates) conclude() {
	count := map[State]int64{}
	for _, date := range d.Dates {
		count[date.State]++
	}
	var said []string
	for _, s := range []State{Broken, NotEnded, Partly, NotBegun, Empty, NoInput, Done} {
		if count[s] > 0 {
			d.State = cmp.Or(d.State, s)
			said = append(said, comma(count[s])+" "+string(s))
		}
	}
	switch { // dates without input are skipped on purpose; they do not make the others less done
	case d.State == "":
		d.State = Empty
	case (d.State == NoInput || d.State == Empty) && count[Done] > 0:
		d.State = Done
	case d.State == NotBegun:
		d.State = Partly
	case d.State == NoInput:
		d.State = Empty
	}
	if d.Backfill != nil && d.Backfill.ExitCode == record.NotEnded && d.State != Broken {
		d.State = NotEnded
	}
	graphs := comma(d.Totals.Scored)
	if d.Planned > 0 {
		graphs += " of " + comma(d.Planned)
	}
	d.Summary = fmt.Sprintf("%s: %s. %s graphs scored.", display.Plural(int64(len(d.Dates)), "date"), cmp.Or(strings.Join(said, ", "), "no output"), graphs)
}
