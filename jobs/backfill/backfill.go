package backfill

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/sync/errgroup"

	"graphscore/jobs"
	"graphscore/jobs/preflight"
	"graphscore/jobs/run"
	"graphscore/pipeline"
	"graphscore/pipeline/display"
	"graphscore/pipeline/exit"
	"graphscore/writers"
	"graphscore/writers/record"
)

// Options are how a backfill is embedded in its caller. A zero value means its default.
type Options struct {
	// Run embeds each date. Its Lender, Progress, Show, Share, Turn, AnyAge, DatesHeld and Held belong to the backfill.
	Run run.Options
	// Held is called at most once, when the first date that has something to do holds its output. Default: nothing.
	Held func()
	// Connected is called once the session of all dates is made. Default: nothing.
	Connected func(*run.Session)
	// BeginDate is called for every date that begins, from its goroutine. The context that it returns is that of the
	// date; end is called with how it ended. Default: the context as it is.
	BeginDate func(ctx context.Context, date string) (of context.Context, end func(error))
	// Show runs work, which is so many dates, or with an engine so many shards, and shows how far it is. Default: it just
	// runs work.
	Show func(ctx context.Context, of int, work func(context.Context) error) error
}

func (o Options) withDefaults() Options {
	if o.Held == nil {
		o.Held = func() {}
	}
	o.Held = sync.OnceFunc(o.Held)
	if o.Connected == nil {
		o.Connected = func(*run.Session) {}
	}
	if o.BeginDate == nil {
		o.BeginDate = func(ctx context.Context, _ string) (context.Context, func(error)) { return ctx, func(error) {} }
	}
	if o.Show == nil {
		o.Show = func(ctx context.Context, _ int, work func(context.Context) error) error { return work(ctx) }
	}
	return o
}

// Backfill is one execution of a job for many dates.
type Backfill struct {
	Config
	calendar jobs.Calendar
	days     []jobs.Date // in the order of the calendar

	// dates has one element for each of days. Each belongs to the goroutine of its date until that ends.
	dates    []Date
	opt      Options
	session  shared
	failures atomic.Int64
	halted   atomic.Bool // no more dates are begun
	meter    meter

	workerMemory int64 // peak of all local workers, in bytes

	held    *writers.Submissions // with an engine
	waiting []*waiting           // in the order of running: dates of which an array makes the parts
	submit  *record.Submission   // nil until there is one
}

// Date is a date and what became of it.
type Date struct {
	record.BackfillDate
	// Run is how it ended; Run.Recorded is false for a date that was not run.
	Run run.Ended
	// Refused are the files that a dry run found unreadable, and Quarantined counts the graphs in the quarantine of
	// parts that it would keep.
	Refused     []record.RefusedFile
	Quarantined int64
}

// Ended is what a backfill leaves to its caller.
type Ended struct {
	// Begun is false where no record could be written above the dates, so that none was run.
	Begun bool
	// Record sums up all dates.
	Record record.Backfill
	// Dates are in the order of the calendar.
	Dates []Date
	// FirstRequest is when the first scoring request of any date began, zero without one.
	FirstRequest time.Time
	// WorkerMemory is the peak of all local workers, in bytes.
	WorkerMemory int64
}

// Progress is how far the backfill is. It may be called at any time, from any goroutine.
func (b *Backfill) Progress() Tally { return b.meter.read() }

// Execute runs the dates that are due and writes the record. The error is that of the first failed date; see
// [run.ExitCode]. It is called once. It holds the lock above the dates, but for a dry run: where another command has it, the
// error is a *writers.LockedError and no date is looked at.
func (b *Backfill) Execute(ctx context.Context, options Options) (ended Ended, err error) {
	b.opt = options.withDefaults()
	if b.DryRun {
		return b.executeDates(ctx)
	}
	lock, err := b.Run.LockDates()
	if err != nil {
		return Ended{}, err
	}
	defer func() { err = run.FirstFailure(ctx, b.Run.Log, err, lock.Close()) }()
	if b.Submit != nil {
		if b.held, err = b.Run.OpenDatesSubmissions(); err != nil {
			return Ended{}, err
		}
		defer func() { err = run.FirstFailure(ctx, b.Run.Log, err, b.held.Close()) }()
	}
	return b.executeDates(ctx)
}

func (b *Backfill) executeDates(ctx context.Context) (Ended, error) {
	b.session = shared{cfg: b.Run, connected: b.opt.Connected}
	due := b.choose(ctx)
	if err := b.beginRecord(ctx); err != nil {
		return Ended{}, err
	}
	var err error
	if b.Submit != nil {
		err = b.submitAll(ctx, due)
	} else {
		err = b.opt.Show(ctx, len(due), func(ctx context.Context) error { return b.runAll(ctx, due) })
	}
	b.workerMemory = b.session.peakMemory()
	err = run.FirstFailure(ctx, b.Run.Log, err, b.session.close())
	err = run.Stopped(ctx, err)
	if err == nil {
		err = b.outcome()
	}
	ended := b.ended(err)
	if b.DryRun {
		return ended, err
	}
	// A signal ends the dates, not the record of them.
	return ended, run.FirstFailure(ctx, b.Run.Log, err, record.WriteBackfill(context.WithoutCancel(ctx), b.Run.Job.Above(), &ended.Record))
}

// beginRecord leaves a record that stays if the process is killed. A dry run looks whether it could be left.
func (b *Backfill) beginRecord(ctx context.Context) error {
	if b.DryRun {
		return preflight.CheckDates(ctx, b.Run)
	}
	rec := b.record(nil)
	rec.ExitCode, rec.Finished, rec.Seconds = record.NotEnded, "", 0
	return record.WriteBackfill(ctx, b.Run.Job.Above(), &rec)
}

// runAll runs dates, so many at once, and under MaxFailures no more than may still fail. What becomes of each is in its
// entry; the error is that of ctx.
func (b *Backfill) runAll(ctx context.Context, due []int) error {
	var g errgroup.Group
	g.SetLimit(b.Parallel)
	before := closed()
	ended := make(chan struct{}, len(due)) // one for each date: nobody receives those of the last ones
	underWay := 0
	for _, i := range due {
		for b.MaxFailures > 0 && underWay > 0 && int64(underWay)+b.failures.Load() >= int64(b.MaxFailures) {
			<-ended
			underWay--
		}
		if b.halted.Load() || ctx.Err() != nil {
			break // Go would block at the limit
		}
		previous, done := before, make(chan struct{})
		before = done
		underWay++
		g.Go(func() error {
			defer func() { ended <- struct{}{} }()
			defer close(done)
			if b.halted.Load() || ctx.Err() != nil {
				return nil
			}
			b.run(ctx, i, previous)
			return nil
		})
	}
	return errors.Join(g.Wait(), ctx.Err())
}

// closed is the end of the date before the first.
func closed() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// run runs one date and fills in its entry. previous is closed when the date that was begun before it has ended.
func (b *Backfill) run(ctx context.Context, i int, previous <-chan struct{}) {
	d, progress := &b.dates[i], &pipeline.Progress{}
	b.meter.begin(progress)
	defer func() { b.meter.end(progress, d.Outcome == record.DateFailed) }()
	ctx, end := b.opt.BeginDate(ctx, d.Date)
	cfg := b.dated(i)
	settled, err := b.execute(ctx, i, cfg, progress, previous)
	err = run.Stopped(ctx, err)
	end(err)
	b.settle(d, cfg, settled, err)
}

// settle fills in the entry of a date that ended with an error or nil.
func (b *Backfill) settle(d *Date, cfg run.Config, settled bool, err error) {
	code := run.ExitCode(err)
	d.Seconds, d.ExitCode = run.Elapsed(cfg.Start, cfg.Now()), code
	if err != nil && code != exit.Partly {
		d.Error = strings.Join(strings.Fields(err.Error()), " ")
	}
	var missing *run.MissingError
	switch {
	case errors.As(err, &missing) && d.Outcome == record.DateNoInput: // no scorer, disk or job is at fault: the others go on
	case run.IsStopped(err) || errors.Is(err, context.Canceled):
		d.Outcome = record.DateStopped
	case code != exit.Done && code != exit.Partly:
		b.failed(d)
	case settled:
	case d.Counts.Shards > 0 && d.Counts.Shards == d.Counts.ShardsSkipped:
		d.Outcome = record.DateDone
	default:
		d.Outcome = record.DateScored
	}
}

// execute prepares a date and, unless a look settles it, runs it.
func (b *Backfill) execute(ctx context.Context, i int, cfg run.Config, progress *pipeline.Progress, previous <-chan struct{}) (settled bool, err error) {
	in, err := run.Prepare(ctx, cfg)
	if err != nil {
		return false, err
	}
	in.LogPlan(ctx)
	if settled, err = b.look(ctx, i, in); settled || err != nil {
		return settled, err
	}
	options := b.opt.Run
	options.Lender, options.Progress, options.Share, options.AnyAge, options.DatesHeld = &b.session, progress, b.Parallel, true, true
	options.Held = b.opt.Held
	options.Turn = func(ctx context.Context) error { // the date before this one is what it may be compared with
		select {
		case <-previous:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	d := &b.dates[i]
	d.Run, err = run.Execute(ctx, in, options)
	if d.Run.Recorded {
		d.RunID, d.Counts = d.Run.Record.RunID, d.Run.Record.Counts
	}
	return false, err
}

// dated is the run of one date.
func (b *Backfill) dated(i int) run.Config {
	cfg, job := b.Run, b.Run.Job.On(b.days[i])
	cfg.Job, cfg.Date, cfg.Start = &job, b.dates[i].Date, b.Run.Now()
	cfg.ID = run.NewID(cfg.Start)
	cfg.Log = b.Run.Log.With("date", cfg.Date, "run", cfg.ID)
	return cfg
}

// failed counts a failure. Where what scores is gone or refuses us, the next dates would fail alike.
func (b *Backfill) failed(d *Date) {
	d.Outcome = record.DateFailed
	n := b.failures.Add(1)
	if b.MaxFailures > 0 && n >= int64(b.MaxFailures) || d.ExitCode == exit.NoScorer || d.ExitCode == exit.Auth || b.session.broken() {
		b.halted.Store(true)
	}
}

// outcome is how a backfill ended that nothing stopped: the code of the first failed date in the order of the
// calendar, 75 only where no other failed; 66 where a date has no input that should have some; or 3 where a date was scored
// but for some graphs or files.
func (b *Backfill) outcome() error {
	var failed []*Date
	notBegun, incomplete := 0, false
	for i := range b.dates {
		d := &b.dates[i]
		switch d.Outcome {
		case record.DateFailed, record.DateStopped:
			failed = append(failed, d)
		case record.DateNotBegun:
			notBegun++
		}
		incomplete = incomplete || d.ExitCode == exit.Partly
	}
	switch {
	case len(failed) > 0:
		first, which := failed[0], "first"
		if i := slices.IndexFunc(failed, func(d *Date) bool { return d.ExitCode != exit.Locked }); i > 0 {
			first, which = failed[i], "first that did not end with 75" // another try is not all that is due
		}
		message := display.Plural(int64(len(failed)), "date") + " " + b.failing()
		if notBegun > 0 {
			message += ", " + display.Plural(int64(notBegun), "date") + " not begun"
		}
		return &run.OutcomeError{
			Code: first.ExitCode, Said: first.ExitCode == exit.CheckFailed,
			Message: message + "; the " + which + " is " + first.Date + ": " + first.Error,
		}
	case b.missing() != nil:
		return b.missing()
	case incomplete:
		return &run.OutcomeError{Code: exit.Partly, Message: "some graphs or files were not scored", Said: true}
	}
	return nil
}

// failing is what the dates did that failed.
func (b *Backfill) failing() string {
	if b.DryRun {
		return "would fail"
	}
	return "failed"
}

// missing is the end of a backfill that missed the input of a date, nil where it missed none.
func (b *Backfill) missing() error {
	var without []string
	for i := range b.dates {
		if d := &b.dates[i]; d.Outcome == record.DateNoInput && d.ExitCode != exit.Done {
			without = append(without, d.Date)
		}
	}
	if len(without) == 0 {
		return nil
	}
	return &run.OutcomeError{Code: exit.NotThere, Message: fmt.Sprintf(
		"%s of %s had no input; the last is %s, where nothing matches %s: the next backfill over it scores what comes late; "+
			"set input.optional: true in the job where a date without input is no mistake",
		humanize.Comma(int64(len(without))), display.Plural(int64(len(b.dates)), "date"), without[len(without)-1], b.Run.Job.Input.Path)}
}

func (b *Backfill) ended(err error) Ended {
	return Ended{
		Begun: true, Record: b.record(err), Dates: b.dates,
		FirstRequest: b.meter.read().First, WorkerMemory: b.workerMemory,
	}
}

// record says what the backfill was and how it went; err is how it ends.
func (b *Backfill) record(err error) record.Backfill {
	cfg, job := b.Run, b.Run.Job
	now := cfg.Now()
	host, _ := os.Hostname() // a machine without a name has none in the record
	rec := record.Backfill{
		SubmitID: b.submitID(), BackfillID: cfg.ID, Name: job.Name,
		Started: cfg.Start.UTC().Format(time.RFC3339), Finished: now.UTC().Format(time.RFC3339), Seconds: run.Elapsed(cfg.Start, now),
		Host: host, PID: os.Getpid(), Version: run.BuildVersion(),
		Since: b.Since, Until: b.Until, Partition: string(b.calendar.Unit), Timezone: b.calendar.Location.String(),
		Only: b.Only, Parallel: b.Parallel, NewestFirst: b.NewestFirst, DryRun: b.DryRun,
		Inputs: job.Input.Path.Strings(), Output: job.Output.Path,
	}
	if err != nil {
		rec.ExitCode, rec.Error = run.ExitCode(err), err.Error()
	}
	for i := range b.dates {
		rec.Dates = append(rec.Dates, b.dates[i].BackfillDate)
		rec.Counts.Add(&b.dates[i].Counts)
	}
	return rec
}

// shared lends all dates one session, which the first one that needs it makes. A dry run makes none, and asks once what
// would score.
type shared struct {
	cfg       run.Config
	connected func(*run.Session)

	mu      sync.Mutex
	session *run.Session // nil until it is made
	served  *run.Served  // nil until a dry run has asked
	refused error        // why either could not be had: every other date would meet the same
}

func (s *shared) Borrow(ctx context.Context) (*run.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session == nil && s.refused == nil {
		if s.session, s.refused = run.Connect(ctx, s.cfg, s.cfg.Job.Workers); s.refused == nil {
			s.connected(s.session)
		}
	}
	return s.session, s.refused
}

// describe finds out what would score, without a session.
func (s *shared) describe(ctx context.Context) (run.Served, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.served == nil && s.refused == nil {
		var served run.Served
		if served, s.refused = run.Describe(ctx, s.cfg); s.refused == nil {
			s.served = &served
		}
	}
	if s.refused != nil {
		return run.Served{}, s.refused
	}
	return *s.served, nil
}

// Leave does nothing: other dates need the workers.
func (s *shared) Leave(*run.Session) {}

// Return keeps the session for the other dates.
func (s *shared) Return(*run.Session) error { return nil }

// broken reports whether there is no session to be had any more.
func (s *shared) broken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused != nil || s.session != nil && s.session.Broken() != nil
}

func (s *shared) peakMemory() int64 {
	if s.session == nil {
		return 0
	}
	return s.session.PeakMemory()
}

func (s *shared) close() error {
	if s.session == nil {
		return nil
	}
	return s.session.Close()
}
