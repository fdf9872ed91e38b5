package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"graphscore/jobs"
	"graphscore/pipeline/diff"
	"graphscore/writers/part"
	"graphscore/writers/record"
)

// driftLimit is a limit of gates.drift.
type driftLimit struct {
	name  string
	limit float64
	what  string // it bounds, in words
	of    func(*diff.Output) float64
	// joined: it looks at nodes that both outputs have, and else at all.
	joined bool
}

// driftLimits are those that are set.
func driftLimits(d *jobs.Drift) (limits []driftLimit) {
	if d == nil {
		return nil
	}
	add := func(limit *float64, l driftLimit) {
		if limit != nil {
			l.limit = *limit
			limits = append(limits, l)
		}
	}
	add(d.PSI, driftLimit{name: "drift.psi", what: "PSI", of: func(o *diff.Output) float64 { return o.PSI }})
	add(d.KS, driftLimit{name: "drift.ks", what: "KS", of: func(o *diff.Output) float64 { return o.KS }})
	add(d.Mean, driftLimit{name: "drift.mean", what: "the mean change", joined: true,
		of: func(o *diff.Output) float64 { return math.Abs(o.MeanChange) }})
	add(d.Max, driftLimit{name: "drift.max", what: "the largest change of a node", joined: true,
		of: func(o *diff.Output) float64 { return o.MaxAbsChange }})
	return limits
}

// driftGates compares the output with the earlier one. Both are read once, a page at a time.
func (r *run) driftGates(ctx context.Context) ([]record.Gate, error) {
	limits := driftLimits(r.job.Gates.Drift)
	if r.previous == "" {
		return alike(limits, true, nothingEarlier(r.job)), nil
	}
	if err := r.output.Settle(ctx, r.work); err != nil { // what is about to go is not compared
		return nil, err
	}
	r.log.InfoContext(ctx, "comparing the scores", "previous", r.previous)
	report, err := diff.Compare(ctx, diff.Config{Old: r.previous, New: r.job.Output.Path})
	var damaged *part.DamagedError
	var unfit *diff.OutputError
	switch {
	case errors.As(err, &damaged), errors.As(err, &unfit):
		return alike(limits, false, fmt.Sprintf("the scores cannot be compared with those of %s: %v", r.previous, err)), nil
	case err != nil:
		return nil, fmt.Errorf("comparing the scores with those of %s: %w", r.previous, err)
	}
	gates := make([]record.Gate, len(limits))
	for i, l := range limits {
		gates[i] = l.hold(report)
	}
	return gates, nil
}

// nothingEarlier says why no output is compared with.
func nothingEarlier(job *jobs.Job) string {
	if path := job.Gates.Drift.Against; path != "" && job.Series == nil {
		return fmt.Sprintf("nothing to compare with: %s has no _SUCCESS", path)
	}
	return "nothing to compare with: no output of an earlier date has its _SUCCESS"
}

// alike gives all limits the same end.
func alike(limits []driftLimit, passed bool, message string) []record.Gate {
	gates := make([]record.Gate, len(limits))
	for i, l := range limits {
		gates[i] = record.Gate{Name: l.name, Limit: l.limit, Passed: passed, Message: message}
	}
	return gates
}

// hold takes the score column that is farthest off.
func (l *driftLimit) hold(report *diff.Report) record.Gate {
	gate := record.Gate{Name: l.name, Limit: l.limit, Passed: true}
	differ := strings.Join(otherwise(report), ", ")
	var worst *diff.Output
	joined := int64(0)
	for i := range report.Outputs {
		o := &report.Outputs[i]
		joined += o.Compared
		if worst == nil || l.of(o) > l.of(worst) {
			worst = o
		}
	}
	switch {
	case report.Old.Nodes == 0:
		gate.Message = fmt.Sprintf("nothing to compare with: %s holds no score", report.Old.Path)
	case report.New.Nodes == 0:
		gate.Message = "nothing to compare: the output holds no score"
	case worst == nil:
		gate.Passed = false
		gate.Message = fmt.Sprintf("no score column is also in %s (%s): compare with an output of such a model, or take out gates.drift for one run",
			report.Old.Path, differ)
	case l.joined && joined == 0:
		gate.Message = fmt.Sprintf("nothing to compare: no node is also in %s", report.Old.Path)
	default:
		gate.Output, gate.Value = worst.Name, l.of(worst)
		if gate.Passed = gate.Value <= gate.Limit; gate.Passed {
			gate.Message = differ
		} else {
			gate.Message = l.exceeded(&gate, report, differ)
		}
	}
	return gate
}

// exceeded is the sentence of a limit that does not hold.
func (l *driftLimit) exceeded(gate *record.Gate, report *diff.Report, differ string) string {
	value, limit := apart(gate.Value, gate.Limit)
	if l.name == "drift.max" && len(report.Movers) > 0 {
		m := report.Movers[0]
		value += fmt.Sprintf(" (graph %s, node %s: %g, was %g)", m.Graph, m.Node, m.New, m.Old)
	}
	if differ != "" {
		differ = " (" + differ + ")"
	}
	return fmt.Sprintf("%s of %q is %s against %s%s, and at most %s is allowed: see graphscore %s, or raise gates.%s",
		l.what, gate.Output, value, report.Old.Path, differ, limit, shellWords([]string{"diff", report.Old.Path, report.New.Path}), gate.Name)
}

// otherwise says in what two outputs differ beside their scores.
func otherwise(report *diff.Report) (differ []string) {
	if was, is := report.Old.Models, report.New.Models; !slices.Equal(was, is) {
		differ = append(differ, fmt.Sprintf("the model is %s, was %s", strings.Join(is, " and "), strings.Join(was, " and ")))
	}
	for _, name := range report.NewOutputs {
		differ = append(differ, fmt.Sprintf("output %q is new", name))
	}
	for _, name := range report.MissingOutputs {
		differ = append(differ, fmt.Sprintf("output %q is gone", name))
	}
	return differ
}
