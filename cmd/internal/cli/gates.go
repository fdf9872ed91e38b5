package cli

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"graphscore/jobs"
	"graphscore/readers"
	"graphscore/writers"
	"graphscore/writers/part"
	"graphscore/writers/record"
)

// The gates by their keys in the job file; those of drift are in gates_drift.go.
const (
	gateGraphs     = "min_graphs"
	gateAge        = "max_input_age"
	gateQuarantine = "quarantine_rate"
)

// tryGates holds the output against the gates of the job, once all shards are done. Without gates it looks at
// no more than whether an earlier output stands.
func (r *run) tryGates(ctx context.Context) error {
	g := r.job.Gates
	if g.Drift != nil {
		if err := r.inTurn(ctx); err != nil {
			return err
		}
	}
	r.previous = earlierOutput(r.job)
	if r.flags.limit > 0 {
		r.gates = gatesLeftOut(g, "not checked: --limit takes only some of the graphs")
		return nil
	}
	graphs := r.counts().RowsIn
	r.gates = append(r.inputGates(graphs), r.quarantineGate(graphs)...)
	if g.Drift == nil {
		return nil
	}
	drift, err := r.driftGates(ctx)
	r.gates = append(r.gates, drift...)
	return err
}

// inTurn waits until the date before this one of a backfill is done: it is what this one may be compared with.
func (r *run) inTurn(ctx context.Context) error {
	if r.before == nil {
		return nil
	}
	select {
	case <-r.before:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// earlierOutput is the output that a job's scores can be compared with, empty for none: one is whole if it has its
// _SUCCESS.
func earlierOutput(job *jobs.Job) string {
	for dir := range job.Earlier() {
		if writers.NewView(dir).Succeeded() {
			return dir
		}
	}
	return ""
}

// gatesLeftOut passes every gate that is set, for a reason.
func gatesLeftOut(g jobs.Gates, reason string) (gates []record.Gate) {
	leave := func(name string, limit float64) {
		gates = append(gates, record.Gate{Name: name, Limit: limit, Passed: true, Message: reason})
	}
	if g.MinGraphs > 0 {
		leave(gateGraphs, float64(g.MinGraphs))
	}
	if g.MaxInputAge > 0 {
		leave(gateAge, time.Duration(g.MaxInputAge).Seconds())
	}
	if g.QuarantineRate != nil {
		leave(gateQuarantine, float64(*g.QuarantineRate))
	}
	for _, l := range driftLimits(g.Drift) {
		leave(l.name, l.limit)
	}
	return gates
}

// inputGates are the gates that need no more than the input, of so many graphs.
func (r *run) inputGates(graphs int64) (gates []record.Gate) {
	g := r.job.Gates
	if least := g.MinGraphs; least > 0 {
		gate := record.Gate{Name: gateGraphs, Limit: float64(least), Value: float64(graphs), Passed: graphs >= least}
		if !gate.Passed {
			gate.Message = fmt.Sprintf("the input holds %s, and at least %s are wanted: look at what delivers %s, or lower gates.%s",
				plural(graphs, "graph"), humanize.Comma(least), inputText(r.job), gate.Name)
		}
		gates = append(gates, gate)
	}
	if most := time.Duration(g.MaxInputAge); most > 0 {
		gates = append(gates, r.ageGate(most))
	}
	return gates
}

// ageGate wants a file of the input that was written in the time before the run.
func (r *run) ageGate(most time.Duration) record.Gate {
	gate := record.Gate{Name: gateAge, Limit: most.Seconds(), Passed: true}
	path, written := newestInput(r.plan)
	switch {
	case r.part != nil:
		gate.Message = "not checked: the dates of a backfill may be old"
	case path == "":
		gate.Message = "not checked: the input holds no file that can be read"
	default:
		age := max(0, r.start.Sub(written))
		gate.Value, gate.Passed = age.Seconds(), age <= most
		if !gate.Passed {
			gate.Message = fmt.Sprintf("the newest input file, %s, is %s old, and at most %s is allowed: look at what delivers it, or raise gates.%s",
				path, spanAbove(age, most), span(most), gate.Name)
		}
	}
	return gate
}

// newestInput is the input file that was written last, among those that can be read; path is empty for none.
func newestInput(plan *readers.Plan) (path string, written time.Time) {
	for _, f := range plan.Files {
		if info, err := os.Stat(f.Path); err == nil && (path == "" || info.ModTime().After(written)) {
			path, written = f.Path, info.ModTime()
		}
	}
	return path, written
}

// spanAbove is a span that is longer than most, in whole seconds if these tell.
func spanAbove(d, most time.Duration) string {
	if whole := d.Round(time.Second); whole > most {
		return span(whole)
	}
	return span(d)
}

// span is 36h for 36h0m0s.
func span(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// quarantineGate counts what is in quarantine as the output stands, now or since an earlier run.
func (r *run) quarantineGate(graphs int64) []record.Gate {
	most := r.job.Gates.QuarantineRate
	if most == nil {
		return nil
	}
	bad := r.quarantined()
	gate := record.Gate{Name: gateQuarantine, Limit: float64(*most)}
	if graphs > 0 {
		gate.Value = float64(bad) / float64(graphs)
	}
	if gate.Passed = gate.Value <= gate.Limit; !gate.Passed {
		value, limit := apart(100*gate.Value, 100*gate.Limit)
		gate.Message = fmt.Sprintf("%s%% of the graphs are in quarantine (%s of %s), and at most %s%% may be: mend what %s/%s names, or raise gates.%s",
			value, humanize.Comma(bad), humanize.Comma(graphs), limit, strings.TrimSuffix(r.job.Output.Path, "/"), part.QuarantineDir, gate.Name)
	}
	return []record.Gate{gate}
}

// apart writes two numbers with three digits, or as many more as tell one from the other.
func apart(a, b float64) (string, string) {
	for digits := 3; ; digits++ {
		x, y := strconv.FormatFloat(a, 'g', digits, 64), strconv.FormatFloat(b, 'g', digits, 64)
		if x != y || digits == 17 {
			return x, y
		}
	}
}

// failedGates is how a run ends because of its gates, nil where none failed.
func (r *run) failedGates() error {
	var failed []string
	for i := range r.gates {
		if g := &r.gates[i]; !g.Passed {
			failed = append(failed, gateText(g))
		}
	}
	if failed == nil {
		return nil
	}
	return &outcomeError{code: exitCheckFailed, message: strings.Join(failed, "; "), said: true}
}

func gateText(g *record.Gate) string {
	if g.Passed {
		return "gate " + g.Name + ": " + g.Message
	}
	return "gate " + g.Name + " failed: " + g.Message
}

// sayGates tells on standard error which gates failed.
func (e *env) sayGates(gates []record.Gate) {
	for i := range gates {
		if !gates[i].Passed {
			fmt.Fprintf(e.stderr, "graphscore: %s\n", gateText(&gates[i]))
		}
	}
}

// gatesSummary is a line on how many gates passed, and one for each thing that is to be known of them.
func gatesSummary(b *strings.Builder, gates []record.Gate) {
	if len(gates) == 0 {
		return
	}
	var failed int64
	var said []string
	last := ""
	for i := range gates {
		switch g := &gates[i]; {
		case !g.Passed:
			failed++
		case g.Message != "" && g.Message != last:
			said = append(said, gateText(g))
			last = g.Message
		}
	}
	note := "passed"
	if failed > 0 {
		note = fmt.Sprintf("of which %s failed: the parts are kept, no _SUCCESS", humanize.Comma(failed))
	}
	line(b, "gates", int64(len(gates)), note)
	for _, text := range said {
		wrapped(b, "  ", text)
	}
}

// foreseeGates finds out how those gates will end that need nothing but the input, or parts that all stand. The
// output that scores will be compared with is noted.
func (d *dryRun) foreseeGates() {
	g := d.job.Gates
	if d.flags.limit > 0 {
		return
	}
	d.gates = d.inputGates(d.plan.Rows)
	if len(d.todo) == 0 && d.survey != nil && len(d.survey.Mismatches) == 0 {
		d.gates = append(d.gates, d.quarantineGate(d.counts().RowsIn)...)
	}
	if g.Drift == nil {
		return
	}
	if d.previous = earlierOutput(d.job); d.previous == "" {
		d.notes = append(d.notes, "drift: "+nothingEarlier(d.job))
	} else {
		d.notes = append(d.notes, "drift: the scores will be compared with those of "+d.previous)
	}
}

// checkGates is a check of doctor.
func (d *doctor) checkGates(context.Context) finding {
	switch {
	case d.plan == nil:
		return unchecked("there is no input to look at")
	case !d.job.Gates.Any():
		return passed("none are set")
	case d.flags.limit > 0:
		return unchecked("--limit takes only some of the graphs")
	}
	d.notes = nil
	d.foreseeGates()
	if err := d.failedGates(); err != nil {
		f := fails(err)
		f.when = holding
		return f
	}
	var told []string
	for i := range d.gates {
		told = append(told, d.gates[i].Name+" holds")
	}
	text := strings.Join(append(told, d.notes...), "; ")
	if d.job.Gates.Drift != nil && d.previous == "" {
		return doubted("%s", text)
	}
	return passed("%s", cmp.Or(text, "what is set shows when all is scored"))
}
