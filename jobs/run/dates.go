package run

import (
	"context"
	"errors"

	"graphscore/writers"
	"graphscore/writers/atomic"
)

// LockDates takes the lock above the dates of the job, which has a {date} in its output or is one date of such a job, for
// as long as a command works on any of them: two nights that ran side by side would share the machine, and each would
// start as many workers as if it were alone. With SideBySide it is shared. Errors are those of [writers.LockDates].
func (c Config) LockDates() (*writers.DatesLock, error) {
	dates, outputs := c.dates()
	return writers.LockDates(dates, writers.Config{Dir: outputs, RunID: c.ID, Version: BuildVersion(), Now: c.Now, Log: c.Log})
}

// CheckHeld returns a *writers.LockedError where another command holds the lock that a run of the job takes above its
// dates, or that of its output, else nil. It creates nothing. Errors are those of [writers.View.CheckFree].
func (c Config) CheckHeld() error {
	if c.dated() {
		var create *atomic.CreateError // a run goes on without: see holdDates
		if err := c.CheckDatesHeld(); err != nil && !errors.As(err, &create) {
			return err
		}
	}
	return writers.NewView(c.Job.Output.Path).CheckFree()
}

// CheckDatesHeld returns a *writers.LockedError where another command holds the lock that [Config.LockDates] takes, else
// nil. It creates nothing. Errors are those of [writers.View.CheckFree].
func (c Config) CheckDatesHeld() error {
	dates, outputs := c.dates()
	return dates.CheckFree(outputs)
}

// dated reports whether the output is one of many, those of dates.
func (c Config) dated() bool { return c.Job.Series != nil && c.Job.Series.Of.OutputDated() }

// dates are the outputs of all dates, and the path that they have with a {date} in it.
func (c Config) dates() (all writers.Dates, outputs string) {
	of := c.Job
	if of.Series != nil {
		of = of.Series.Of
	}
	return writers.Dates{Above: of.Above(), Form: of.Form(), Shared: c.SideBySide}, of.Output.Path
}

// holdDates takes the lock above the dates where the output is that of a date, unless its caller has it. Where nothing can
// be written above, as where each date has a disk of its own, there is no such lock, and only that of the output.
func (x *execution) holdDates(ctx context.Context) (release func() error, err error) {
	none := func() error { return nil }
	if x.opt.DatesHeld || !x.in.dated() {
		return none, nil
	}
	lock, err := x.in.LockDates()
	var create *atomic.CreateError
	switch {
	case errors.As(err, &create):
		x.in.Log.WarnContext(ctx, "another date may be run at the same time: nothing can be locked above the dates", "error", err)
		return none, nil
	case err != nil:
		return none, err
	}
	return lock.Close, nil
}
