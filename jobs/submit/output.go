package submit

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"graphscore/jobs/run"
	"graphscore/writers"
	"graphscore/writers/record"
)

// outputs is the [Work] of real outputs: what their footers say against the plans of the submission.
type outputs struct {
	*writers.Submissions
	balance string
	count   int
	id      string
	since   time.Time
	// each is nil for one in which nothing is left to do.
	each []*Planned
	done []map[string]bool // parts of each that were there at a look

	over int64 // graphs of those that were ended on the way
}

// newOutputs reads the plan files again, as every shard does.
func newOutputs(ctx context.Context, held *writers.Submissions, rec *record.Submission, planned []*Planned) (*outputs, error) {
	o := &outputs{
		Submissions: held, balance: rec.Balance, count: rec.Shards, id: rec.SubmitID,
		each: make([]*Planned, len(planned)), done: make([]map[string]bool, len(planned)),
	}
	var err error
	if o.since, err = time.Parse(time.RFC3339, rec.Started); err != nil {
		return nil, &record.Error{Path: held.File(rec.SubmitID), Reason: "started is no time"}
	}
	for place, p := range planned {
		if p == nil {
			continue
		}
		fixed := *p
		fixed.cfg.PlanFile = rec.PlanOf(p.cfg.Date)
		fixed.cfg.Unconfirmed = true // the files of the input are looked at by the shards, and by who finishes
		if fixed.in, err = run.Prepare(ctx, fixed.cfg); err != nil {
			return nil, err
		}
		o.each[place], o.done[place] = &fixed, make(map[string]bool, len(fixed.in.Plan.Shards))
	}
	return o, nil
}

// Lacking compares the footers of all parts with the plans.
func (o *outputs) Lacking(ctx context.Context) ([]int, error) {
	return lacking(ctx, o.each, o.count, o.balance)
}

// ExitCode reads the record of a shard.
func (o *outputs) ExitCode(shard int) (code int, ok bool) {
	p := o.each[shard/o.count]
	if p == nil {
		return 0, false
	}
	rec, err := record.ReadTask(p.cfg.Job.Output.Path, record.Task{Index: shard % o.count, Count: o.count})
	if err != nil { // without a record the shard has vanished
		return 0, false
	}
	ended, err := time.Parse(time.RFC3339, rec.Finished)
	return rec.ExitCode, err == nil && !ended.Before(o.since.Truncate(time.Second))
}

// Graphs looks which parts have their names: what is done is decided by Lacking.
func (o *outputs) Graphs() (done, all int64) {
	done, all = o.over, o.over
	for place, p := range o.each {
		if p == nil {
			continue
		}
		for i := range p.in.Plan.Shards {
			sh := &p.in.Plan.Shards[i]
			all += sh.Rows
			if !o.done[place][sh.Part] {
				_, err := os.Lstat(filepath.Join(p.cfg.Job.Output.Path, filepath.FromSlash(sh.Part)))
				o.done[place][sh.Part] = err == nil
			}
			if o.done[place][sh.Part] {
				done += sh.Rows
			}
		}
	}
	return done, all
}

// whole reports whether all parts of the output at a place had their names at the last look, and no shard of it is at work.
func (o *outputs) whole(place int, atWork map[int]bool) bool {
	for shard := place * o.count; shard < (place+1)*o.count; shard++ {
		if atWork[shard] {
			return false
		}
	}
	for _, there := range o.done[place] {
		if !there {
			return false
		}
	}
	return true
}

// end leaves out an output from now on.
func (o *outputs) end(place int) {
	o.over += o.each[place].in.Plan.Rows
	o.each[place] = nil
}

// WriteScript writes a script into the folder of the submission.
func (o *outputs) WriteScript(name string, content []byte) (string, error) {
	return o.Submissions.WriteScript(o.id, name, content)
}
