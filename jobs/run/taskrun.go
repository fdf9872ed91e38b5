package run

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"graphscore/pipeline"
	"graphscore/readers"
	"graphscore/writers"
	"graphscore/writers/record"
)

// asTask makes the parts of one task, while others make theirs. It ends at once, and touches nothing, where all of them
// exist and match.
func (x *execution) asTask(ctx context.Context) (Ended, error) {
	in := x.in
	done, err := x.alreadyDone(ctx)
	if err != nil || done {
		err = cmpErr(err, x.taskOutcome)
		ended := x.end(ctx, err)
		ended.Idle = done
		return ended, err
	}
	release, err := x.holdDates(ctx)
	if err != nil {
		return x.end(ctx, err), err
	}
	ended, err := x.besideOthers(ctx)
	return ended, FirstFailure(ctx, in.Log, err, release())
}

// cmpErr is err, or what after returns where it is nil.
func cmpErr(err error, after func() error) error {
	if err != nil {
		return err
	}
	return after()
}

// besideOthers opens the output beside others, does the work there and leaves the record of the task.
func (x *execution) besideOthers(ctx context.Context) (Ended, error) {
	in := x.in
	output, err := writers.OpenTask(ctx, writers.Config{
		Dir: in.Job.Output.Path, RunID: in.ID, Version: BuildVersion(), Now: in.Now, Log: in.Log, Disk: in.Disk,
	}, *in.Task)
	if err != nil {
		return x.end(ctx, err), err
	}
	x.opt.Held()
	x.warnOtherCounts(ctx)
	x.readEarlier(ctx)
	err = x.endedBy(x.scoreTask(ctx, output), output)
	err = cmpErr(err, x.taskOutcome)
	ended := x.end(ctx, err)
	ended.Recorded = true
	rec := &record.TaskRun{Run: ended.Record, Task: *in.Task, Balance: in.Balance, Attempts: x.attempts(&ended.Record), Withdrawn: x.withdrawn}
	err = FirstFailure(ctx, in.Log, err, output.WriteTaskRecord(rec))
	return ended, FirstFailure(ctx, in.Log, err, output.Close())
}

// warnOtherCounts says that the output has records of another number of shards. Nothing is wrong with that: what is done
// is in the footers.
func (x *execution) warnOtherCounts(ctx context.Context) {
	tasks, err := record.Tasks(x.in.Job.Output.Path)
	if err != nil {
		x.in.Log.WarnContext(ctx, "the records of other shards cannot be listed", "error", err)
		return
	}
	for _, t := range tasks {
		if t.Count != x.in.Task.Count {
			x.in.Log.WarnContext(ctx, "the output has records of another number of shards: parts that exist are kept, whichever shard made them",
				"shards", x.in.Task.Count, "earlier", t.Count)
			return
		}
	}
}

// alreadyDone reports whether the task has nothing to do, from the footers of its parts alone: no worker is started, no
// lock is taken.
func (x *execution) alreadyDone(ctx context.Context) (bool, error) {
	in := x.in
	view := in.view()
	if err := view.CheckShared(); err != nil {
		return false, err
	}
	if len(in.Plan.Shards) > 0 {
		if exist, err := x.partsExist(ctx, view); !exist || err != nil {
			return false, err
		}
	}
	if len(in.Plan.Refused)+len(in.Plan.LeftOut.Unfinished) == 0 {
		return true, nil
	}
	done, err := view.Succeeded() // an output whose input cannot be read any more does not keep its _SUCCESS
	return !done, err
}

// partsExist reports whether all parts of the task exist and match. A task that does not fit its plan file ends here, before
// anything is started or written.
func (x *execution) partsExist(ctx context.Context, view writers.View) (bool, error) {
	in := x.in
	served, err := DescribeParts(ctx, in.Config)
	if err != nil {
		return false, err
	}
	width, err := in.knownWidth(ctx, served)
	if err != nil {
		return false, err
	}
	x.served = served
	if err := x.agreeTask(view, width); err != nil {
		return false, err
	}
	found, err := writers.Compare(ctx, writers.Config{Dir: view.Dir(), Log: in.Log}, x.contract.specsOnly())
	if err != nil {
		return false, err
	}
	if err := found.Refusal(); err != nil {
		return false, err
	}
	if slices.ContainsFunc(found.Decisions, func(d writers.Decision) bool { return d != writers.Skip }) {
		return false, nil
	}
	x.work = work{Reconciled: &found.Reconciled}
	return true, nil
}

// agreeTask settles what the parts of the task hold, as a run of all parts would.
func (x *execution) agreeTask(view writers.View, width int) error {
	in, whole := x.in, x.in.all()
	var types IDTypes
	if in.fixed == nil && len(whole.Plan.Refused) > 0 {
		var err error
		if types.Graphs, types.Nodes, err = view.ExistingIDTypes(whole.parts()); err != nil {
			return err
		}
	}
	c := whole.Agree(x.served, width, types)
	in.Plan.GraphIDs, in.Plan.NodeIDs = whole.Plan.GraphIDs, whole.Plan.NodeIDs
	c.in = in
	x.contract = *c
	return in.fixed.same(c)
}

// scoreTask scores the shards of the task that have no part.
func (x *execution) scoreTask(ctx context.Context, output *writers.Output) (err error) {
	in := x.in
	if len(in.Plan.Shards) == 0 || x.work.Decisions != nil { // all that can be done is
		return output.Begin()
	}
	session, err := x.opt.Lender.Borrow(ctx)
	if err != nil {
		return err
	}
	defer func() {
		x.workerMemory = max(x.workerMemory, session.PeakMemory())
		err = FirstFailure(ctx, in.Log, err, x.opt.Lender.Return(session))
	}()
	x.served = session.Served
	width, err := x.fitTask(ctx)
	if err != nil {
		return err
	}
	if err := x.agreeTask(output.View(), width); err != nil {
		return err
	}
	if err := x.reconcile(ctx, output); err != nil {
		return err
	}
	streamed := x.stream(ctx, session, output)
	if err := cmp.Or(streamed, x.withdrawBeside(output), x.withdraw(output)); err != nil {
		return err
	}
	in.WarnUndecided(ctx)
	return cmp.Or(x.accounted(), output.Stays())
}

// fitTask compares the model with the data of all tasks. A plan file was compared when it was made.
func (x *execution) fitTask(ctx context.Context) (int, error) {
	if x.in.fixed != nil {
		return x.in.knownWidth(ctx, x.served)
	}
	return x.in.all().Fit(ctx, x.served, 0)
}

// withdrawBeside removes the parts that other tasks have made of files of which a shard has shown that all their graphs are
// read wrongly. A part that another makes after that is removed by who finishes: see [record.TaskRun].
func (x *execution) withdrawBeside(output *writers.Output) error {
	wrong := x.misread()
	own := map[string]bool{}
	for _, name := range x.in.parts() {
		own[name] = true
	}
	for file := range wrong {
		x.withdrawn = append(x.withdrawn, record.Withdrawn{Input: file.Rel, Fingerprint: file.Fingerprint})
	}
	slices.SortFunc(x.withdrawn, func(a, b record.Withdrawn) int { return cmp.Compare(a.Input, b.Input) })
	shards := x.in.all().Plan.Shards
	for i := range shards {
		if wrong[shards[i].File] == nil || own[shards[i].Part] {
			continue
		}
		if err := output.Withdraw(shards[i].Part); err != nil {
			return err
		}
	}
	return nil
}

// taskOutcome is how a task ends that nothing stopped: as all its parts exist, or which of them do not. Graphs in quarantine
// are judged by who finishes.
func (x *execution) taskOutcome() error {
	if err := unfinished(len(x.in.Plan.LeftOut.Unfinished)); err != nil {
		return err
	}
	for _, s := range x.result.Shards {
		var failed *readers.FileError
		if s.Outcome == pipeline.RefusedInput && errors.As(s.Err, &failed) && failed.OfSystem() {
			return notRead(failed)
		}
	}
	return partly(len(x.refused()), 0)
}
