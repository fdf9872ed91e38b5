package submit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
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
	// Line is the command line of the submission, as it was given.
	Line []string
	// Every is how long it waits between two looks at the engine, Pause before the first round that submits again; each
	// later round waits twice as long.
	Every, Pause time.Duration
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

// OtherError is a submission that has not ended and that the one which was asked for cannot continue.
type OtherError struct {
	Dir    string
	Record *record.Submission
	// Tasks is how many of its tasks wait or run though input, model or job are others now, 0 where the submission is one
	// of other shards or flags.
	Tasks int
	// IDs are those of its arrays.
	IDs []string
}

// Error names the other submission and what to do.
func (e *OtherError) Error() string {
	if e.Tasks > 0 {
		return display.Harmless(fmt.Sprintf("the input, the model or the job has changed since the submission %s of the output %q was planned, and %s at work: wait until they end, or cancel %s, and give the same command, which then plans anew",
			e.Record.SubmitID, e.Dir, display.Plural(int64(e.Tasks), "task"), strings.Join(e.IDs, ", ")))
	}
	return display.Harmless(fmt.Sprintf("the output %q has a submission that has not ended, %s, of other shards or flags: follow it to its end with %s, or remove %s once none of its tasks is at work",
		e.Dir, e.Record.SubmitID, display.ShellWords(append([]string{"graphscore"}, e.Record.Line...)), filepath.Join(e.Dir, record.SubmissionFolder(e.Record.SubmitID)+".json")))
}

// EndsWith is its exit code: what has tasks at work is for later.
func (e *OtherError) EndsWith() int {
	if e.Tasks > 0 {
		return exit.Locked
	}
	return exit.Config
}

// Result is how a submission ended, and the configuration with which its output is finished.
type Result struct {
	Record record.Submission
	Finish run.Config
}

// Run plans the job, submits the shards that lack parts with that plan and follows them. It continues a submission that
// died, unless input, model or job have changed since: then that ends first. Where nothing lacks it submits nothing and
// leaves no record. What ends ctx by SIGINT cancels the tasks; by anything else they go on, and the same command follows
// them. Errors are those of [run.Prepare], of the engine, of [writers.OpenSubmissions], an *OtherError, and the end of ctx.
func Run(ctx context.Context, cfg Config) (ended Result, err error) {
	ended.Finish = cfg.Run
	ended.Finish.Finish, ended.Finish.Count = true, cfg.Shards
	p, err := cfg.plan(ctx)
	if err != nil {
		return ended, err
	}
	held, err := writers.OpenSubmissions(writers.Config{Dir: cfg.Run.Job.Output.Path, RunID: cfg.Run.ID, Version: run.BuildVersion(), Now: cfg.Run.Now, Log: cfg.Run.Log})
	if err != nil {
		return ended, err
	}
	defer func() { err = run.FirstFailure(ctx, cfg.Run.Log, err, held.Close()) }()
	s, err := cfg.open(ctx, held, p)
	if err != nil || s == nil {
		return ended, err
	}
	err = cfg.close(ctx, held, s, s.Execute(ctx))
	ended.Record, ended.Finish.PlanFile = *s.Record, s.Record.Plan
	return ended, err
}

// planned is a job as it is now.
type planned struct {
	in     *run.Input
	served run.Served
	file   *run.PlanFile
}

// plan plans the job. Shards replace no parts, so that those of something else are refused whatever the job says.
func (c *Config) plan(ctx context.Context) (*planned, error) {
	cfg := c.Run
	job := *cfg.Job
	job.OnChange = "refuse"
	cfg.Job, cfg.RetryQuarantined = &job, false
	in, err := run.Prepare(ctx, cfg)
	if err == nil {
		err = in.Missing()
	}
	if err != nil {
		return nil, err
	}
	served, err := run.Describe(ctx, cfg)
	if err != nil {
		return nil, err
	}
	width, err := in.Fit(ctx, served, 0)
	if err != nil {
		return nil, err
	}
	contract, found, err := in.Compare(ctx, served, width)
	if err != nil {
		return nil, err
	}
	if err := found.Refusal(); err != nil {
		return nil, fmt.Errorf("shards replace no parts, so run the job without them first: %w", err)
	}
	file, err := contract.PlanFile()
	return &planned{in, served, file}, err
}

// open begins a submission, or takes up the one that has not ended. It returns nil where nothing is to be done.
func (c *Config) open(ctx context.Context, held *writers.Submissions, p *planned) (*Submission, error) {
	rec, err := held.Unfinished()
	if err != nil {
		return nil, err
	}
	if rec != nil && !sameJob(rec, *c) {
		return nil, &OtherError{Dir: c.Run.Job.Output.Path, Record: rec}
	}
	if rec != nil && !samePlan(rec.Plan, p.file) {
		if err := c.endStale(ctx, held, rec); err != nil {
			return nil, err
		}
		rec = nil
	}
	if rec != nil {
		c.Run.Log.InfoContext(ctx, "continuing a submission that has not ended", "submit", rec.SubmitID, "started", rec.Started)
	} else if rec, err = c.begin(ctx, held, p); err != nil || rec == nil {
		return nil, err
	}
	o := &output{Submissions: held, cfg: c.Run, count: c.Shards, served: p.served, id: rec.SubmitID}
	o.cfg.PlanFile = rec.Plan
	if o.since, err = time.Parse(time.RFC3339, rec.Started); err != nil {
		return nil, &record.Error{Path: record.SubmissionFolder(rec.SubmitID) + ".json", Reason: "started is no time"}
	}
	if err := o.openPlan(ctx); err != nil {
		return nil, err
	}
	dir, err := held.Dir(rec.SubmitID)
	if err != nil {
		return nil, err
	}
	return &Submission{
		Engine: c.Engine, Work: o, Rounds: c.Rounds, Every: c.Every, Pause: c.Pause, Record: rec, Seen: c.Seen, Command: c.command(dir),
	}, nil
}

// samePlan reports whether the plan of a submission that died is that of now. One that cannot be read is another.
func samePlan(file string, now *run.PlanFile) bool {
	before, err := run.ReadPlanFile(file)
	if err != nil {
		return false
	}
	a, errA := json.Marshal(before)
	b, errB := json.Marshal(now)
	return errA == nil && errB == nil && string(a) == string(b)
}

// endStale ends a submission whose plan is not that of now, unless tasks of it are at work.
func (c *Config) endStale(ctx context.Context, held *writers.Submissions, rec *record.Submission) error {
	s := &Submission{Engine: c.Engine, Record: rec}
	ids, err := s.find(ctx)
	if err != nil {
		return err
	}
	if len(ids) > 0 {
		tasks, err := c.Engine.Tasks(ctx, ids)
		if err != nil {
			return err
		}
		live := 0
		for _, t := range tasks {
			if t.State == Waiting || t.State == Running {
				live++
			}
		}
		if live > 0 {
			return &OtherError{Dir: c.Run.Job.Output.Path, Record: rec, Tasks: live, IDs: ids}
		}
	}
	c.Run.Log.WarnContext(ctx, "input, model or job have changed since a submission that has not ended was planned: it is planned anew", "submit", rec.SubmitID)
	rec.Error = "input, model or job changed before it ended"
	return c.end(held, rec, exit.Config)
}

// end closes the record of a submission.
func (c *Config) end(held *writers.Submissions, rec *record.Submission, code int) error {
	rec.Finished, rec.ExitCode = c.Run.Now().UTC().Format(time.RFC3339), code
	return held.Save(rec)
}

// begin makes the plan and the record of a submission. It returns nil where no shard lacks a part.
func (c *Config) begin(ctx context.Context, held *writers.Submissions, p *planned) (*record.Submission, error) {
	lacking, err := p.in.Pending(ctx, p.served, c.Shards, c.Run.Balance)
	if err != nil || len(lacking) == 0 {
		return nil, err
	}
	if err := held.RemoveOld(); err != nil {
		return nil, err
	}
	dir, err := held.Dir(c.Run.ID)
	if err != nil {
		return nil, err
	}
	plan := filepath.Join(dir, planName)
	if err := p.file.Write(plan); err != nil {
		return nil, err
	}
	rec := &record.Submission{
		SubmitID: c.Run.ID, Name: c.Run.Job.Name, Job: c.jobPath(), Engine: c.EngineName, Shards: c.Shards, Balance: c.Run.Balance, Plan: plan,
		Command: c.Words, Line: c.Line, Started: c.Run.Now().UTC().Format(time.RFC3339), ExitCode: record.NotEnded, Version: run.BuildVersion(),
	}
	return rec, held.Save(rec)
}

// cancelPatience is how long the engine has to cancel the tasks of a submission that was stopped.
const cancelPatience = 30 * time.Second

// close ends the record of a submission, but not of one whose tasks may go on.
func (c *Config) close(ctx context.Context, held *writers.Submissions, s *Submission, err error) error {
	stopped := run.Stopped(ctx, err)
	var signal *run.SignalError
	switch {
	case err == nil, len(s.Record.Rounds) == 0:
	case errors.As(stopped, &signal) && signal.Signal == syscall.SIGINT:
		patient, done := context.WithTimeout(context.WithoutCancel(ctx), cancelPatience)
		canceled := s.Cancel(patient)
		done()
		if canceled != nil {
			c.Run.Log.WarnContext(ctx, "the tasks could not be canceled, and may go on; the same command follows them", "error", canceled)
			return stopped
		}
		c.Run.Log.WarnContext(ctx, "the tasks were canceled; what is committed stays, the same command submits the rest")
	default:
		return stopped
	}
	if stopped != nil {
		s.Record.Error = stopped.Error()
	}
	return run.FirstFailure(ctx, c.Run.Log, stopped, c.end(held, s.Record, run.ExitCode(stopped)))
}

// DryRun returns the scripts that [Run] would submit first, without writing anything.
func DryRun(ctx context.Context, cfg Config) ([]Script, error) {
	p, err := cfg.plan(ctx)
	if err != nil {
		return nil, err
	}
	lacking, err := p.in.Pending(ctx, p.served, cfg.Shards, cfg.Run.Balance)
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
