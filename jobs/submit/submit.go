package submit

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"graphscore/jobs/run"
	"graphscore/writers"
	"graphscore/writers/record"
)

// planName is the plan of a submission in its folder, and plansName the folder with those of its dates.
const (
	planName  = "plan.json"
	plansName = "plans"
)

// Config is what to submit, and where.
type Config struct {
	// Run is the job and the world in which it runs. For [Run] the job is of one date where it has a {date}; else what all
	// dates have in common.
	Run        run.Config
	Engine     Engine
	EngineName string
	// Shards is how many tasks the job is cut into, Rounds how many times those that failed are submitted again.
	Shards, Rounds int
	// Window names the dates that were asked for, "" for a single output.
	Window string
	// Asked reports whether a date is one of those of Window. Nil where there is none.
	Asked func(date string) bool
	// Words are the command of a shard without --date of a window, --plan and --shard. Relative paths in it count from Dir.
	Words []string
	Dir   string
	// Line is the command line of the submission, as it was given.
	Line []string
	// Every is how long it waits between two looks at the engine, Pause before the first round that submits again; each
	// later round waits twice as long.
	Every, Pause time.Duration
	// Seen is called after each look.
	Seen func(Progress)
	// Whole is called after a look for each output of which all parts exist while none of its shards is at work, with its
	// date and its plan. What it has ended is not looked at again. Nil leaves all to the end.
	Whole func(ctx context.Context, date, plan string) (ended bool)
}

// jobPath is the job file, "" for a job of flags alone.
func (c *Config) jobPath() string {
	if c.Run.Job.Path == "" {
		return ""
	}
	return run.Absolute(c.Run.Job.Path)
}

// Result is how a submission ended, and the configuration with which its output is finished.
type Result struct {
	Record record.Submission
	Finish run.Config
}

// Run plans the job, submits the shards that lack parts with that plan and follows them. It continues a submission that
// died, unless input, model, job or flags have changed since: then that ends first. Where nothing lacks it submits nothing and
// leaves no record. What ends ctx by SIGINT cancels the tasks; by anything else they go on, and the same command follows
// them. Errors are those of [run.Prepare] and [Plan], of the engine, of [writers.OpenSubmissions], an *OtherError, and the end of ctx.
func Run(ctx context.Context, cfg Config) (ended Result, err error) {
	ended.Finish = cfg.Run
	ended.Finish.Finish, ended.Finish.AllInput, ended.Finish.Count = true, true, cfg.Shards
	p, err := cfg.plan(ctx)
	if err != nil {
		return ended, err
	}
	held, err := cfg.Run.OpenSubmissions()
	if err != nil {
		return ended, err
	}
	defer func() { err = run.FirstFailure(ctx, cfg.Run.Log, err, held.Close()) }()
	release, err := cfg.apart(ctx)
	if err != nil {
		return ended, err
	}
	defer func() { err = run.FirstFailure(ctx, cfg.Run.Log, err, release()) }()
	rec, err := cfg.Execute(ctx, held, []*Planned{p})
	if rec != nil {
		ended.Record, ended.Finish.PlanFile = *rec, rec.Plan
	}
	return ended, err
}

// plan plans the job of a single output.
func (c *Config) plan(ctx context.Context) (*Planned, error) {
	in, err := run.Prepare(ctx, Refusing(c.Run))
	if err != nil {
		return nil, err
	}
	return Plan(ctx, in, func(ctx context.Context) (run.Served, error) { return run.Describe(ctx, c.Run) })
}

// Execute is [Run] for outputs that were planned: one, or those of several dates. held are their submissions. It returns the
// record of the submission, nil where nothing was to be done.
func (c *Config) Execute(ctx context.Context, held *writers.Submissions, planned []*Planned) (*record.Submission, error) {
	rec, planned, err := c.open(ctx, held, planned)
	if err != nil || rec == nil {
		return nil, err
	}
	o, err := newOutputs(ctx, held, rec, planned)
	if err != nil {
		return nil, err
	}
	dir, err := held.Dir(rec.SubmitID)
	if err != nil {
		return nil, err
	}
	s := &Submission{
		Engine: c.Engine, Work: o, Lock: held.Handing(), Rounds: c.Rounds, Every: c.Every, Pause: c.Pause, Record: rec, Seen: c.Seen, Command: c.command(dir, rec.Dates),
	}
	s.NoRoom = func(ctx context.Context, refused error) {
		c.Run.Log.WarnContext(ctx, "the engine takes no further array now: the rest is submitted when tasks have ended", "error", refused)
	}
	if c.Whole != nil {
		s.Looked = func(ctx context.Context, atWork map[int]bool) {
			for place, p := range o.each {
				if p != nil && o.whole(place, atWork) && c.Whole(ctx, p.cfg.Date, p.cfg.PlanFile) {
					o.end(place)
				}
			}
		}
	}
	return rec, c.close(ctx, held, s, s.Execute(ctx))
}

// open begins a submission, or takes up the one that has not ended. It returns the outputs in the order of the record, nil
// for those in which nothing is left to do, and no record where nothing is to be done.
func (c *Config) open(ctx context.Context, held *writers.Submissions, planned []*Planned) (*record.Submission, []*Planned, error) {
	rec, err := held.Unfinished()
	if err != nil {
		return nil, nil, err
	}
	if rec == nil {
		return c.begin(ctx, held, planned)
	}
	ordered, changed := c.takeUp(rec, planned)
	if changed != "" {
		if err := c.endStale(ctx, held, rec, changed); err != nil {
			return nil, nil, err
		}
		return c.begin(ctx, held, planned)
	}
	c.Run.Log.InfoContext(ctx, "continuing a submission that has not ended", "submit", rec.SubmitID, "started", rec.Started)
	return rec, ordered, nil
}

// sameJob reports whether a submission that has not ended is one of the same job, engine and number of shards.
func sameJob(rec *record.Submission, cfg Config) bool {
	return rec.Job == cfg.jobPath() && rec.Engine == cfg.EngineName && rec.Shards == cfg.Shards && rec.Name == cfg.Run.Job.Name &&
		slices.Equal(rec.Command, cfg.Words)
}

// takeUp returns the outputs of now in the order of a submission that died, or what has changed since: an output that has
// nothing left to do is not among them.
func (c *Config) takeUp(rec *record.Submission, planned []*Planned) (ordered []*Planned, changed string) {
	if !sameJob(rec, *c) {
		return nil, otherFlags
	}
	if rec.Window != c.Window {
		return nil, "what was asked for, or the date of today, has"
	}
	ordered = make([]*Planned, max(len(rec.Dates), 1))
	for _, p := range planned {
		place := slices.Index(rec.Dates, p.cfg.Date)
		if len(rec.Dates) == 0 {
			place = 0
		}
		if place < 0 || !samePlan(rec.PlanOf(p.cfg.Date), p.file) {
			return nil, "the input, the model or the job has"
		}
		ordered[place] = p
	}
	return ordered, ""
}

// begin makes the plans and the record of a submission. It returns no record where no shard lacks a part.
func (c *Config) begin(ctx context.Context, held *writers.Submissions, planned []*Planned) (*record.Submission, []*Planned, error) {
	shards, err := lacking(ctx, planned, c.Shards, c.Run.Balance)
	if err != nil || len(shards) == 0 {
		return nil, nil, err
	}
	if err := held.RemoveOld(); err != nil {
		return nil, nil, err
	}
	dir, err := held.Dir(c.Run.ID)
	if err != nil {
		return nil, nil, err
	}
	rec := &record.Submission{
		SubmitID: c.Run.ID, Name: c.Run.Job.Name, Job: c.jobPath(), Engine: c.EngineName, Shards: c.Shards, Balance: c.Run.Balance,
		Plan: filepath.Join(dir, planName), Window: c.Window, Dates: c.dates(planned),
		Command: c.Words, Line: c.Line, Started: c.Run.Now().UTC().Format(time.RFC3339), ExitCode: record.NotEnded, Version: run.BuildVersion(),
	}
	if len(rec.Dates) > 0 {
		rec.Plan = filepath.Join(dir, plansName)
	}
	for _, p := range planned {
		if err := p.file.Write(rec.PlanOf(p.cfg.Date)); err != nil {
			return nil, nil, err
		}
	}
	return rec, planned, held.Save(rec)
}

// dates are those of a window, in the order of the indices; none for a single output.
func (c *Config) dates(planned []*Planned) (dates []string) {
	if c.Window == "" {
		return nil
	}
	for _, p := range planned {
		dates = append(dates, p.cfg.Date)
	}
	return dates
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
	var names record.Submissions
	return cfg.Scripts(ctx, filepath.Join(cfg.Run.Job.Output.Path, names.Folder(cfg.Run.ID)), []*Planned{p})
}

// Scripts returns the scripts that [Config.Execute] would submit first, from the folder of its submission.
func (c *Config) Scripts(ctx context.Context, folder string, planned []*Planned) ([]Script, error) {
	shards, err := lacking(ctx, planned, c.Shards, c.Run.Balance)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	s := &Submission{Engine: c.Engine, Command: c.command(dir, c.dates(planned)), Record: &record.Submission{SubmitID: c.Run.ID}}
	arrays, err := s.arrays(ctx, shards)
	if err != nil {
		return nil, err
	}
	scripts := make([]Script, len(arrays))
	for i, a := range arrays {
		scripts[i] = Script{a.Name, c.Engine.Script(s.Command, a)}
	}
	return scripts, nil
}

// Script is a batch script that would be submitted.
type Script struct {
	Name    string
	Content []byte
}

// command is what a task of a submission with the folder dir runs.
func (c *Config) command(dir string, dates []string) Command {
	cmd := Command{Words: c.Words, Dates: dates, Plans: filepath.Join(dir, plansName), Count: c.Shards, Logs: filepath.Join(dir, "logs"), Dir: c.Dir}
	if len(dates) == 0 {
		cmd.Words, cmd.Plans = append(append([]string{}, c.Words...), "--plan", filepath.Join(dir, planName)), ""
	}
	return cmd
}
