package submit

import (
	"context"
	"encoding/json"
	"fmt"

	"graphscore/jobs/run"
)

// Planned is an output whose shards can be submitted: the job of one date, or one without dates, as it is now.
type Planned struct {
	cfg    run.Config
	in     *run.Input
	served run.Served
	file   *run.PlanFile
}

// Plan fixes the plan of an output, whose input was prepared with [Refusing]. describe finds out what would score. Errors are
// those of [run.Input.Missing] and of describe, and a mismatch of existing parts.
func Plan(ctx context.Context, in *run.Input, describe func(context.Context) (run.Served, error)) (*Planned, error) {
	if err := in.Missing(); err != nil {
		return nil, err
	}
	served, err := describe(ctx)
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
		return nil, fmt.Errorf("shards replace no parts, so run the job without them first (graphscore run, with on_change: rescore or --rescore), or choose another output: %w", err)
	}
	file, err := contract.PlanFile()
	return &Planned{in.Config, in, served, file}, err
}

// Refusing is a configuration that makes no part again, as shards replace none: parts of something else are refused whatever
// the job says.
func Refusing(cfg run.Config) run.Config {
	job := *cfg.Job
	job.OnChange = "refuse"
	cfg.Job, cfg.RetryQuarantined = &job, false
	return cfg
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

// lacking returns the shards of outputs that lack parts, those of the output at place p from p*count on.
func lacking(ctx context.Context, all []*Planned, count int, balance string) (shards []int, err error) {
	for place, p := range all {
		if p == nil {
			continue
		}
		pending, err := p.in.Pending(ctx, p.served, count, balance)
		if err != nil {
			return nil, err
		}
		for _, shard := range pending {
			shards = append(shards, place*count+shard)
		}
	}
	return shards, nil
}
