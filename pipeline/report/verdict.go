package report

import (
	"cmp"
	"fmt"
	"strings"

	"graphscore/pipeline/display"
	"graphscore/pipeline/exit"
	"graphscore/writers/record"
)

// compareWithPlan counts what the run planned, and the parts that it wrote or found and that are gone.
func (b *builder) compareWithPlan() {
	if b.record == nil || b.at > 0 { // of an earlier run other parts may have taken the place
		return
	}
	b.report.Planned = b.record.Counts.RowsPlanned
	there := map[string]bool{}
	for _, p := range b.output.parts {
		there[p.name] = true
	}
	for _, s := range b.record.Shards {
		if (s.Outcome == "scored" || s.Outcome == record.ShardSkipped) && !there[s.Part] {
			b.output.totals.Missing++
		}
	}
	b.output.totals.Missing = max(b.output.totals.Missing-b.output.totals.Unreadable, 0)
}

// all is the number of graphs that shares are of: those that the run planned, or more where parts hold more.
func (b *builder) all() int64 { return max(b.report.Planned, b.output.totals.Graphs) }

func (b *builder) share(graphs int64) float64 { return float64(graphs) / float64(max(b.all(), 1)) }

// outcome counts what became of every graph of the plan and of the parts that exist.
func (b *builder) outcome() {
	t := &b.output.totals
	b.report.Totals = *t
	if t.Graphs > 0 {
		b.report.Outcome = append(b.report.Outcome, Reason{Name: "scored", Graphs: t.Scored, Share: b.share(t.Scored)})
	}
	for _, q := range b.report.Quarantine {
		b.report.Outcome = append(b.report.Outcome, Reason{Name: q.Code, Graphs: q.Graphs, Share: q.Share})
	}
	if n := b.all() - t.Graphs; n > 0 {
		b.report.Outcome = append(b.report.Outcome, Reason{Name: "not scored", Graphs: n, Share: b.share(n)})
	}
}

// state sets the state of the output and its summary. It must come last.
func (b *builder) state() error {
	whole, err := b.view().Succeeded()
	if err != nil {
		return err
	}
	r := b.report
	if h := b.holder; h != nil {
		b.note("The run %s, which process %d began on %s at %s, left no record: it is still running, or it was killed. "+
			"The same command continues it.", h.RunID, h.PID, cmp.Or(h.Host, "an unknown host"),
			h.Start.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	if b.dropped > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d more notes are left out.", b.dropped))
	}
	if b.record == nil || b.holder != nil {
		r.State, r.Summary = NotEnded, "The last run has not ended, or was killed: "+b.sofar()+" so far."
		return nil
	}
	if n := r.Totals.Missing + r.Totals.Unreadable; n > 0 {
		r.State, r.Summary = Broken, fmt.Sprintf("%s missing or damaged: %s left. The same command makes them anew.",
			are(n, "part"), b.sofar())
		return nil
	}
	if r.State, r.Summary = b.ended(whole); r.State == "" {
		r.State, r.Summary = b.notWhole()
	}
	return nil
}

// ended judges a run that ended well and left a whole output; the state is empty for any other.
func (b *builder) ended(whole bool) (State, string) {
	r := b.report
	switch {
	case whole && b.torn > 0:
		return Partly, fmt.Sprintf("The quarantine files of %s are not those that they were committed with: the next run makes them anew.",
			display.Plural(b.torn, "part"))
	case b.record.ExitCode == exit.Done && r.Totals.Graphs == 0 && b.record.Counts.Files == 0:
		return Empty, "Nothing was scored: no file of the input was there."
	case b.record.ExitCode == exit.Done && r.Totals.Graphs == 0:
		return Empty, fmt.Sprintf("Nothing was scored: the input (%s) holds no graph.", display.Plural(b.record.Counts.Files, "file"))
	case b.record.ExitCode == exit.Done && whole && r.OrphanedCount > 0:
		return Partly, fmt.Sprintf("Every graph of the input was scored, but %s of inputs that are gone: %s in %s.", are(int64(r.OrphanedCount), "part"),
			comma(r.Totals.Scored), display.Plural(r.Totals.Parts, "part"))
	case b.record.ExitCode == exit.Done && whole:
		return Done, fmt.Sprintf("Every graph was scored, %s in %s.", comma(r.Totals.Scored), display.Plural(r.Totals.Parts, "part"))
	case b.record.ExitCode == exit.Done:
		return Partly, fmt.Sprintf("The run ended well (%s), but there is no _SUCCESS: it was removed, or another run is at work.", b.sofar())
	case whole && r.Totals.Scored == 0:
		return Partly, fmt.Sprintf("Every part is complete, but no graph was scored: %s in quarantine.", are(r.Totals.Quarantined, "graph"))
	case whole:
		return Partly, fmt.Sprintf("Every part is complete, but %s of %s graphs are in quarantine.",
			comma(r.Totals.Quarantined), comma(r.Totals.Graphs))
	}
	return "", ""
}

// notWhole judges a run that left no whole output.
func (b *builder) notWhole() (State, string) {
	r, code := b.report, b.record.ExitCode
	switch {
	case r.FailedCount == 0 && code == exit.Locked && b.record.LeftOut.Unfinished > 0:
		return Partly, fmt.Sprintf("The writers of %s of the input had not finished; the others were scored (%s).",
			display.Plural(b.record.LeftOut.Unfinished, "file"), b.sofar())
	case r.FailedCount == 0 && len(b.failedGates()) > 0:
		return Partly, fmt.Sprintf("Gates failed: %s. The scores stay (%s), without a _SUCCESS.",
			strings.Join(b.failedGates(), ", "), display.Plural(r.Totals.Parts, "part"))
	case r.FailedCount == 0 && r.RefusedCount > 0 && r.Totals.Scored > 0:
		return Partly, fmt.Sprintf("%s could not be read; %s written, with %s of %s graphs in quarantine.",
			display.Plural(int64(r.RefusedCount), "file"), display.Plural(r.Totals.Parts, "part"), comma(r.Totals.Quarantined), comma(r.Totals.Graphs))
	case code == exit.Interrupted || code == exit.Terminated:
		return Broken, fmt.Sprintf("The run was stopped by a signal (exit code %d): %s so far.", code, b.sofar())
	}
	return Broken, fmt.Sprintf("The run failed (exit code %d): %s so far.", code, b.sofar())
}

// sofar says how much of the plan is there.
func (b *builder) sofar() string {
	t := &b.output.totals
	if b.report.Planned <= t.Graphs {
		return display.Plural(t.Parts, "part")
	}
	return fmt.Sprintf("%s of %s planned graphs scored, %s", comma(t.Scored), comma(b.report.Planned), display.Plural(t.Parts, "part"))
}

// are is a number with its noun and verb.
func are(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun + " is"
	}
	return display.Plural(n, noun) + " are"
}
