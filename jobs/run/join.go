package run

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"graphscore/pipeline"
	"graphscore/writers/record"
)

// join adds to the record of who finishes what the tasks have done: the parts that they scored count as scored by the run
// that all of them are, and its time is that since the first of them began.
func (x *execution) join(ended *Ended) {
	if !x.in.Finish {
		return
	}
	rec := &ended.Record
	for _, i := range x.missing {
		ended.Missing = append(ended.Missing, x.in.Plan.Shards[i].Part)
		rec.Shards[i].Reason = "no shard of the array job has made its part"
	}
	ended.Tasks, ended.Balance = x.tasksToRun()
	if len(x.tasks) == 0 {
		return
	}
	x.joinShards(rec)
	x.joinModel(rec)
	start, err := time.Parse(time.RFC3339, rec.Started)
	for _, t := range x.tasks {
		rec.Array = append(rec.Array, t.Member())
		c, s := &rec.Counts, &rec.Stages
		c.Edges, c.Requests, c.Retries = c.Edges+t.Counts.Edges, c.Requests+t.Counts.Requests, c.Retries+t.Counts.Retries
		addStages(s, &t.Stages)
		rec.PeakMemory.Go = max(rec.PeakMemory.Go, t.PeakMemory.Go)
		rec.PeakMemory.Workers = max(rec.PeakMemory.Workers, t.PeakMemory.Workers)
		joinColumns(rec, t.ColumnsRead)
		began, unknown := time.Parse(time.RFC3339, t.Started)
		if err == nil && unknown == nil && began.Before(start) {
			start, rec.Started, rec.StartupSeconds = began, t.Started, t.StartupSeconds
		}
	}
	if err == nil {
		rec.Throughput = joinCurves(start, x.tasks)
		rec.Seconds = max(rec.Seconds, Elapsed(start, x.in.Now()))
	}
}

// joinShards says of each part which task made it.
func (x *execution) joinShards(rec *record.Run) {
	c := &rec.Counts
	for i := range rec.Shards {
		s := &rec.Shards[i]
		by, ok := x.made[s.Part]
		switch {
		case !ok:
		case s.Outcome == record.ShardSkipped && by.Outcome == string(pipeline.Scored):
			s.Outcome, s.Seconds = by.Outcome, by.Seconds
			c.ShardsSkipped, c.Skipped = c.ShardsSkipped-1, c.Skipped-s.RowsIn
			c.Scored, c.Quarantined, c.Nodes = c.Scored+s.Scored, c.Quarantined+s.Quarantined, c.Nodes+s.Nodes
		case s.Outcome != record.ShardSkipped && by.Outcome == string(pipeline.RefusedInput):
			s.Outcome, s.Seconds, s.Reason = by.Outcome, by.Seconds, by.Reason
		}
	}
}

// joinModel says what computed: engine, BLAS and versions of those who made the parts, and their machine and limits where
// all had the same. Else those stay unknown, and graphs that are in quarantine for reasons of the moment are tried again by
// a run.
func (x *execution) joinModel(rec *record.Run) {
	var first *record.Attempt
	same := true
	var kernels, engines []string
	for i := range x.in.Plan.Shards {
		m, ok := x.scoredByTask(i)
		if !ok {
			continue
		}
		by := m.by
		first = cmp.Or(first, by)
		kernels, engines = append(kernels, by.Model.BLAS), append(engines, by.Model.Engine)
		same = same && by.Machine == first.Machine && by.Limits == first.Limits && by.Workers == first.Workers &&
			maps.Equal(by.Model.Versions, first.Model.Versions)
	}
	if first == nil {
		return
	}
	join := func(names []string) string {
		return strings.Join(slices.Compact(slices.Sorted(slices.Values(names))), ", ")
	}
	rec.Model.BLAS, rec.Model.Engine, rec.Model.Versions = join(kernels), join(engines), first.Model.Versions
	rec.Machine, rec.Limits = record.Machine{}, record.Limits{}
	if same {
		rec.Machine, rec.Limits, rec.Workers, rec.Addresses = first.Machine, first.Limits, first.Workers, first.Addresses
	}
}

// joinColumns adds the names of columns that a task read.
func joinColumns(rec *record.Run, read map[string][]string) {
	if rec.ColumnsRead == nil {
		rec.ColumnsRead = map[string][]string{}
	}
	for key, names := range read {
		for _, name := range names {
			if !slices.Contains(rec.ColumnsRead[key], name) {
				rec.ColumnsRead[key] = append(rec.ColumnsRead[key], name)
			}
		}
	}
}

func addStages(sum, more *record.Stages) {
	sum.Read += more.Read
	sum.Pack += more.Pack
	sum.Transport += more.Transport
	sum.Model += more.Model
	sum.Write += more.Write
	sum.Cut += more.Cut
	sum.ReadWait += more.ReadWait
	sum.WriteWait += more.WriteWait
	sum.Elapsed += more.Elapsed
}

// tasksToRun are the tasks that would make what does not exist, of as many as filled the output last, and how the places are
// shared out to them; none where nobody says how many these were, or where nothing is missing.
func (x *execution) tasksToRun() (tasks []record.Task, balance string) {
	lacking := map[int]bool{}
	for _, i := range x.unscored() {
		lacking[i] = true
	}
	count, balance := x.in.Count, x.in.Balance
	if len(x.tasks) > 0 {
		newest := slices.MaxFunc(x.tasks, func(a, b *record.TaskRun) int { return strings.Compare(a.Started, b.Started) })
		if count == 0 {
			count = newest.Task.Count
		}
		if balance == "" && count == newest.Task.Count {
			balance = newest.Balance
		}
	}
	if len(lacking) == 0 || count == 0 {
		return nil, ""
	}
	for _, index := range x.in.tasksOf(func(shard int) bool { return lacking[shard] }, count, balance) {
		tasks = append(tasks, record.Task{Index: index, Count: count})
	}
	return tasks, balance
}
