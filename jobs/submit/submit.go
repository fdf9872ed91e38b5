package submit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"graphscore/jobs/run"
	"graphscore/pipeline/display"
	"graphscore/pipeline/exit"
	"graphscore/writers"
	"graphscore/writers/record"
)

// planName is the plan of a submission in its folder.
const planName = "plan.json"

// Config is what to submit, and where.
type Config struct {
	// Run is the job, of one date where it has a {date}, and the world in which it runs.
	Run        run.Config
	Engine     Engine
	EngineName string
	// Shards is how many tasks the job is cut into, Rounds how many times those that failed are submitted again.
	Shards, Rounds int
	// Words are the command of a shard without --plan and --shard. Relative paths in it count from Dir.
	Words []string
	Dir   string
	// Every is how long it waits between two looks at the engine.
	Every time.Duration
	// Seen is called after each look.
	Seen func(Progress)
}

func (c *Config) jobPath() string {
	full, err := filepath.Abs(c.Run.Job.Path)
	if c.Run.Job.Path == "" || err != nil {
		return c.Run.Job.Path
	}
	return full
}

// OtherError is a submission that has not ended and is another than the one that was asked for.
type OtherError struct {
	Dir    string
	Record *record.Submission
}

// Error names the other submission and what to do.
func (e *OtherError) Error() string {
	return display.Harmless(fmt.Sprintf("the output %q has a submission that has not ended, %s, of other shards or flags (%d shards, %s): give its command again to follow it to its end, or remove %s once none of its tasks is at work",
		e.Dir, e.Record.SubmitID, e.Record.Shards, display.ShellWords(e.Record.Command), filepath.Join(e.Dir, record.SubmissionFolder(e.Record.SubmitID)+".json")))
}

// EndsWith is its exit code.
func (*OtherError) EndsWith() int { return exit.Config }

// Result is how a submission ended, and the configuration with which its output is finished.
type Result struct {
	Record record.Submission
	Finish run.Config
	// Submitted is how many arrays were handed over now.
	Submitted int
}

// Run plans the job once, submits the shards that lack parts and follows them. It continues a submission that died. Where
// nothing lacks it submits nothing. What ends ctx by SIGINT cancels the tasks; by anything else they go on, and the same
// command follows them. Errors are those of [run.Prepare], of the engine, of [writers.OpenSubmissions], an *OtherError,
// and the end of ctx.
func Run(ctx context.Context, cfg Config) (ended Result, err error) {
	job := cfg.Run.Job
	if err := cfg.Run.CheckJob(); err != nil {
		return ended, err
	}
	if err := cfg.Run.CheckPaths(); err != nil {
		return ended, err
	}
	held, err := writers.OpenSubmissions(writers.Config{Dir: job.Output.Path, RunID: cfg.Run.ID, Version: run.BuildVersion(), Now: cfg.Run.Now, Log: cfg.Run.Log})
	if err != nil {
		return ended, err
	}
	defer func() { err = run.FirstFailure(ctx, cfg.Run.Log, err, held.Close()) }()
	s, err := cfg.open(ctx, held)
	if err != nil {
		return ended, err
	}
	before := handed(s.Record)
	err = s.Execute(ctx)
	ended.Submitted = handed(s.Record) - before
	err = cfg.close(ctx, held, s, err)
	ended.Record = *s.Record
	ended.Finish = cfg.Run
	ended.Finish.PlanFile, ended.Finish.Finish, ended.Finish.Count = s.Record.Plan, true, cfg.Shards
	return ended, err
}

// handed is how many arrays the engine has been handed.
func handed(rec *record.Submission) (n int) {
	for _, r := range rec.Rounds {
		for _, a := range r.Arrays {
			if a.ID != "" {
				n++
			}
		}
	}
	return n
}

// open begins a submission, or takes up the one that has not ended.
func (c *Config) open(ctx context.Context, held *writers.Submissions) (*Submission, error) {
	o := &output{Submissions: held, cfg: c.Run, count: c.Shards}
	rec, err := held.Unfinished()
	if err != nil {
		return nil, err
	}
	switch {
	case rec == nil:
		rec, o.served, err = c.begin(ctx, held)
	case !sameJob(rec, *c):
		err = &OtherError{c.Run.Job.Output.Path, rec}
	default:
		c.Run.Log.InfoContext(ctx, "continuing a submission that has not ended", "submit", rec.SubmitID, "started", rec.Started)
		o.served, err = run.Describe(ctx, c.Run)
	}
	if err != nil {
		return nil, err
	}
	o.id, o.cfg.PlanFile = rec.SubmitID, rec.Plan
	if o.since, err = time.Parse(time.RFC3339, rec.Started); err != nil {
		return nil, &record.Error{Path: o.id, Reason: "started is no time"}
	}
	if err := o.openPlan(ctx); err != nil {
		return nil, fmt.Errorf("the submission %s that has not ended: %w; to submit anew, remove %s once none of its tasks is at work", rec.SubmitID, err,
			filepath.Join(c.Run.Job.Output.Path, record.SubmissionFolder(rec.SubmitID)+".json"))
	}
	dir, err := held.Dir(rec.SubmitID)
	if err != nil {
		return nil, err
	}
	return &Submission{
		Engine: c.Engine, Work: o, Rounds: c.Rounds, Every: c.Every, Record: rec, Seen: c.Seen, Command: c.command(dir),
	}, nil
}

// begin makes the plan and the record of a submission.
func (c *Config) begin(ctx context.Context, held *writers.Submissions) (*record.Submission, run.Served, error) {
	id := run.NewID(c.Run.Now())
	dir, err := held.Dir(id)
	if err != nil {
		return nil, run.Served{}, err
	}
	plan := filepath.Join(dir, planName)
	served, err := fix(ctx, c.Run, plan)
	if err != nil {
		return nil, served, errors.Join(err, removeEmpty(dir))
	}
	rec := &record.Submission{
		SubmitID: id, Name: c.Run.Job.Name, Job: c.jobPath(), Engine: c.EngineName, Shards: c.Shards, Balance: c.Run.Balance, Plan: plan, Command: c.Words,
		Started: c.Run.Now().UTC().Format(time.RFC3339), ExitCode: record.NotEnded, Version: run.BuildVersion(),
	}
	return rec, served, held.Save(rec)
}

// removeEmpty removes the folder of a submission that did not begin.
func removeEmpty(dir string) error {
	for _, d := range []string{filepath.Join(dir, "logs"), dir} {
		if err := os.Remove(d); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTEMPTY) {
			return err
		}
	}
	return nil
}

// cancelPatience is how long the engine has to cancel the tasks of a submission that was stopped.
const cancelPatience = 30 * time.Second

// close ends the record of a submission, but not of one whose tasks go on.
func (c *Config) close(ctx context.Context, held *writers.Submissions, s *Submission, err error) error {
	stopped := run.Stopped(ctx, err)
	var signal *run.SignalError
	switch {
	case errors.As(stopped, &signal) && signal.Signal == syscall.SIGINT:
		patient, done := context.WithTimeout(context.WithoutCancel(ctx), cancelPatience)
		canceled := s.Cancel(patient)
		done()
		if canceled != nil {
			c.Run.Log.WarnContext(ctx, "the tasks could not be canceled, and go on", "error", canceled)
			return stopped
		}
		c.Run.Log.WarnContext(ctx, "the tasks were canceled; what is committed stays, the same command submits the rest")
	case err != nil:
		return stopped
	}
	s.Record.Finished = c.Run.Now().UTC().Format(time.RFC3339)
	s.Record.ExitCode = run.ExitCode(stopped)
	if stopped != nil {
		s.Record.Error = stopped.Error()
	}
	return run.FirstFailure(ctx, c.Run.Log, stopped, held.Save(s.Record))
}

// DryRun returns the scripts that [Run] would submit first, without writing anything.
func DryRun(ctx context.Context, cfg Config) ([]Script, error) {
	in, err := run.Prepare(ctx, cfg.Run)
	if err == nil {
		err = in.Missing()
	}
	if err != nil {
		return nil, err
	}
	served, err := run.Describe(ctx, cfg.Run)
	if err != nil {
		return nil, err
	}
	lacking, err := in.Pending(ctx, served, cfg.Shards, cfg.Run.Balance)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(filepath.Join(cfg.Run.Job.Output.Path, record.SubmissionFolder(cfg.Run.ID)))
	if err != nil {
		return nil, err
	}
	s := &Submission{Engine: cfg.Engine, Command: cfg.command(dir), Record: &record.Submission{SubmitID: cfg.Run.ID}}
	arrays, err := s.arrays(ctx, lacking)
	if err != nil {
		return nil, err
	}
	scripts := make([]Script, len(arrays))
	for i, a := range arrays {
		scripts[i] = Script{a.Name, cfg.Engine.Script(s.Command, a)}
	}
	return scripts, nil
}

// Script is a batch script that would be submitted.
type Script struct {
	Name    string
	Content []byte
}

// command is what a task of a submission with the folder dir runs.
func (c *Config) command(dir string) Command {
	return Command{
		Words: append(append([]string{}, c.Words...), "--plan", filepath.Join(dir, planName)),
		Count: c.Shards, Logs: filepath.Join(dir, "logs"), Dir: c.Dir,
	}
}
