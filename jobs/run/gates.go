package run

import (
	"context"
	"errors"
	"fmt"

	"graphscore/jobs/gates"
	"graphscore/pipeline/diff"
	"graphscore/writers"
	"graphscore/writers/part"
	"graphscore/writers/record"
)

// GateFacts is what the gates on an input of so many graphs compare with their limits. Errors are those of [Input.Newest].
func (in *Input) GateFacts(graphs int64, anyAge bool) (gates.Facts, error) {
	facts := gates.Facts{Graphs: graphs, Input: in.Job.Input.Path.String(), Output: in.Job.Output.Path}
	if anyAge {
		facts.AgeUnchecked = "the dates of a backfill may be old"
		return facts, nil
	}
	path, written, err := in.Newest()
	if path == "" {
		facts.AgeUnchecked = "the input holds no file that can be read"
		return facts, err
	}
	facts.Newest, facts.Age = path, max(0, in.Start.Sub(written))
	return facts, err
}

// Earlier is the output that the scores of the job can be compared with, "" where there is none: one is whole if it
// has its _SUCCESS. The error is an *atomic.IOError: then nobody can say.
func (in *Input) Earlier() (string, error) {
	for dir := range in.Job.Earlier() {
		done, err := writers.NewView(dir).Succeeded()
		if err != nil {
			return "", err
		}
		if done {
			return dir, nil
		}
	}
	return "", nil
}

// NothingEarlier says why the scores are compared with no output.
func (in *Input) NothingEarlier() string {
	if path := in.Job.Gates.Drift.Against; path != "" && in.Job.Series == nil {
		return fmt.Sprintf("nothing to compare with: %s has no _SUCCESS", path)
	}
	return "nothing to compare with: no output of an earlier date has its _SUCCESS"
}

// driftGates compares the output with the earlier one. Both are read once, a page at a time.
func (x *execution) driftGates(ctx context.Context, output *writers.Output) ([]record.Gate, error) {
	limits := x.in.Job.Gates.Drift
	if x.previous == "" {
		return gates.DriftUnchecked(limits, true, x.in.NothingEarlier()), nil
	}
	if err := output.Settle(ctx, x.work.Reconciled); err != nil { // what is about to go is not compared
		return nil, err
	}
	x.in.Log.InfoContext(ctx, "comparing the scores", "previous", x.previous)
	report, err := diff.Compare(ctx, diff.Config{Old: x.previous, New: x.in.Job.Output.Path})
	var damaged *part.DamagedError
	var unfit *diff.OutputError
	var levels *diff.LevelError
	switch {
	case errors.As(err, &damaged), errors.As(err, &unfit), errors.As(err, &levels):
		return gates.DriftUnchecked(limits, false, fmt.Sprintf("the scores cannot be compared with those of %s: %v", x.previous, err)), nil
	case err != nil:
		return nil, fmt.Errorf("comparing the scores with those of %s: %w", x.previous, err)
	}
	return gates.Drift(limits, report), nil
}
