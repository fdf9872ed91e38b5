package cli

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"graphscore/pipeline"
	"graphscore/writers"
	"graphscore/writers/record"
)

// execute runs the dates, writes the record, and tells what came out.
func (b *backfill) execute(ctx context.Context) error {
	begun := b.choose(ctx)
	if err := b.beginRecord(ctx); err != nil {
		return err
	}
	err := b.watched(ctx, len(begun), func(ctx context.Context) error { return b.runAll(ctx, begun) })
	if b.session != nil {
		if b.session.pool != nil {
			b.workerMemory = b.session.pool.PeakMemory()
		}
		err = b.weightier(ctx, err, b.session.Close())
	}
	err = b.signalled(err)
	if err == nil {
		err = b.outcome()
	}
	rec := b.record(err)
	b.rec = rec
	if !b.dryRun {
		// A signal ends the dates, not the record of them.
		err = b.weightier(ctx, err, record.WriteBackfill(context.WithoutCancel(ctx), b.job.Above(), rec))
	}
	return b.weightier(ctx, err, b.summarize(rec, err))
}

// beginRecord leaves a record that stays if the process is killed.
func (b *backfill) beginRecord(ctx context.Context) error {
	if b.dryRun {
		return nil
	}
	rec := b.record(nil)
	rec.ExitCode, rec.Finished, rec.Seconds = record.NotEnded, "", 0
	return record.WriteBackfill(ctx, b.job.Above(), rec)
}

// choose settles what the folders alone tell, and gives the places of the other dates in the order of running.
func (b *backfill) choose(ctx context.Context) []int {
	var begun []int
	for i := range b.entries {
		d := &b.entries[i]
		there, known := standing(ctx, d.Output)
		switch {
		case !known: // the run will tell what is wrong
			begun = append(begun, i)
		case b.only != onlyAll && b.only != onlyStale && there.Success && len(there.Temporary) == 0:
			d.Outcome = record.DateDone
			d.ExitCode = exitCode(partly(there))
		case b.only == onlyFailed && there.Records == 0, b.only == onlyStale && !there.Ours():
			d.Outcome = record.DateNotSelected
		default:
			begun = append(begun, i)
		}
	}
	if b.newestFirst {
		slices.Reverse(begun)
	}
	return begun
}

// standing is what lies in an output, empty where there is none.
func standing(ctx context.Context, output string) (there *writers.Inventory, known bool) {
	there, err := writers.NewView(output).List(ctx)
	if err != nil {
		return &writers.Inventory{}, errors.Is(err, fs.ErrNotExist)
	}
	return there, true
}

// partly is the outcome of an output that is done and has graphs in quarantine, or nil.
func partly(there *writers.Inventory) error {
	if len(there.Quarantines) == 0 {
		return nil
	}
	return &outcomeError{code: exitPartly, message: "graphs are in quarantine", said: true}
}

// runAll runs dates, so many at once. What becomes of each is in its entry; the error is that of ctx.
func (b *backfill) runAll(ctx context.Context, begun []int) error {
	var g errgroup.Group
	g.SetLimit(b.parallel)
	var before chan struct{}
	for _, i := range begun {
		if b.halted.Load() || ctx.Err() != nil {
			break // Go would block at the limit
		}
		done := make(chan struct{})
		b.entries[i].before = before
		before = done
		g.Go(func() error {
			defer close(done)
			if b.halted.Load() || ctx.Err() != nil {
				return nil
			}
			b.run(ctx, i)
			return nil
		})
	}
	return errors.Join(g.Wait(), ctx.Err())
}

// run runs one date and fills in its entry.
func (b *backfill) run(ctx context.Context, i int) {
	r := b.dated(i)
	b.meter.begin(r.progress)
	defer func() { b.meter.end(r.progress, b.entries[i].Outcome == record.DateFailed) }()
	d := &b.entries[i]
	ctx, end := b.seen.tracing().Command(ctx, "run", "graphscore.date", d.Date)
	settled, err := b.look(ctx, i, r)
	if !settled && err == nil {
		err = r.execute(ctx)
	}
	d.Seconds, d.rec = elapsed(r.start, b.now()), r.rec
	if r.rec != nil {
		d.RunID, d.Counts = r.rec.RunID, r.rec.Counts
	}
	err = b.signalled(err)
	code := exitCode(err)
	d.ExitCode = code
	end(code, failure(err))
	if err != nil && code != exitPartly {
		d.Error = strings.Join(strings.Fields(err.Error()), " ")
	}
	var stopped *signalError
	switch {
	case errors.As(err, &stopped) || errors.Is(err, context.Canceled):
		d.Outcome = record.DateStopped
	case code != exitDone && code != exitPartly:
		b.failed(d)
	case settled:
	case r.plan.Empty():
		d.Outcome = record.DateNoInput
	case d.Counts.Shards > 0 && d.Counts.Shards == d.Counts.ShardsSkipped:
		d.Outcome = record.DateDone
	default:
		d.Outcome = record.DateScored
	}
}

// dated is the run of one date.
func (b *backfill) dated(i int) *run {
	e := *b.env
	e.start, e.log = b.now(), b.log.With("date", b.entries[i].Date)
	job := b.job.On(b.dates[i])
	return &run{env: &e, flags: b.flags, job: &job, date: b.entries[i].Date, part: b, before: b.entries[i].before, progress: &pipeline.Progress{}}
}

// failed counts a failure. Where what scores is gone or refuses us, the next dates would fail alike.
func (b *backfill) failed(d *entry) {
	d.Outcome = record.DateFailed
	n := b.failures.Add(1)
	if b.maxFailures > 0 && n >= int64(b.maxFailures) || d.ExitCode == exitNoScorer || d.ExitCode == exitAuth || b.broken() {
		b.halted.Store(true)
	}
}

// look settles a date without running it, by the run that it prepares: in a dry run always, and where only stale ones are run and it is not.
func (b *backfill) look(ctx context.Context, i int, r *run) (settled bool, err error) {
	if !b.dryRun && b.only != onlyStale {
		return false, nil
	}
	d := &b.entries[i]
	if err := r.prepare(ctx); err != nil {
		return true, err
	}
	d.Outcome = record.DateWouldRun
	if r.plan.Empty() {
		d.Outcome = record.DateNoInput
		return true, nil
	}
	if b.only == onlyStale {
		there, _ := standing(ctx, d.Output)
		stale, err := r.stale(ctx, there)
		if err != nil {
			return true, err
		}
		if !stale && !there.Success { // its parts match, but it is not done: a gate failed, or it was stopped
			d.Outcome = record.DateNotSelected
			return true, nil
		}
		if !stale {
			d.Outcome = record.DateDone
			return true, partly(there)
		}
	}
	d.Counts.Files = int64(len(r.plan.Files) + len(r.plan.Refused))
	d.Counts.Shards, d.Counts.RowsIn = int64(len(r.plan.Shards)), r.plan.Rows
	return b.dryRun, nil
}

// stale holds the parts of an output against what they would be made from now. It is for a run that is prepared,
// and changes nothing.
func (r *run) stale(ctx context.Context, there *writers.Inventory) (bool, error) {
	if err := r.attach(ctx); err != nil {
		return false, err
	}
	if err := r.checkModel(ctx); err != nil {
		return false, err
	}
	found, err := r.compare(ctx)
	if err != nil {
		return false, err
	}
	added := there.Success && slices.Contains(found.Decisions, writers.Score)
	return added || slices.Contains(found.Decisions, writers.Redo) || len(found.Mismatches) > 0, nil
}

// join gives a date the session of the backfill, which the first one makes.
func (b *backfill) join(ctx context.Context) (*session, error) {
	b.joining.Lock()
	defer b.joining.Unlock()
	if b.session == nil && b.refused == nil {
		b.session, b.refused = b.connect(ctx, b.job, b.flags.python, b.job.Workers)
		b.seen.connected(b.session)
		if b.refused != nil {
			b.halted.Store(true) // every other date would hear the same
		}
	}
	if b.refused != nil {
		return nil, b.refused
	}
	return b.session.share(), nil
}

// broken says whether the local workers cannot be kept running.
func (b *backfill) broken() bool {
	b.joining.Lock()
	defer b.joining.Unlock()
	return b.session != nil && b.session.pool != nil && b.session.pool.Err() != nil
}

// outcome is how a backfill ended that nothing stopped: the code of the first failed date in the order of the
// calendar, or 3 where a date was scored but for some graphs or files.
func (b *backfill) outcome() error {
	var first *entry
	failed, notBegun, incomplete := 0, 0, false
	for i := range b.entries {
		d := &b.entries[i]
		switch d.Outcome {
		case record.DateFailed, record.DateStopped:
			if failed++; first == nil {
				first = d
			}
		case record.DateNotBegun:
			notBegun++
		}
		incomplete = incomplete || d.ExitCode == exitPartly
	}
	switch {
	case first != nil:
		message := plural(int64(failed), "date") + " failed"
		if notBegun > 0 {
			message += ", " + plural(int64(notBegun), "date") + " not begun"
		}
		return &outcomeError{
			code: first.ExitCode, said: first.ExitCode == exitCheckFailed,
			message: message + "; the first is " + first.Date + ": " + first.Error,
		}
	case incomplete && !b.dryRun:
		return &outcomeError{code: exitPartly, message: "some graphs or files were not scored", said: true}
	}
	return nil
}
