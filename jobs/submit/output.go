package submit

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"

	"graphscore/jobs/run"
	"graphscore/writers"
	"graphscore/writers/record"
)

// output is the [Work] of a real output: what its footers say against the plan of the submission.
type output struct {
	*writers.Submissions
	cfg    run.Config // with the plan file
	count  int
	served run.Served
	id     string
	since  time.Time
	all    *run.Input
	done   map[string]bool // parts that were there at a look
}

// openPlan reads the plan file again, as every shard does.
func (o *output) openPlan(ctx context.Context) (err error) {
	o.cfg.Unconfirmed = true // the files of the input are looked at by the shards, and by who finishes
	if o.all, err = run.Prepare(ctx, o.cfg); err != nil {
		return err
	}
	o.done = make(map[string]bool, len(o.all.Plan.Shards))
	return nil
}

// Lacking compares the footers of all parts with the plan.
func (o *output) Lacking(ctx context.Context) ([]int, error) {
	return o.all.Pending(ctx, o.served, o.count, o.cfg.Balance)
}

// ExitCode reads the record of a shard.
func (o *output) ExitCode(shard int) (code int, ok bool) {
	rec, err := record.ReadTask(o.cfg.Job.Output.Path, record.Task{Index: shard, Count: o.count})
	if err != nil { // without a record the shard has vanished
		return 0, false
	}
	ended, err := time.Parse(time.RFC3339, rec.Finished)
	return rec.ExitCode, err == nil && !ended.Before(o.since.Truncate(time.Second))
}

// Graphs looks which parts have their names: what is done is decided by Lacking.
func (o *output) Graphs() (done, all int64) {
	for i := range o.all.Plan.Shards {
		sh := &o.all.Plan.Shards[i]
		all += sh.Rows
		if !o.done[sh.Part] {
			_, err := os.Lstat(filepath.Join(o.cfg.Job.Output.Path, filepath.FromSlash(sh.Part)))
			o.done[sh.Part] = err == nil
		}
		if o.done[sh.Part] {
			done += sh.Rows
		}
	}
	return done, all
}

// WriteScript writes a script into the folder of the submission.
func (o *output) WriteScript(name string, content []byte) (string, error) {
	return o.Submissions.WriteScript(o.id, name, content)
}

// sameJob reports whether a submission that has not ended is one of the same job, engine and number of shards.
func sameJob(rec *record.Submission, cfg Config) bool {
	return rec.Job == cfg.jobPath() && rec.Engine == cfg.EngineName && rec.Shards == cfg.Shards && rec.Name == cfg.Run.Job.Name &&
		slices.Equal(rec.Command, cfg.Words)
}
