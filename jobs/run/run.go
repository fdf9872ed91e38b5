package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"graphscore/jobs"
	"graphscore/jobs/gates"
	"graphscore/pipeline"
	"graphscore/readers"
	"graphscore/writers"
	"graphscore/writers/part"
	"graphscore/writers/record"
)

// Options are how one execution is embedded in its caller. Lender must be set; every other zero value means its
// default.
type Options struct {
	// Lender provides the session.
	Lender Lender
	// Progress counts the run while it goes on. Default: a new one.
	Progress *pipeline.Progress
	// Wrap decorates the scorer below its retries. Default: the scorer as it is.
	Wrap func(pipeline.Scorer) pipeline.Scorer
	// Begin is called for every shard, as [pipeline.Config.Begin]. Default: the context as it is.
	Begin func(ctx context.Context, shard string) (context.Context, func(pipeline.ShardResult))
	// Show runs work, which scores so many graphs, and shows how far it is. Default: it just runs work.
	Show func(ctx context.Context, graphs int64, work func(context.Context) error) error

	// Share is the number of runs at once that divide the limits of the job. Default 1.
	Share int
	// Turn blocks until the run before this one has ended, before scores are compared with its output. Default: it
	// returns at once.
	Turn func(context.Context) error
	// AnyAge leaves out the gate on the age of the input, for dates that may be old.
	AnyAge bool
	// DatesHeld says that the caller has the lock above the dates: see [Config.LockDates].
	DatesHeld bool
	// Held is called once, when no other run can have the output any more. Default: nothing.
	Held func()
}

func (o Options) withDefaults() Options {
	if o.Progress == nil {
		o.Progress = &pipeline.Progress{}
	}
	if o.Wrap == nil {
		o.Wrap = func(s pipeline.Scorer) pipeline.Scorer { return s }
	}
	if o.Begin == nil {
		o.Begin = func(ctx context.Context, _ string) (context.Context, func(pipeline.ShardResult)) {
			return ctx, func(pipeline.ShardResult) {}
		}
	}
	if o.Show == nil {
		o.Show = func(ctx context.Context, _ int64, work func(context.Context) error) error { return work(ctx) }
	}
	o.Share = max(o.Share, 1)
	if o.Turn == nil {
		o.Turn = func(context.Context) error { return nil }
	}
	if o.Held == nil {
		o.Held = func() {}
	}
	return o
}

// Ended is what an execution leaves to its caller.
type Ended struct {
	// Record is what the run was and how it went, complete however early it ended.
	Record record.Run
	// Recorded is true where the record was written into the output.
	Recorded bool
	// Idle is true for a task whose parts all existed: nothing was done and nothing written.
	Idle bool
	// Missing are the planned parts that do not exist, where several runs were to make them: those of Tasks.
	Missing []string
	Tasks   []record.Task
	// Balance is that of Tasks.
	Balance string
	// NoInput is true where nothing matches: nothing was done and nothing written, not even _SUCCESS, as what comes late
	// must not count as done.
	NoInput bool
	// Stages is how busy each stage was; Streamed is false where no shard was to be scored.
	Stages   pipeline.StageReport
	Streamed bool
	// Hint is a likely reason for which graphs are in quarantine, "" for none.
	Hint string
	// OverBudget says that the run ended early, as too many graphs are in quarantine, "" where it did not.
	OverBudget string
}

// Execute scores what in plans and is not scored yet. It owns the output from the lock to its release; a record is
// written whatever happens in between. Its error maps to the exit code of the run by [ExitCode]: an *OutcomeError
// where the run came to its end and something was not scored or a gate failed.
func Execute(ctx context.Context, in *Input, options Options) (Ended, error) {
	x := &execution{in: in, opt: options.withDefaults(), work: nothing(in)}
	switch {
	case in.all().Plan.Empty():
		return x.withoutInput(ctx)
	case in.Task != nil:
		return x.asTask(ctx)
	}
	release, err := x.holdDates(ctx)
	if err != nil {
		return x.end(ctx, err), err
	}
	ended, err := x.inOutput(ctx)
	return ended, FirstFailure(ctx, in.Log, err, release())
}

// inOutput opens the output, does the work there and leaves the record.
func (x *execution) inOutput(ctx context.Context) (Ended, error) {
	in := x.in
	output, err := writers.Open(ctx, writers.Config{
		Dir: in.Job.Output.Path, RunID: in.ID, Version: BuildVersion(), Now: in.Now, Log: in.Log, Disk: in.Disk,
	})
	if err != nil {
		return x.end(ctx, err), err
	}
	x.opt.Held()
	work := x.score
	if in.Finish {
		work = x.judge
	}
	err = x.endedBy(work(ctx, output), output)
	if err == nil {
		err = x.outcome()
	}
	ended := x.end(ctx, err)
	ended.Recorded = true
	x.join(&ended)
	err = FirstFailure(ctx, in.Log, err, output.WriteRecord(&ended.Record))
	if x.allExist() { // what tasks say is in the record now, or is of parts that a run alone has completed
		err = FirstFailure(ctx, in.Log, err, output.ForgetTasks())
	}
	return ended, FirstFailure(ctx, in.Log, err, output.Close())
}

// execution is a run under way. Each value is empty until its step has ended.
type execution struct {
	in  *Input
	opt Options

	served   Served
	contract Contract
	work     work
	begun    *readers.Begun // the shard that was compared with the model: stream opens or closes it
	result   pipeline.Result
	streamed bool
	calls    int // at most under way
	gates    []record.Gate
	previous string // output that the scores can be compared with, "" where there is none

	numbering numbering
	budget    *budget
	over      *BudgetError // how the run ended, nil where something else ended it

	missing   []int              // of Finish: places in the plan of the parts that do not exist
	later     int                // of Finish with AllInput: files that came to the input after the plan was made
	tasks     []*record.TaskRun  // of Finish: the records of those that filled the output
	made      map[string]made    // of Finish: what tasks say of the planned parts, by part
	earlier   []record.Attempt   // of a task: those before this one
	withdrawn []record.Withdrawn // of a task: inputs that are read wrongly

	workerMemory int64 // peak of all local workers, in bytes
	throughput   throughput
}

// score does the work, from the connection to _SUCCESS.
func (x *execution) score(ctx context.Context, output *writers.Output) (err error) {
	if x.in.Unreadable() { // no scorer is asked for nothing
		return x.withoutShards(ctx, output)
	}
	if err := x.in.checkPlan(ctx); err != nil {
		return err
	}
	session, err := x.opt.Lender.Borrow(ctx)
	if err != nil {
		return err
	}
	defer func() {
		x.workerMemory = max(x.workerMemory, session.PeakMemory())
		err = FirstFailure(ctx, x.in.Log, err, x.opt.Lender.Return(session))
	}()
	x.served = session.Served
	defer func() { x.begun.Close() }()
	if err := x.agree(ctx, output); err != nil {
		return err
	}
	if err := x.reconcile(ctx, output); err != nil {
		return err
	}
	streamed := x.stream(ctx, session, output)
	if err := cmp.Or(streamed, x.withdraw(output)); err != nil { // parts of a misread file go, however the run ends
		return err
	}
	x.in.WarnUndecided(ctx)
	if err := x.findLater(ctx); err != nil {
		return err
	}
	if err := x.accounted(); err != nil {
		return err
	}
	if err := x.tryGates(ctx, output); err != nil {
		return err
	}
	return output.Finish(ctx, x.work.Reconciled, x.whole() && len(gates.Failed(x.gates)) == 0)
}

// withoutShards ends a run none of whose files can be read.
func (x *execution) withoutShards(ctx context.Context, output *writers.Output) error {
	if err := output.Begin(); err != nil {
		return err
	}
	return x.tryGates(ctx, output)
}

// agree compares the model with the data, and both with the parts that exist.
func (x *execution) agree(ctx context.Context, output *writers.Output) error {
	if x.in.fixed != nil {
		width, err := x.in.knownWidth(ctx, x.served)
		return cmp.Or(err, x.agreeFixed(width))
	}
	width, begun, misfit := x.in.fit(ctx, x.served, 0)
	x.begun = begun
	graphs, nodes, err := output.View().ExistingIDTypes(x.in.parts())
	x.contract = *x.in.Agree(x.served, width, IDTypes{graphs, nodes})
	return cmp.Or(misfit, err)
}

// agreeFixed settles what the plan file has settled, and compares both.
func (x *execution) agreeFixed(width int) error {
	x.contract = *x.in.Agree(x.served, width, IDTypes{})
	return x.in.fixed.same(&x.contract)
}

// work is what a run does with its shards.
type work struct {
	*writers.Reconciled
	todo []int // places in the plan of the shards to score
}

// changes reports whether the output will change for certain. A part that is made again removes _SUCCESS only where it
// comes out otherwise.
func (w *work) changes() bool {
	return slices.ContainsFunc(w.Decisions, func(d writers.Decision) bool { return d != writers.Skip && d != writers.Retry })
}

// nothing is the work before the output was looked at.
func nothing(in *Input) work {
	return work{Reconciled: &writers.Reconciled{Footers: make([]*part.Footer, len(in.Plan.Shards))}}
}

// reconcile compares the plan with the parts that exist.
func (x *execution) reconcile(ctx context.Context, output *writers.Output) error {
	found, err := output.Reconcile(ctx, x.contract.Plan())
	if err != nil {
		return err
	}
	x.work = work{Reconciled: found}
	for i, d := range found.Decisions {
		if d != writers.Skip {
			x.work.todo = append(x.work.todo, i)
		}
	}
	x.opt.Progress.Planned.Store(x.in.Plan.Rows)
	x.opt.Progress.Skipped.Store(x.counts().Skipped)
	x.budget = newBudget(x.in.Job, x.in.all().Plan.Rows, x.quarantinedByCode())
	return x.budget.check()
}

// settlePruning decides, once all shards are done, whether parts whose input does not exist any more are removed: not
// where a gate failed, as graphs may be missing that should not be. With --limit the comparison has found none to remove.
func (x *execution) settlePruning(ctx context.Context) {
	why := ""
	switch {
	case x.in.Job.OnOrphan != jobs.OrphanPrune || len(x.work.Orphaned) == 0:
		return
	case x.in.fixed != nil:
		why = "the plan was fixed, and does not know what input came after it: run or finish without --plan prunes"
	case len(x.refused()) > 0:
		why = "files of the input were refused"
	case len(x.in.Plan.LeftOut.Unfinished) > 0:
		why = "files of the input are not finished"
	case len(gates.Failed(x.gates)) > 0:
		why = "a gate failed"
	}
	switch {
	case why != "":
		x.work.Prunable = nil
	case len(x.work.Prunable) < len(x.work.Orphaned):
		why = "nothing matches one of several inputs"
	default:
		return
	}
	x.in.Log.WarnContext(ctx, "parts whose input is gone are not pruned", "parts", len(x.work.Orphaned)-len(x.work.Prunable), "reason", why)
}

// whole reports whether every planned shard has its part.
func (x *execution) whole() bool {
	return len(x.in.Plan.Refused)+len(x.in.Plan.LeftOut.Unfinished) == 0 &&
		!slices.ContainsFunc(x.result.Shards, func(s pipeline.ShardResult) bool { return s.Outcome != pipeline.Scored })
}

// tryGates compares the output with the limits of the job's gates, once all shards are done. Without gates it only
// looks for an earlier output.
func (x *execution) tryGates(ctx context.Context, output *writers.Output) error {
	limits := x.in.Job.Gates
	if limits.Drift != nil {
		if err := x.opt.Turn(ctx); err != nil {
			return err
		}
	}
	var err error
	if x.previous, err = x.in.Earlier(); err != nil {
		return err
	}
	if x.in.Limit > 0 {
		x.gates = gates.LeftOut(limits, "not checked: --limit takes only some of the graphs")
		return nil
	}
	facts, err := x.in.GateFacts(x.counts().RowsIn, x.opt.AnyAge)
	if err != nil {
		return err
	}
	facts.Quarantined = x.quarantined()
	x.gates = append(gates.Input(limits, facts), gates.Quarantine(limits, facts)...)
	x.settlePruning(ctx)
	if limits.Drift == nil {
		return nil
	}
	drift, err := x.driftGates(ctx, output)
	x.gates = append(x.gates, drift...)
	return err
}

// withoutInput ends the run of an input of no files. Gates are reported, as one may want graphs; where the job does not
// say that the input is optional, the code is that of a missing input all the same: what scores would have been judged
// does not exist.
func (x *execution) withoutInput(ctx context.Context) (Ended, error) {
	var err error
	if x.in.Limit == 0 && x.in.Task == nil {
		facts, unseen := x.in.GateFacts(0, x.opt.AnyAge)
		x.gates, err = gates.Input(x.in.Job.Gates, facts), unseen
	}
	err = cmp.Or(err, x.in.Missing(), x.failedGates())
	ended := x.end(ctx, err)
	ended.NoInput = true
	return ended, err
}

func (x *execution) end(ctx context.Context, err error) Ended {
	over := ""
	if x.over != nil {
		over = x.over.Error()
	}
	return Ended{
		OverBudget: over,
		Record:     x.record(ctx, err), Streamed: x.streamed, Hint: x.numbering.hint(),
		Stages: pipeline.StageReport{Stages: x.opt.Progress.Stages(), Calls: x.calls, Workers: x.served.Workers(x.in.Job)},
	}
}

// outcome is how a run ended that nothing stopped.
func (x *execution) outcome() error {
	if err := cmp.Or(x.partsMissing(), x.cameLater()); err != nil {
		return err
	}
	return x.in.Outcome(len(x.refused()), x.anyDone(), x.gates, x.quarantined())
}

// Outcome is how a run ends that nothing stops: nil, or an *OutcomeError for the gates or for what is not scored or not
// finished by its writer.
// refused counts the files that cannot be read, anyDone is true where a part exists, and quarantined counts the graphs
// in quarantine, now or since an earlier run.
func (in *Input) Outcome(refused int, anyDone bool, verdicts []record.Gate, quarantined int64) error {
	if refused > 0 && refused == in.Files() && !anyDone {
		return noInput()
	}
	if err := unfinished(len(in.Plan.LeftOut.Unfinished)); err != nil { // all else is judged once the input is whole
		return err
	}
	if err := GatesFailed(verdicts); err != nil {
		return err
	}
	return partly(refused, quarantined)
}

// allExist reports whether every planned part exists now, of this run or of one before.
func (x *execution) allExist() bool {
	if x.work.Decisions == nil || x.in.Limit > 0 && !x.in.Finish { // others may have begun more
		return false
	}
	if x.in.Finish {
		return len(x.unscored()) == 0
	}
	return len(x.result.Shards) == len(x.work.todo) &&
		!slices.ContainsFunc(x.result.Shards, func(s pipeline.ShardResult) bool { return s.Outcome != pipeline.Scored })
}

// anyDone reports whether a part exists, of this run or of one before.
func (x *execution) anyDone() bool {
	return slices.ContainsFunc(x.result.Shards, func(s pipeline.ShardResult) bool { return s.Outcome == pipeline.Scored }) ||
		slices.ContainsFunc(x.work.Footers, func(l *part.Footer) bool { return l != nil })
}

// failedGates is how a run ends because of its gates, nil where none failed.
func (x *execution) failedGates() error { return GatesFailed(x.gates) }

// FirstFailure returns the one error that a command ends with: how it ended, unless what came after that failed and
// the command itself did not. The other one is logged.
func FirstFailure(ctx context.Context, log *slog.Logger, ended, after error) error {
	var outcome *OutcomeError
	switch {
	case after == nil:
		return ended
	case ended == nil || errors.As(ended, &outcome):
		return after
	default:
		log.ErrorContext(ctx, "ending the run", "error", fmt.Sprint(after))
		return ended
	}
}
