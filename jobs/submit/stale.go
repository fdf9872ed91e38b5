package submit

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"graphscore/pipeline/display"
	"graphscore/pipeline/exit"
	"graphscore/writers"
	"graphscore/writers/record"
)

// otherFlags is what has changed where a submission is one of other shards or flags: it can be followed as it is.
const otherFlags = "the number of shards, or another flag, has"

// OtherError is a submission that has not ended and that the one which was asked for cannot continue.
type OtherError struct {
	// Output is what messages call the output.
	Output string
	Record *record.Submission
	// Tasks is how many of its tasks wait or run though Changed is something else now; with "" it is one of the same output
	// among others.
	Tasks   int
	Changed string
	// IDs are those of its arrays.
	IDs []string
}

// Error names the other submission and what to do.
func (e *OtherError) Error() string {
	follow := "follow it with " + display.ShellWords(append([]string{"graphscore"}, e.Record.Line...)) + ", or "
	switch e.Changed {
	case "":
		return display.Harmless(fmt.Sprintf("%s at work of the submission %s, which has not ended and has the output %q: %swait until they end, or cancel %s, and repeat the command",
			areTasks(e.Tasks), e.Record.SubmitID, e.Output, follow, strings.Join(e.IDs, ", ")))
	case otherFlags:
	default:
		follow = ""
	}
	return display.Harmless(fmt.Sprintf("%s changed since the submission %s of the output %q was planned, and %s at work: %swait until they end, or cancel %s, and repeat the command, which then plans anew",
		e.Changed, e.Record.SubmitID, e.Output, areTasks(e.Tasks), follow, strings.Join(e.IDs, ", ")))
}

// areTasks counts tasks that are something: "1 task is", "2 tasks are".
func areTasks(n int) string {
	if n == 1 {
		return "1 task is"
	}
	return display.Plural(int64(n), "task") + " are"
}

// EndsWith is its exit code: what has tasks at work is for later.
func (e *OtherError) EndsWith() int { return exit.Locked }

// live asks the engine for the arrays of the last round of a submission, and how many of its tasks wait or run.
func (c *Config) live(ctx context.Context, rec *record.Submission) (ids []string, tasks int, err error) {
	s := &Submission{Engine: c.Engine, Record: rec}
	ids, all, err := s.ask(ctx)
	for _, t := range all {
		if t.State == Waiting || t.State == Running {
			tasks++
		}
	}
	return ids, tasks, err
}

// endStale ends a submission whose plan or flags are not those of now, unless tasks of it are at work.
func (c *Config) endStale(ctx context.Context, held *writers.Submissions, rec *record.Submission, changed string) error {
	ids, live, err := c.live(ctx, rec)
	if err != nil {
		return err
	}
	if live > 0 {
		return &OtherError{Output: c.Run.Job.Output.Path, Record: rec, Tasks: live, Changed: changed, IDs: ids}
	}
	c.Run.Log.WarnContext(ctx, changed+" changed since a submission that has not ended was planned: it is planned anew", "submit", rec.SubmitID)
	c.sayDropped(ctx, rec)
	rec.Error = changed + " changed before it ended"
	return c.end(held, rec, exit.Config)
}

// sayDropped names the dates of a submission that has not ended which are not asked for any more, as when it died
// before midnight and the window moves with the clock: nothing of now finishes them.
func (c *Config) sayDropped(ctx context.Context, rec *record.Submission) {
	if c.Asked == nil {
		return
	}
	dropped := slices.DeleteFunc(slices.Clone(rec.Dates), c.Asked)
	if len(dropped) > 0 {
		c.Run.Log.WarnContext(ctx, "dates of a submission that has not ended are not asked for any more: where they lack _SUCCESS, a backfill from the first of them finishes them",
			"submit", rec.SubmitID, "dates", len(dropped), "first", slices.Min(dropped), "last", slices.Max(dropped))
	}
}

// EndOver ends the record of a submission that died, where nothing is left to submit and none of its tasks is at work. That it
// cannot be ended now is said and no error: all parts exist, and the next command tries it again.
func (c *Config) EndOver(ctx context.Context, held *writers.Submissions) {
	rec, err := held.Unfinished()
	if err != nil {
		c.Run.Log.WarnContext(ctx, "the record of the last submission cannot be read", "error", err)
		return
	}
	if rec == nil {
		return
	}
	ids, live, err := c.live(ctx, rec)
	switch {
	case err != nil:
	case live > 0:
		c.Run.Log.WarnContext(ctx, "tasks of a submission that has not ended are at work though nothing is left for them", "submit", rec.SubmitID, "tasks", live, "arrays", strings.Join(ids, ", "))
	default:
		c.sayDropped(ctx, rec)
		rec.Error = "nothing was left to do when it was looked at again"
		if err = c.end(held, rec, exit.Done); err == nil {
			c.Run.Log.InfoContext(ctx, "a submission that had not ended is over: nothing is left to do", "submit", rec.SubmitID)
		}
	}
	if err != nil {
		c.Run.Log.WarnContext(ctx, "a submission that has not ended stays so", "submit", rec.SubmitID, "error", err)
	}
}

// end closes the record of a submission.
func (c *Config) end(held *writers.Submissions, rec *record.Submission, code int) error {
	rec.Finished, rec.ExitCode = c.Run.Now().UTC().Format(time.RFC3339), code
	return held.Save(rec)
}
