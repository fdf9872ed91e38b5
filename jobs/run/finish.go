package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"graphscore/jobs/gates"
	"graphscore/pipeline"
	"graphscore/pipeline/display"
	"graphscore/pipeline/exit"
	"graphscore/writers"
	"graphscore/writers/record"
)

// judge ends what several tasks have begun, once none of them is at work: all planned parts must exist and match. Then come
// the gates and _SUCCESS, as for a run that has made all parts itself.
func (x *execution) judge(ctx context.Context, output *writers.Output) error {
	in := x.in
	if err := x.readTasks(); err != nil {
		return err
	}
	if in.Unreadable() {
		return x.withoutShards(ctx, output)
	}
	if err := x.describe(ctx); err != nil {
		return err
	}
	err := x.agree(ctx, output)
	x.begun.Close() // nothing is scored here
	if err != nil {
		return err
	}
	if err := x.compareAll(ctx, output); err != nil {
		return err
	}
	if err := x.withdrawMisread(output); err != nil {
		return err
	}
	x.warnKernels(ctx)
	if err := x.findLater(ctx); err != nil {
		return err
	}
	if err := x.budget.check(); err != nil {
		return err
	}
	if len(x.missing) > 0 {
		return output.Begin()
	}
	if err := x.accounted(); err != nil {
		return err
	}
	if err := x.tryGates(ctx, output); err != nil {
		return err
	}
	return output.Finish(ctx, x.work.Reconciled, x.whole() && len(x.unscored()) == 0 && x.later == 0 && len(gates.Failed(x.gates)) == 0)
}

// describe finds out what scored: the plan file says it, else the model folder or the server.
func (x *execution) describe(ctx context.Context) (err error) {
	in := x.in
	if in.fixed != nil && in.Job.Model.Path == "" { // servers need not run any more
		x.served, err = in.fixed.served()
		return err
	}
	x.served, err = DescribeParts(ctx, in.Config)
	return err
}

// compareAll compares the plan with the parts that exist. Parts that do not match are refused, but for old ranges where the
// job rescores: they go once all planned parts exist.
func (x *execution) compareAll(ctx context.Context, output *writers.Output) error {
	plan := x.contract.Plan()
	found, err := output.Reconcile(ctx, plan)
	var mismatch *writers.MismatchError
	if errors.As(err, &mismatch) && x.in.Job.OnChange == "rescore" {
		planned := map[string]bool{}
		for _, s := range plan.Specs {
			planned[s.Part] = true
		}
		if !slices.ContainsFunc(mismatch.Parts, func(m writers.Mismatch) bool { return planned[m.Part] }) {
			plan.Rescore = true
			found, err = output.Reconcile(ctx, plan)
		}
	}
	if err != nil {
		return err
	}
	x.work = work{Reconciled: found}
	x.budget = newBudget(x.in.Job, x.in.Plan.Rows, x.quarantinedByCode())
	refused := x.refusedByTasks()
	for i, d := range found.Decisions {
		if d != writers.Skip && refused[x.in.Plan.Shards[i].Part] == "" {
			x.missing = append(x.missing, i)
		}
	}
	return nil
}

// unscored are the places in the plan of the parts that do not exist, be it that their files were refused.
func (x *execution) unscored() (places []int) {
	for i, d := range x.work.Decisions {
		if d != writers.Skip {
			places = append(places, i)
		}
	}
	return places
}

// readTasks reads the records of the tasks that filled the output. One that cannot be read is passed over: what is done is
// in the footers.
func (x *execution) readTasks() error {
	dir := x.in.Job.Output.Path
	tasks, err := record.Tasks(dir)
	if err != nil {
		return err
	}
	planned := x.in.planned()
	for _, t := range tasks {
		rec, err := record.ReadTask(dir, t)
		var broken *record.Error
		switch {
		case errors.As(err, &broken), errors.Is(err, fs.ErrNotExist):
			x.in.Log.Warn("the record of a shard is left out", "shard", t.String(), "error", err)
		case err != nil:
			return err
		default:
			for i := range rec.Attempts {
				share(rec.Attempts[i].Made, planned)
			}
			x.tasks = append(x.tasks, rec)
		}
	}
	x.made = x.madeByTasks(planned)
	slices.SortFunc(x.tasks, func(a, b *record.TaskRun) int {
		return cmp.Or(cmp.Compare(a.Task.Count, b.Task.Count), cmp.Compare(a.Task.Index, b.Task.Index))
	})
	return nil
}

// withdrawMisread removes the parts of files of which a task has shown that all their graphs are read wrongly, where no later
// run of the task has made its part: another task may have made its own meanwhile.
func (x *execution) withdrawMisread(output *writers.Output) error {
	incomplete := map[string]bool{}
	for _, i := range x.unscored() {
		incomplete[x.in.Plan.Shards[i].File.Rel] = true
	}
	wrong := map[record.Withdrawn]bool{}
	for _, t := range x.tasks {
		for _, w := range t.Withdrawn {
			wrong[w] = incomplete[w.Input]
		}
	}
	for i := range x.in.Plan.Shards {
		sh := &x.in.Plan.Shards[i]
		if !wrong[record.Withdrawn{Input: sh.File.Rel, Fingerprint: sh.File.Fingerprint}] || x.work.Decisions[i] != writers.Skip {
			continue
		}
		if err := output.Withdraw(sh.Part); err != nil {
			return err
		}
		x.work.Decisions[i], x.work.Footers[i] = writers.Score, nil
	}
	return nil
}

// refusedByTasks returns why a task could not read what a part is made from, by part.
func (x *execution) refusedByTasks() map[string]string {
	reasons := map[string]string{}
	for name, m := range x.made {
		if m.Outcome == string(pipeline.RefusedInput) {
			reasons[name] = m.Reason
		}
	}
	return reasons
}

// addRefused adds the files that tasks could not read, and of which a part does not exist.
func (x *execution) addRefused(list []record.RefusedFile) []record.RefusedFile {
	reasons := map[string]string{}
	byPart := x.refusedByTasks()
	for _, i := range x.unscored() {
		if sh := &x.in.Plan.Shards[i]; byPart[sh.Part] != "" && reasons[sh.File.Path] == "" {
			reasons[sh.File.Path] = byPart[sh.Part]
		}
	}
	for _, path := range slices.Sorted(maps.Keys(reasons)) {
		list = append(list, record.RefusedFile{File: path, Reason: reasons[path]})
	}
	return list
}

// kernels returns the BLAS kernels from which the scores of the parts come, each with the tasks and the runs that made them,
// as far as their records say it.
func (x *execution) kernels(ctx context.Context) map[string][]string {
	of := map[string][]string{}
	add := func(blas, who string) {
		if !slices.Contains(of[blas], who) {
			of[blas] = append(of[blas], who)
		}
	}
	others := map[string]bool{} // parts that no task made
	for i := range x.in.Plan.Shards {
		if f := x.work.Footers[i]; f == nil || f.Scored == 0 {
			continue
		}
		if m, ok := x.scoredByTask(i); ok {
			add(m.by.Model.BLAS, "shard "+m.task.String())
		} else {
			others[x.in.Plan.Shards[i].Part] = true
		}
	}
	if len(of) > 0 && len(others) > 0 {
		x.kernelsOfRuns(ctx, others, add)
	}
	return of
}

// kernelsOfRuns calls add for the runs that made parts by themselves, of each part for the newest. Those of which no record
// is left are passed over.
func (x *execution) kernelsOfRuns(ctx context.Context, parts map[string]bool, add func(blas, who string)) {
	files, err := record.List(x.in.Job.Output.Path)
	if err != nil {
		x.in.Log.WarnContext(ctx, "the records of earlier runs cannot be listed: their BLAS kernels are not known", "error", err)
	}
	for _, file := range files {
		if len(parts) == 0 {
			return
		}
		rec, err := record.Read(file)
		if err != nil { // it says nothing
			continue
		}
		for i := range rec.Shards {
			if s := &rec.Shards[i]; s.Outcome == string(pipeline.Scored) && parts[s.Part] {
				delete(parts, s.Part)
				if len(rec.Array) == 0 { // else of several processes
					add(rec.Model.BLAS, "run "+rec.RunID)
				}
			}
		}
	}
}

// warnKernels says that the scores come from several BLAS kernels.
func (x *execution) warnKernels(ctx context.Context) {
	of := x.kernels(ctx)
	if len(of) < 2 {
		return
	}
	var names []string
	for _, kernel := range slices.Sorted(maps.Keys(of)) {
		names = append(names, fmt.Sprintf("%s (%s)", cmp.Or(kernel, "not known"), strings.Join(of[kernel], ", ")))
	}
	x.in.Log.WarnContext(ctx, "the scores come from several BLAS kernels: their last digits may differ from those of one machine", "kernels", names)
}

// findLater looks how many files came to the input after the plan file was made: they are not scored. Of a plan that the
// user has fixed they are no error, and said; else they are counted for the outcome, and a search that fails is an error.
func (x *execution) findLater(ctx context.Context) error {
	if x.in.fixed == nil {
		return nil
	}
	files, err := x.in.Plan.Later(ctx)
	switch {
	case x.in.AllInput:
		x.later = files
		return err
	case err != nil:
		x.in.Log.WarnContext(ctx, "the input cannot be searched for files that are not in the plan", "error", err)
	case files > 0:
		x.in.Log.WarnContext(ctx, "files came to the input after the plan was made: they are not scored, make the plan again", "files", files, "plan", x.in.PlanFile)
	}
	return nil
}

// cameLater is the end of an output whose input has files that came after its plan was made, nil where it has none.
func (x *execution) cameLater() error {
	if x.later == 0 {
		return nil
	}
	return &OutcomeError{Code: exit.Locked, Message: display.Plural(int64(x.later), "file") +
		" came to the input after the plan was made: the same command plans anew and scores just what came"}
}

// partsMissing is the end of an output that lacks parts which nothing keeps from being made, nil where it lacks none.
func (x *execution) partsMissing() error {
	if len(x.missing) == 0 {
		return nil
	}
	verb := "do"
	if len(x.missing) == 1 {
		verb = "does"
	}
	return &OutcomeError{Code: exit.Partly, Said: true, Message: fmt.Sprintf("%s of %d %s not exist",
		display.Plural(int64(len(x.missing)), "part"), len(x.in.Plan.Shards), verb)}
}
