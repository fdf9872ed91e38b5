package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"graphscore/writers"
	"graphscore/writers/atomic"
	"graphscore/writers/record"
)

// LockDates takes the lock above the dates of the job, which has a {date} in its output or is one date of such a job, for
// as long as a command works on any of them: two nights that ran side by side would share the machine, and each would
// start as many workers as if it were alone. With SideBySide it is shared. Errors are those of [writers.LockDates].
func (c Config) LockDates() (*writers.DatesLock, error) {
	dates, outputs := c.dates()
	return writers.LockDates(dates, c.holder(outputs))
}

// holder is what a lock says of this command. dir is what it locks.
func (c Config) holder(dir string) writers.Config {
	return writers.Config{Dir: dir, RunID: c.ID, Version: BuildVersion(), Now: c.Now, Log: c.Log}
}

// OpenSubmissions takes the lock of the submissions of the output. Errors are those of [writers.OpenSubmissions].
func (c Config) OpenSubmissions() (*writers.Submissions, error) {
	return writers.OpenSubmissions(c.holder(c.Job.Output.Path))
}

// OpenDatesSubmissions takes the lock of the submissions of all dates of the job. Errors are those of
// [writers.OpenDatesSubmissions].
func (c Config) OpenDatesSubmissions() (*writers.Submissions, error) {
	dates, outputs := c.dates()
	return writers.OpenDatesSubmissions(dates, c.holder(outputs))
}

// JoinDatesSubmissions is [Config.OpenDatesSubmissions] for who submits one date by itself. Errors are those of
// [writers.JoinDatesSubmissions].
func (c Config) JoinDatesSubmissions() (*writers.Submissions, error) {
	dates, outputs := c.dates()
	return writers.JoinDatesSubmissions(dates, c.holder(outputs))
}

// DatesSubmissions are the records of what is submitted of all dates of the job, and the folder that has them.
func (c Config) DatesSubmissions() (all record.Submissions, above string) {
	dates, _ := c.dates()
	return dates.Submissions(), dates.Above
}

// DatesSubmission is the folder that a submission of dates with the id of the configuration would have.
func (c Config) DatesSubmission() string {
	all, above := c.DatesSubmissions()
	return filepath.Join(above, all.Folder(c.ID))
}

// CheckHeld returns a *writers.LockedError where another command holds the lock that a run of the job takes above its
// dates, or that of its output, else nil. It creates nothing. Errors are those of [writers.View.CheckFree].
func (c Config) CheckHeld() error {
	if c.Dated() {
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

// Dated reports whether the output is one of many, those of dates.
func (c Config) Dated() bool { return c.Job.Series != nil && c.Job.Series.Of.OutputDated() }

// dates are the outputs of all dates, and the path that they have with a {date} in it.
func (c Config) dates() (all writers.Dates, outputs string) {
	of := c.Job
	if of.Series != nil {
		of = of.Series.Of
	}
	return writers.Dates{Above: of.Above(), Form: of.Form(), Shared: c.SideBySide || c.Task != nil || c.Finish}, of.Output.Path
}

// holdDates takes the lock above the dates where the output is that of a date, unless its caller has it. Where nothing can
// be written above, or the folder there is none of the job's outputs, as where each date has a disk of its own, there is no
// such lock, and only that of the output.
func (x *execution) holdDates(ctx context.Context) (release func() error, err error) {
	none := func() error { return nil }
	if x.opt.DatesHeld || !x.in.Dated() {
		return none, nil
	}
	unlocked := func(err error) (func() error, error) {
		x.in.Log.WarnContext(ctx, "another date may be run at the same time: nothing can be locked above the dates", "error", err)
		return none, nil
	}
	dates, _ := x.in.dates()
	if err := foreign(dates.Above, x.in.Job.Output.Path); err != nil {
		return unlocked(err)
	}
	lock, err := x.in.LockDates()
	var create *atomic.CreateError
	switch {
	case errors.As(err, &create):
		return unlocked(err)
	case err != nil:
		return none, err
	}
	return lock.Close, nil
}

// foreign returns why a run leaves no folder of its own above the dates: that folder is the root of all file systems, or the
// output of a date is on a file system that is mounted below it, so that the folder holds other things than outputs. It is
// nil where an earlier command, or the user, has created it.
func foreign(above, output string) error {
	above, output = filepath.Clean(above), filepath.Clean(output)
	runs := filepath.Join(above, record.Dir)
	if _, err := os.Lstat(runs); err == nil {
		return nil
	}
	no := func(why string) error {
		return fmt.Errorf("%s: create the folder %s to have a lock there, or put the dates into a folder of their own, as in scores/dt={date}", why, runs)
	}
	if filepath.IsAbs(above) && above == filepath.Dir(above) {
		return no("the folder above the dates is " + above)
	}
	below, err := filepath.Rel(above, output)
	if err != nil {
		return nil
	}
	top, exists := device(os.Stat, above)
	if !exists { // it is created with all below
		return nil
	}
	path := above
	for element := range strings.SplitSeq(below, string(filepath.Separator)) {
		path = filepath.Join(path, element)
		at, exists := device(os.Lstat, path)
		if !exists {
			return nil
		}
		if at != top {
			return no(path + " is a file system of its own")
		}
	}
	return nil
}
