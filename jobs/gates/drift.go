package gates

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"graphscore/jobs"
	"graphscore/pipeline/diff"
	"graphscore/pipeline/display"
	"graphscore/pipeline/graph"
	"graphscore/writers/record"
)

// driftLimit is a limit of gates.drift.
type driftLimit struct {
	name  string
	limit float64
	what  string // it bounds, in words
	of    func(*diff.Output) float64
	// joined: it looks at nodes, edges or graphs that both outputs have, and else at all. row: at one of them.
	joined, row bool
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
	add(d.Max, driftLimit{name: "drift.max", what: "the largest change", joined: true, row: true,
		of: func(o *diff.Output) float64 { return o.MaxAbsChange }})
	return limits
}

// Drift judges a comparison with an earlier output.
func Drift(d *jobs.Drift, report *diff.Report) []record.Gate {
	limits := driftLimits(d)
	verdicts := make([]record.Gate, len(limits))
	for i, l := range limits {
		verdicts[i] = l.judge(report)
	}
	return verdicts
}

// DriftUnchecked has the same verdict for all limits that are set, where nothing was compared.
func DriftUnchecked(d *jobs.Drift, passed bool, reason string) []record.Gate {
	limits := driftLimits(d)
	verdicts := make([]record.Gate, len(limits))
	for i, l := range limits {
		verdicts[i] = record.Gate{Name: l.name, Limit: l.limit, Passed: passed, Message: reason}
	}
	return verdicts
}

// judge takes the score column that is farthest off.
func (l *driftLimit) judge(report *diff.Report) record.Gate {
	gate := record.Gate{Name: l.name, Limit: l.limit, Passed: true}
	differ := strings.Join(changedModel(report), ", ")
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
	case report.Old.Rows() == 0:
		gate.Message = fmt.Sprintf("nothing to compare with: %s holds no score", report.Old.Path)
	case report.New.Rows() == 0:
		gate.Message = "nothing to compare: the output holds no score"
	case worst == nil:
		gate.Passed = false
		gate.Message = fmt.Sprintf("no score column is also in %s (%s): compare with an output of such a model, or take out gates.drift for one run",
			report.Old.Path, differ)
	case l.joined && joined == 0:
		gate.Message = fmt.Sprintf("nothing to compare: no %s is also in %s", report.Level, report.Old.Path)
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
	value, limit := distinguish(gate.Value, gate.Limit)
	if l.name == "drift.max" && len(report.Movers) > 0 {
		m := report.Movers[0]
		value += fmt.Sprintf(" (%s: %g, was %g)", report.Largest(), m.New, m.Old)
	}
	if differ != "" {
		differ = " (" + differ + ")"
	}
	what := l.what
	if l.row {
		what += " of " + one(report.Level)
	}
	return fmt.Sprintf("%s of %q is %s against %s%s, more than gates.%s = %s: see graphscore %s",
		what, gate.Output, value, report.Old.Path, differ, gate.Name, limit, display.ShellWords([]string{"diff", report.Old.Path, report.New.Path}))
}

// one is a node, edge or graph.
func one(level string) string {
	if level == graph.EdgeLevel.String() {
		return "an " + level
	}
	return "a " + level
}

// changedModel says in what two outputs differ beside their scores.
func changedModel(report *diff.Report) (differ []string) {
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
