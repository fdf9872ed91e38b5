package cli

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/dustin/go-humanize"

	"graphscore/jobs/gates"
	"graphscore/jobs/run"
	"graphscore/pipeline/display"
	"graphscore/pipeline/exit"
	"graphscore/writers/record"
)

// runPrinter prints how a run ended.
type runPrinter struct {
	*env
	stages bool // and how busy each stage was
	// missing says of an output that several runs fill which parts do not exist. Default: nothing.
	missing func(*run.Ended)
}

// runObject is the run record as --json prints it. Its exit_code and error are those of the process.
type runObject struct {
	Code int `json:"code"`
	record.Run
}

// answerRun makes the record of a run the object of --json.
func (e *env) answerRun(rec *record.Run) {
	e.answer = func(end ending) any {
		full := rec.Complete()
		if full.ExitCode != end.Code {
			full.ExitCode, full.Error = end.Code, end.Error
		}
		return runObject{end.Code, full}
	}
}

// ended prints the record on standard output with --json, else a few lines; and always, on standard error, what was
// not scored.
func (p runPrinter) ended(r *run.Ended) error {
	rec := &r.Record
	p.sayRefused("", rec.Refused)
	p.sayQuarantine("", rec)
	if r.Hint != "" {
		p.say(slog.LevelWarn, r.Hint)
	}
	if r.OverBudget != "" {
		p.say(slog.LevelWarn, "ended early: "+r.OverBudget)
	}
	p.sayFailedGates(rec.Gates)
	if p.missing != nil {
		p.missing(r)
	}
	stages := p.stages && r.Streamed
	switch {
	case p.asJSON:
		if p.answerRun(rec); stages {
			p.say(slog.LevelInfo, bottleneckText(r.Stages))
		}
		return nil
	case p.voice != nil:
		p.logSummary(rec)
		if stages {
			p.voice.Info(bottleneckText(r.Stages), "stages", rec.Stages)
		}
		return nil
	}
	if !p.quiet {
		if err := printSummary(p.stdout, rec); err != nil {
			return err
		}
	}
	if !stages {
		return nil
	}
	_, err := io.WriteString(p.stdout, stageTable(r.Stages)+display.Paragraph("  ", bottleneckText(r.Stages)))
	return err
}

// sayQuarantine says how many graphs a run has in quarantine, and where, of a date where there is one.
func (e *env) sayQuarantine(of string, rec *record.Run) {
	if n := sum(rec.QuarantinedByCode); n > 0 {
		e.say(slog.LevelWarn, fmt.Sprintf("%s%s in quarantine (%s): see %s/_quarantine", of, display.Plural(n, "graph"),
			display.Counts(rec.QuarantinedByCode), strings.TrimSuffix(rec.Output, "/")), "quarantined_by_code", rec.QuarantinedByCode)
	}
}

// logSummary is the summary as a line of the log.
func (p runPrinter) logSummary(rec *record.Run) {
	if p.quiet {
		return
	}
	failed := len(gates.Failed(rec.Gates))
	p.voice.Info("summary", "name", rec.Name, "output", rec.Output, "exit_code", rec.ExitCode, "counts", rec.Counts,
		"quarantined_by_code", rec.Complete().QuarantinedByCode, "left_out", rec.LeftOut,
		"gates_passed", len(rec.Gates)-failed, "gates_failed", failed, "orphaned", len(rec.Orphaned), "pruned", len(rec.Pruned),
		"workers", rec.Workers, "seconds", rec.Seconds, "startup_seconds", rec.StartupSeconds)
}

// noInput says that nothing matches, of a date where there is one.
func (p runPrinter) noInput(date string, r *run.Ended) {
	p.answerRun(&r.Record)
	p.sayFailedGates(r.Record.Gates)
	if r.Record.ExitCode != exit.NotThere { // else the error says so
		p.say(slog.LevelWarn, fmt.Sprintf("%s has no input: nothing matches %s, nothing was done",
			cmp.Or(date, r.Record.Name), strings.Join(r.Record.Inputs, ", ")))
	}
}

// sayFailedGates says which gates failed.
func (e *env) sayFailedGates(verdicts []record.Gate) {
	for i := range verdicts {
		if g := &verdicts[i]; !g.Passed {
			e.say(slog.LevelWarn, gates.Sentence(g), "gate", g.Name, "value", g.Value, "limit", g.Limit)
		}
	}
}

// gatesSummary is a line on how many gates passed, and one for each thing that is to be known of them.
func gatesSummary(b *strings.Builder, verdicts []record.Gate) {
	if len(verdicts) == 0 {
		return
	}
	var said []string
	last := ""
	for i := range verdicts {
		if g := &verdicts[i]; g.Passed && g.Message != "" && g.Message != last {
			said = append(said, gates.Sentence(g))
			last = g.Message
		}
	}
	note := "passed"
	if failed := len(gates.Failed(verdicts)); failed > 0 {
		note = fmt.Sprintf("of which %s failed: the parts are kept, no _SUCCESS", humanize.Comma(int64(failed)))
	}
	line(b, "gates", int64(len(verdicts)), note)
	for _, text := range said {
		b.WriteString(display.Paragraph("  ", text))
	}
}

func printSummary(w io.Writer, rec *record.Run) error {
	c := rec.Counts
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", display.Line(rec.Name), display.Line(rec.Output))
	line(&b, "files", c.Files, "")
	if c.FilesRefused > 0 {
		line(&b, "refused", c.FilesRefused, "files that could not be read")
	}
	if n := rec.LeftOut.Sum(); n > 0 {
		line(&b, "left out", n, rec.LeftOut.String())
	}
	if read := record.ColumnNames(rec.ColumnsRead); len(read) > 0 {
		line(&b, "columns", int64(len(read)), "read: "+strings.Join(read, ", "))
	}
	line(&b, "scored", c.Scored, fmt.Sprintf("graphs, %s nodes", humanize.Comma(c.Nodes)))
	if c.Skipped > 0 {
		line(&b, "skipped", c.Skipped, fmt.Sprintf("graphs that were done before, in %s", display.Plural(c.ShardsSkipped, "part")))
	}
	if len(rec.QuarantinedByCode) > 0 {
		line(&b, "quarantined", sum(rec.QuarantinedByCode), display.Counts(rec.QuarantinedByCode))
	}
	orphansText(&b, rec.Orphaned, rec.Pruned, "pruned", "they were removed")
	gatesSummary(&b, rec.Gates)
	working := rec.Seconds - rec.StartupSeconds
	fmt.Fprintf(&b, "  %.1f s, of which start-up %.1f s", rec.Seconds, rec.StartupSeconds)
	if c.Scored > 0 && working > 0 {
		fmt.Fprintf(&b, "; then %s graphs/s", humanize.Comma(int64(float64(c.Scored)/working)))
	}
	if n := len(rec.Array); n > 0 {
		fmt.Fprintf(&b, " in %s", display.Plural(int64(n), "shard"))
	} else if rec.Workers > 0 {
		fmt.Fprintf(&b, " with %s", display.Plural(int64(rec.Workers), "worker"))
	}
	b.WriteString("\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// partsNamed is how many parts of a kind the summary names; the record names all.
const partsNamed = 3

// orphansText names the parts whose input does not exist any more: those that stay, with how to remove them, and those
// that do not, under a label and with what becomes of them.
func orphansText(b *strings.Builder, kept, removed []string, label, becomes string) {
	if n := len(kept); n > 0 {
		line(b, "orphaned", int64(n), "parts whose input is gone; they stay")
		b.WriteString(display.Paragraph("  ", firstParts(kept)+": run with --prune to remove such parts, or set on_orphan in the job"))
	}
	if n := len(removed); n > 0 {
		line(b, label, int64(n), "parts whose input is gone; "+becomes)
		b.WriteString(display.Paragraph("  ", firstParts(removed)))
	}
}

// firstParts names the first few of many parts.
func firstParts(names []string) string {
	named := strings.Join(names[:min(len(names), partsNamed)], ", ")
	if more := len(names) - partsNamed; more > 0 {
		named += fmt.Sprintf(" and %s more", humanize.Comma(int64(more)))
	}
	return named
}

func sum(counts map[string]int64) int64 {
	var n int64
	for _, v := range counts {
		n += v
	}
	return n
}
