package backfill

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"graphscore/jobs"
	"graphscore/jobs/preflight"
	"graphscore/jobs/run"
	"graphscore/jobs/submit"
	"graphscore/pipeline/exit"
	"graphscore/writers"
	"graphscore/writers/record"
)

// What Config.Only may be.
const (
	OnlyMissing = "missing" // dates without _SUCCESS
	OnlyFailed  = "failed"  // those that have a run record but no _SUCCESS
	OnlyStale   = "stale"   // those with parts that do not match input, model and settings, which are scored again, or whose last run was stopped
	OnlyAll     = "all"
)

const (
	maxDates    = 100_000
	maxParallel = 64
)

// Config says which dates of a job are run, and how.
type Config struct {
	// Run is what all dates have in common. Its job has a {date}, its ID is that of the backfill.
	Run run.Config
	// Since is the first date, Until the first one that is left out; "" is the one that now is in, so that only what
	// is over is run.
	Since, Until string
	// Only selects dates by their outputs: see the constants.
	Only string
	// Parallel is the number of dates at once.
	Parallel int
	// MaxFailures is the number of failed dates after which no more begin, 0 for any. No more fail: of the dates that
	// may still fail, so many at most are under way at once.
	MaxFailures int
	// NewestFirst begins with the last date. DryRun runs nothing.
	NewestFirst, DryRun bool
	// Submit has an engine make the parts of all dates, nil for workers of this process. Its Run and Window belong to the
	// backfill.
	Submit *submit.Config
}

// Nightly reports whether what was asked for is a window of dates that moves with the clock and ends now: the night of a
// job, and not a backfill of old dates. One of failed or stale dates only leaves others out, and is none.
func (c Config) Nightly() bool {
	calendar, err := c.Run.Job.Calendar()
	if err != nil { // it will not run
		calendar = jobs.Calendar{}
	}
	if !calendar.Relative(c.Since) || c.Only != OnlyMissing && c.Only != OnlyAll {
		return false
	}
	if c.Until == "" {
		return true
	}
	now := c.Run.Now()
	until, err := calendar.Parse(c.Until, now)
	return err == nil && calendar.Relative(c.Until) && until == calendar.Current(now)
}

func usagef(format string, args ...any) error {
	return &run.UsageError{Message: fmt.Sprintf(format, args...)}
}

// New checks what was asked for and lists the dates. Errors are a *run.UsageError or a *jobs.Error.
func New(cfg Config) (*Backfill, error) {
	job := *cfg.Run.Job
	cfg.Run.Job = &job
	b := &Backfill{Config: cfg}
	var err error
	if b.calendar, err = job.Calendar(); err != nil {
		return nil, err
	}
	if !job.OutputDated() {
		return nil, &jobs.Error{Path: job.Path, Reason: fmt.Sprintf(
			"output.path %s has no {date}, so that every date would have the same output: add one, as in %s",
			job.Output.Path, strings.TrimSuffix(job.Output.Path, "/")+"/dt={date}")}
	}
	if all := []string{OnlyMissing, OnlyFailed, OnlyStale, OnlyAll}; !slices.Contains(all, b.Only) {
		return nil, usagef("--only is %q: it must be one of %s", b.Only, strings.Join(all, ", "))
	}
	if b.Parallel < 1 || b.Parallel > maxParallel {
		return nil, usagef("--parallel is %d: it must be from 1 to %d", b.Parallel, maxParallel)
	}
	if err := b.checkSubmit(); err != nil {
		return nil, err
	}
	if err := b.list(); err != nil {
		return nil, err
	}
	if err := job.Validate(); err != nil {
		return nil, err
	}
	if b.NewestFirst && job.DriftDated() {
		return nil, usagef("--newest-first is given, but gates.drift compares each date with the one before it, which would come later: leave it out")
	}
	if b.Only == OnlyStale {
		job.OnChange = "rescore" // stale parts are what is asked for
	}
	if !job.InputDated() {
		b.Run.Log.Warn("input.path has no {date}: every date reads the same input", "input", job.Input.Path.String())
	}
	return b, nil
}

// list fills in the dates from Since to Until.
func (b *Backfill) list() error {
	if b.Since == "" {
		return usagef("backfill needs --since DATE: see graphscore backfill --help")
	}
	now := b.Run.Now()
	since, err := b.calendar.Parse(b.Since, now)
	if err != nil {
		return usagef("--since: %v", err)
	}
	until := b.calendar.Current(now)
	if b.Until != "" {
		if until, err = b.calendar.Parse(b.Until, now); err != nil {
			return usagef("--until: %v", err)
		}
	}
	switch {
	case until.Before(since):
		return usagef("--since %s is after --until %s", since, until)
	case until == since:
		return usagef("--since %s and --until %s leave no %s: --until is the first that is left out", since, until, b.calendar.Unit)
	}
	for d := range b.calendar.Dates(since, until) {
		if len(b.days) == maxDates {
			return usagef("--since %s and --until %s are more than %d dates apart: run less at a time", since, until, maxDates)
		}
		b.days = append(b.days, d)
		b.dates = append(b.dates, Date{BackfillDate: record.BackfillDate{
			Date: d.String(), Output: b.Run.Job.On(d).Output.Path, Outcome: record.DateNotBegun,
		}})
	}
	b.Since, b.Until = since.String(), until.String()
	if folders := b.Run.Job.NoDates(b.calendar, since, until); len(folders) > 0 {
		b.Run.Log.Warn("left out: no dates of the job's timezone, whose clocks skip them", "timezone", b.calendar.Location.String(), "folders", folders)
	}
	return nil
}

// choose settles the dates that their folders alone decide, and returns the places of the others in the order of
// running.
func (b *Backfill) choose(ctx context.Context) []int {
	var due []int
	for i := range b.dates {
		d := &b.dates[i]
		found, err := existing(ctx, d.Output)
		switch {
		case err != nil: // the run will say what is wrong
			due = append(due, i)
		case b.Only == OnlyMissing && b.again(d.Output, found):
			due = append(due, i)
		case b.Only != OnlyAll && b.Only != OnlyStale && found.Success && len(found.Temporary) == 0:
			d.Outcome = record.DateDone
			d.ExitCode = run.ExitCode(partly(found))
		case b.Only == OnlyFailed && found.Records == 0, b.Only == OnlyStale && !found.Ours():
			d.Outcome = record.DateNotSelected
		default:
			due = append(due, i)
		}
	}
	if b.NewestFirst {
		slices.Reverse(due)
	}
	return due
}

// again reports whether graphs of an output are in quarantine that a run would, or may, try to score again.
func (b *Backfill) again(output string, found *writers.Inventory) bool {
	if b.Run.RetryQuarantined {
		return len(found.Quarantines) > 0
	}
	view := writers.NewView(output)
	return slices.ContainsFunc(found.Quarantines, func(name string) bool {
		f, err := view.Footer(name)
		return err != nil || run.OfTheMoment(f) // of what cannot be read, the run will say what is wrong
	})
}

// existing is what an output holds, empty where there is none. Errors are those of [writers.View.List].
func existing(ctx context.Context, output string) (*writers.Inventory, error) {
	found, err := writers.NewView(output).List(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return &writers.Inventory{}, nil
	}
	return found, err
}

// partly is the outcome of an output that is done and has graphs in quarantine, or nil.
func partly(found *writers.Inventory) error {
	if len(found.Quarantines) == 0 {
		return nil
	}
	return &run.OutcomeError{Code: exit.Partly, Message: "graphs are in quarantine", Said: true}
}

// look settles a date without running it: in a dry run always, and where only stale ones are run and it is not. The
// error is how the date ends, or in a dry run would end.
func (b *Backfill) look(ctx context.Context, i int, in *run.Input) (settled bool, err error) {
	d := &b.dates[i]
	if in.Plan.Empty() {
		d.Outcome = record.DateNoInput
		return true, in.Missing()
	}
	if b.Only == OnlyStale {
		if settled, err = b.settleFresh(ctx, d, in); settled || err != nil {
			return true, err
		}
	}
	if !b.DryRun {
		return false, nil
	}
	return true, b.foresee(ctx, d, in)
}

// settleFresh settles a date that is not stale.
func (b *Backfill) settleFresh(ctx context.Context, d *Date, in *run.Input) (settled bool, err error) {
	found, err := existing(ctx, d.Output)
	if err != nil {
		return false, err
	}
	stale, err := b.stale(ctx, in, found)
	switch {
	case err != nil || stale:
		return false, err
	case !found.Success: // its parts match, but it is not done: a gate failed
		d.Outcome = record.DateNotSelected
		return true, nil
	default:
		d.Outcome = record.DateDone
		return true, partly(found)
	}
}

// foresee says what a run of a date would do; the error is the one that it would end with, as far as footers say.
func (b *Backfill) foresee(ctx context.Context, d *Date, in *run.Input) error {
	d.Outcome = record.DateWouldRun
	d.Counts.Files, d.Counts.Shards, d.Counts.RowsIn = int64(in.Files()), int64(len(in.Plan.Shards)), in.Plan.Rows
	f, err := preflight.Foresee(ctx, in, b.session.describe)
	if err != nil {
		return err
	}
	d.Counts.ShardsSkipped, d.Counts.Skipped = int64(f.Skip.Shards), f.Skip.Graphs
	d.Refused, d.Quarantined = f.Refused, f.Quarantined
	// Scores that exist are compared again where no _SUCCESS says that they passed: nobody knows how that ends.
	compared := in.Job.Gates.Drift != nil && !b.succeeded(d.Output)
	if d.Counts.Shards > 0 && d.Counts.Shards == d.Counts.ShardsSkipped && !compared {
		d.Outcome = record.DateDone
	}
	return f.Ends
}

// succeeded reports whether an output has its _SUCCESS; it has not where nobody can say.
func (b *Backfill) succeeded(output string) bool {
	done, err := writers.NewView(output).Succeeded()
	return done && err == nil
}

// stale reports whether parts of a date do not match, or whether its last run did not come to its end: it may have been
// one that scored stale parts again.
func (b *Backfill) stale(ctx context.Context, in *run.Input, found *writers.Inventory) (bool, error) {
	if len(found.Temporary) > 0 {
		return true, nil
	}
	if !found.Success {
		if ended, err := lastEnded(writers.NewView(in.Job.Output.Path)); err != nil || !ended {
			return true, err
		}
	}
	served, err := b.served(ctx)
	if err != nil {
		return false, err
	}
	return in.Stale(ctx, served, found.Success)
}

// served is what scores, or in a dry run would.
func (b *Backfill) served(ctx context.Context) (run.Served, error) {
	if b.DryRun {
		return b.session.describe(ctx)
	}
	s, err := b.session.Borrow(ctx)
	if err != nil {
		return run.Served{}, err
	}
	return s.Served, nil
}

// lastEnded reports whether the last run of an output came to its end, as its record says. A run that was killed has
// none. Where no lock names a run nobody can say, and the answer is yes. The error is an *atomic.IOError.
func lastEnded(view writers.View) (bool, error) {
	last, err := view.Holder()
	if last == nil || err != nil {
		return err == nil, err
	}
	name := last.RunID + ".json"
	if !record.IsName(name) { // it comes from a file
		return true, nil
	}
	rec, err := record.Read(view.Path(record.Dir + "/" + name))
	var broken *record.Error
	if errors.Is(err, fs.ErrNotExist) || errors.As(err, &broken) {
		return false, nil
	}
	return err == nil && exit.Ended(rec.ExitCode), err
}
