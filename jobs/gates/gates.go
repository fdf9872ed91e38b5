// Package gates judges an output by the limits of a job: limits, counts and a comparison of scores in, one verdict a
// gate out. It reads and writes nothing. The keys of gates are those of the job file.
package gates

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"graphscore/jobs"
	"graphscore/pipeline/display"
	"graphscore/writers/record"
)

// The gates by their keys in the job file; those of drift are in drift.go.
const (
	minGraphs      = "min_graphs"
	maxInputAge    = "max_input_age"
	quarantineRate = "quarantine_rate"
)

// Facts is what is compared with the limits.
type Facts struct {
	// Graphs is the number of graphs of the input.
	Graphs int64
	// Quarantined is how many of them are in quarantine, now or since an earlier run.
	Quarantined int64
	// Input and Output are the paths of the job, for messages.
	Input, Output string
	// Newest is the input file that was written last, Age how long before the run. AgeUnchecked says why there is
	// none, "" where there is.
	Newest       string
	Age          time.Duration
	AgeUnchecked string
}

// LeftOut passes every gate that is set, for a reason.
func LeftOut(g jobs.Gates, reason string) (verdicts []record.Gate) {
	leave := func(name string, limit float64) {
		verdicts = append(verdicts, record.Gate{Name: name, Limit: limit, Passed: true, Message: reason})
	}
	if g.MinGraphs > 0 {
		leave(minGraphs, float64(g.MinGraphs))
	}
	if g.MaxInputAge > 0 {
		leave(maxInputAge, time.Duration(g.MaxInputAge).Seconds())
	}
	if g.QuarantineRate != nil {
		leave(quarantineRate, float64(*g.QuarantineRate))
	}
	for _, l := range driftLimits(g.Drift) {
		leave(l.name, l.limit)
	}
	return verdicts
}

// Input judges by the gates that need only the input.
func Input(g jobs.Gates, f Facts) (verdicts []record.Gate) {
	if least := g.MinGraphs; least > 0 {
		gate := record.Gate{Name: minGraphs, Limit: float64(least), Value: float64(f.Graphs), Passed: f.Graphs >= least}
		if !gate.Passed {
			gate.Message = fmt.Sprintf("%s, fewer than gates.%s = %s: check the job that writes %s",
				display.Plural(f.Graphs, "graph"), gate.Name, humanize.Comma(least), f.Input)
		}
		verdicts = append(verdicts, gate)
	}
	if most := time.Duration(g.MaxInputAge); most > 0 {
		verdicts = append(verdicts, age(most, f))
	}
	return verdicts
}

// age expects a file of the input that was written in the time before the run.
func age(most time.Duration, f Facts) record.Gate {
	gate := record.Gate{Name: maxInputAge, Limit: most.Seconds(), Passed: true}
	if f.AgeUnchecked != "" {
		gate.Message = "not checked: " + f.AgeUnchecked
		return gate
	}
	gate.Value, gate.Passed = f.Age.Seconds(), f.Age <= most
	if !gate.Passed {
		gate.Message = fmt.Sprintf("the newest input file, %s, is %s old, more than gates.%s = %s: check the job that writes it",
			f.Newest, spanAbove(f.Age, most), gate.Name, display.Span(most))
	}
	return gate
}

// spanAbove is a span that is longer than most, in whole seconds where these show that it is.
func spanAbove(d, most time.Duration) string {
	if whole := d.Round(time.Second); whole > most {
		return display.Span(whole)
	}
	return display.Span(d)
}

// Quarantine judges by the share of graphs in quarantine.
func Quarantine(g jobs.Gates, f Facts) []record.Gate {
	if g.QuarantineRate == nil {
		return nil
	}
	gate := record.Gate{Name: quarantineRate, Limit: float64(*g.QuarantineRate)}
	if f.Graphs > 0 {
		gate.Value = float64(f.Quarantined) / float64(f.Graphs)
	}
	if gate.Passed = gate.Value <= gate.Limit; !gate.Passed {
		value, limit := distinguish(100*gate.Value, 100*gate.Limit)
		gate.Message = fmt.Sprintf("%s%% of the graphs are in quarantine (%s of %s), more than gates.%s = %s%%: see %s/_quarantine",
			value, humanize.Comma(f.Quarantined), humanize.Comma(f.Graphs), gate.Name, limit, strings.TrimSuffix(f.Output, "/"))
	}
	return []record.Gate{gate}
}

// distinguish writes two numbers with three digits, or as many more as make them differ.
func distinguish(a, b float64) (string, string) {
	for digits := 3; ; digits++ {
		x, y := strconv.FormatFloat(a, 'g', digits, 64), strconv.FormatFloat(b, 'g', digits, 64)
		if x != y || digits == 17 {
			return x, y
		}
	}
}

// Failed has a sentence for each gate that failed, nil where none did.
func Failed(verdicts []record.Gate) (sentences []string) {
	for i := range verdicts {
		if !verdicts[i].Passed {
			sentences = append(sentences, Sentence(&verdicts[i]))
		}
	}
	return sentences
}

// Sentence says how a gate ended.
func Sentence(g *record.Gate) string {
	if g.Passed {
		return "gate " + g.Name + ": " + g.Message
	}
	return "gate " + g.Name + " failed: " + g.Message
}
