package backfill

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"graphscore/jobs/run"
	"graphscore/jobs/submit"
	"graphscore/pipeline"
	"graphscore/pipeline/display"
	"graphscore/pipeline/exit"
	"graphscore/writers"
	"graphscore/writers/record"
)

// waiting is a date of which an array makes the parts, until it is finished.
type waiting struct {
	place   int // in dates
	cfg     run.Config
	planned *submit.Planned
	plan    string // the path of its plan, "" before something was submitted
	ended   bool
}

// checkSubmit refuses what shards cannot do.
func (b *Backfill) checkSubmit() error {
	if b.Submit == nil {
		return nil
	}
	switch {
	case b.Only == OnlyStale:
		return usagef("--engine and --only stale exclude each other: shards replace no parts; run the backfill without --engine")
	case b.Run.RetryQuarantined:
		return usagef("--engine and --retry-quarantined exclude each other: shards replace no parts; run the backfill without --engine")
	case b.Parallel > 1:
		return usagef("--engine and --parallel exclude each other: give --at-once N to bound the tasks of the array")
	case b.MaxFailures > 0:
		return usagef("--engine and --max-failures exclude each other: an array begins all dates")
	}
	b.Run.SideBySide = true // with the shards
	return nil
}

// submitID is that of the submission, "" without one.
func (b *Backfill) submitID() string {
	if b.submit == nil {
		return ""
	}
	return b.submit.SubmitID
}

// submitAll plans the dates, has an engine make their parts over one array, and finishes each. What becomes of each is in its
// entry; the error is that of the engine, of the submission, or of ctx.
func (b *Backfill) submitAll(ctx context.Context, due []int) error {
	if err := b.planAll(ctx, due); err != nil {
		return err
	}
	cfg := b.submission()
	if len(b.waiting) == 0 {
		cfg.EndOver(ctx, b.held)
		return nil
	}
	cfg.Whole = func(ctx context.Context, date, plan string) bool { return b.whole(ctx, date, plan) }
	planned := b.planned()
	b.opt.Held()
	err := b.opt.Show(ctx, cfg.Shards*len(planned), func(ctx context.Context) (err error) {
		b.submit, err = cfg.Execute(ctx, b.held, planned)
		return err
	})
	if err != nil {
		b.stop()
		return err
	}
	for _, w := range b.waiting {
		if !w.ended {
			if b.submit != nil {
				w.plan = b.submit.PlanOf(w.cfg.Date)
			}
			b.finish(ctx, w, false)
		}
	}
	return ctx.Err()
}

// Scripts returns the scripts of the arrays that [Backfill.Execute] would submit first, and writes nothing. Dates that cannot
// be planned are settled as in a dry run. The error is that of the engine, or how the backfill would end as far as plans
// say.
func (b *Backfill) Scripts(ctx context.Context) ([]submit.Script, error) {
	b.opt = Options{}.withDefaults()
	b.session = shared{cfg: b.Run}
	if err := b.planAll(ctx, b.choose(ctx)); err != nil {
		return nil, err
	}
	cfg := b.submission()
	scripts, err := cfg.Scripts(ctx, b.Run.DatesSubmission(), b.planned())
	if err != nil {
		return nil, err
	}
	return scripts, b.outcome()
}

// planned are the plans of the dates that are submitted.
func (b *Backfill) planned() []*submit.Planned {
	planned := make([]*submit.Planned, len(b.waiting))
	for i, w := range b.waiting {
		planned[i] = w.planned
	}
	return planned
}

// submission is what is submitted.
func (b *Backfill) submission() submit.Config {
	cfg := *b.Submit
	cfg.Run = b.Run
	cfg.Window = fmt.Sprintf("%s dates from %s until %s", b.Only, b.Since, b.Until)
	cfg.Asked = func(date string) bool {
		return slices.ContainsFunc(b.dates, func(d Date) bool { return d.Date == date })
	}
	return cfg
}

// planAll plans the dates. One that cannot be planned has ended; of the others the array makes the parts.
func (b *Backfill) planAll(ctx context.Context, due []int) error {
	for _, i := range due {
		d, cfg := &b.dates[i], b.dated(i)
		w, settled, err := b.plan(ctx, i, cfg)
		if ctx.Err() != nil {
			b.stop()
			return context.Cause(ctx)
		}
		if settled || err != nil {
			b.settle(d, cfg, settled, err)
			continue
		}
		b.waiting = append(b.waiting, w)
	}
	return nil
}

// plan plans a date, unless a look settles it.
func (b *Backfill) plan(ctx context.Context, i int, cfg run.Config) (w *waiting, settled bool, err error) {
	in, err := run.Prepare(ctx, submit.Refusing(cfg))
	if err != nil {
		return nil, false, err
	}
	in.LogPlan(ctx)
	if in.Plan.Empty() {
		b.dates[i].Outcome = record.DateNoInput
		return nil, true, in.Missing()
	}
	one := b.submission()
	if err := one.CheckApart(ctx, cfg.Job.Output.Path); err != nil {
		return nil, false, err
	}
	p, err := submit.Plan(ctx, in, b.session.describe)
	return &waiting{place: i, cfg: cfg, planned: p}, false, err
}

// stop marks the dates that are not finished once something was submitted: their tasks may go on.
func (b *Backfill) stop() {
	for _, w := range b.waiting {
		if !w.ended && b.submit != nil && len(b.submit.Rounds) > 0 {
			b.dates[w.place].Outcome = record.DateStopped
		}
	}
}

// whole finishes a date whose parts all exist while the array goes on, but with a gate on drift not before the one that it
// is compared with.
func (b *Backfill) whole(ctx context.Context, date, plan string) (ended bool) {
	for _, w := range b.waiting {
		switch {
		case w.cfg.Date == date:
			if w.plan = plan; !w.ended {
				b.finish(ctx, w, true)
			}
			return w.ended
		case !w.ended && b.Run.Job.DriftDated():
			return false
		}
	}
	return false
}

// finish ends the output of a date as the command finish does. An early one that lacks a part or that something else holds is
// left for later.
func (b *Backfill) finish(ctx context.Context, w *waiting, early bool) {
	d, progress := &b.dates[w.place], &pipeline.Progress{}
	ctx, end := b.opt.BeginDate(ctx, d.Date)
	cfg := w.cfg
	cfg.Finish, cfg.AllInput, cfg.Count, cfg.Balance, cfg.PlanFile = true, true, b.Submit.Shards, b.Submit.Run.Balance, w.plan
	in, err := run.Prepare(ctx, cfg)
	if err == nil {
		options := b.opt.Run
		options.Lender, options.Progress, options.AnyAge, options.DatesHeld = &b.session, progress, true, true
		d.Run, err = run.Execute(ctx, in, options)
	}
	err = run.Stopped(ctx, err)
	var held *writers.LockedError // another 75 would be found again at each look
	if early && (errors.As(err, &held) || len(d.Run.Missing) > 0 || ctx.Err() != nil) {
		end(nil)
		return
	}
	if len(d.Run.Missing) > 0 && run.ExitCode(err) == exit.Partly {
		err = b.given(d.Date, err)
	}
	end(err)
	if d.Run.Recorded {
		d.RunID, d.Counts = d.Run.Record.RunID, d.Run.Record.Counts
	}
	b.meter.begin(progress)
	b.settle(d, cfg, false, err)
	b.meter.end(progress, d.Outcome == record.DateFailed)
	w.ended = true
}

// given is how a date ended of which parts do not exist as shards were given up: with the code of the first that decides, as
// if the date had been run here, and its words.
func (b *Backfill) given(date string, err error) error {
	var failed []record.FailedShard
	if b.submit != nil {
		failed = slices.DeleteFunc(slices.Clone(b.submit.Failed), func(f record.FailedShard) bool { return f.Date != date })
	}
	if len(failed) == 0 {
		return &run.OutcomeError{Code: exit.IO, Message: err.Error() + ": they were removed, or their input came, after the plan was made; the same command makes them"}
	}
	decides, code := deciding(failed)
	decides.Date = ""
	message := submit.Describe(decides)
	if more := len(failed) - 1; more > 0 {
		message += fmt.Sprintf(", and %s more", display.Plural(int64(more), "shard"))
	}
	return &run.OutcomeError{Code: code, Message: message}
}

// deciding is the shard of a date that was given up and decides how the date ended, with the code for it: the first that would
// fail again, else the first with a code of graphscore's for what may pass, else, with 69, the first that ended by anything
// else, as with its machine. One that could not read a file (3) decides where all are such.
func deciding(failed []record.FailedShard) (record.FailedShard, int) {
	may := []int{exit.NoScorer, exit.IO, exit.Locked}
	first := func(is func(code int) bool) int {
		return slices.IndexFunc(failed, func(f record.FailedShard) bool { return f.ExitCode != exit.Partly && is(f.ExitCode) })
	}
	if i := first(func(code int) bool { return !submit.MayPass(code) }); i >= 0 {
		return failed[i], failed[i].ExitCode
	}
	if i := first(func(code int) bool { return slices.Contains(may, code) }); i >= 0 {
		return failed[i], failed[i].ExitCode
	}
	if i := first(func(int) bool { return true }); i >= 0 {
		return failed[i], exit.NoScorer
	}
	return failed[0], exit.Partly
}
