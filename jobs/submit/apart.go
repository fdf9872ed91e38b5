package submit

import (
	"context"
	"errors"
	"slices"

	"graphscore/jobs/run"
	"graphscore/writers/atomic"
	"graphscore/writers/record"
)

// Shards of one date can be submitted by itself, and with those of other dates: never both at once.

// apart keeps the submission of one date from those of many dates until release: while one works, that is a
// *writers.LockedError, and an *OtherError while one has died whose tasks are at work. Where nothing can be written above the
// dates nobody can submit many of them, and nothing is kept.
func (c *Config) apart(ctx context.Context) (release func() error, err error) {
	none := func() error { return nil }
	if !c.Run.Dated() {
		return none, nil
	}
	beside, err := c.Run.JoinDatesSubmissions()
	var create *atomic.CreateError
	switch {
	case errors.As(err, &create):
		return none, nil
	case err != nil:
		return nil, err
	}
	rec, err := beside.Unfinished()
	if err == nil && rec != nil && slices.Contains(rec.Dates, c.Run.Date) {
		err = c.atWork(ctx, rec, c.Run.Job.Output.Path)
	}
	if err != nil {
		return nil, run.FirstFailure(ctx, c.Run.Log, err, beside.Close())
	}
	return beside.Close, nil
}

// CheckApart is the same for the output of a date that is to be submitted with others: an *OtherError where tasks of a
// submission of that date alone are at work.
func (c *Config) CheckApart(ctx context.Context, output string) error {
	var alone record.Submissions
	rec, err := alone.Unfinished(output)
	if err != nil || rec == nil {
		return err
	}
	return c.atWork(ctx, rec, output)
}

// atWork returns an *OtherError where a submission that has not ended has tasks at work.
func (c *Config) atWork(ctx context.Context, rec *record.Submission, output string) error {
	if rec.Engine != c.EngineName {
		return nil
	}
	ids, live, err := c.live(ctx, rec)
	if err != nil || live == 0 {
		return err
	}
	return &OtherError{Output: output, Record: rec, Tasks: live, IDs: ids}
}
