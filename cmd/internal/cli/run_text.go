package cli

import (
	"cmp"
	"fmt"
	"io"
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
	asJSON bool // the record instead of the summary
	stages bool // and how busy each stage was
}

// ended prints the record on standard output with --json, else a few lines; and always, on standard error, what was
// not scored.
func (p runPrinter) ended(r *run.Ended) error {
	rec := &r.Record
	for _, f := range rec.Refused {
		fmt.Fprintf(p.stderr, "graphscore: refused: %s\n", display.Harmless(f.Reason))
	}
	if n := sum(rec.QuarantinedByCode); n > 0 {
		fmt.Fprintf(p.stderr, "graphscore: %s in quarantine (%s): see %s/_quarantine\n",
			display.Plural(n, "graph"), display.Counts(rec.QuarantinedByCode), strings.TrimSuffix(rec.Output, "/"))
	}
	if r.Hint != "" {
		fmt.Fprintf(p.stderr, "graphscore: %s\n", display.Harmless(r.Hint))
	}
	if r.OverBudget != "" {
		fmt.Fprintf(p.stderr, "graphscore: ended early: %s\n", display.Harmless(r.OverBudget))
	}
	p.printFailedGates(rec.Gates)
	stages := p.stages && r.Streamed
	if p.asJSON {
		if stages {
			fmt.Fprintf(p.stderr, "graphscore: %s\n", bottleneckText(r.Stages))
		}
		return rec.Encode(p.stdout)
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

// noInput says that nothing matches, of a date where there is one.
func (p runPrinter) noInput(date string, r *run.Ended) error {
	p.printFailedGates(r.Record.Gates)
	if r.Record.ExitCode != exit.NotThere { // else the error says so
		fmt.Fprintf(p.stderr, "graphscore: %s has no input: nothing matches %s, nothing was done\n",
			cmp.Or(date, r.Record.Name), strings.Join(r.Record.Inputs, ", "))
	}
	if p.asJSON {
		return r.Record.Encode(p.stdout)
	}
	return nil
}

// printFailedGates prints on standard error which gates failed.
func (e *env) printFailedGates(verdicts []record.Gate) {
	for _, sentence := range gates.Failed(verdicts) {
		fmt.Fprintf(e.stderr, "graphscore: %s\n", sentence)
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
	fmt.Fprintf(&b, "%s: %s\n", display.Harmless(rec.Name), display.Harmless(rec.Output))
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
	orphansSummary(&b, rec)
	gatesSummary(&b, rec.Gates)
	working := rec.Seconds - rec.StartupSeconds
	fmt.Fprintf(&b, "  %.1f s, of which start-up %.1f s", rec.Seconds, rec.StartupSeconds)
	if c.Scored > 0 && working > 0 {
		fmt.Fprintf(&b, "; then %s graphs/s", humanize.Comma(int64(float64(c.Scored)/working)))
	}
	if rec.Workers > 0 {
		fmt.Fprintf(&b, " with %s", display.Plural(int64(rec.Workers), "worker"))
	}
	b.WriteString("\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// partsNamed is how many parts of a kind the summary names; the record names all.
const partsNamed = 3

// orphansSummary names the parts whose input does not exist any more, and says how to remove those that were kept.
func orphansSummary(b *strings.Builder, rec *record.Run) {
	if n := len(rec.Orphaned); n > 0 {
		line(b, "orphaned", int64(n), "parts whose input is gone, kept")
		b.WriteString(display.Paragraph("  ", firstParts(rec.Orphaned)+": run with --prune to remove such parts, or set on_orphan in the job"))
	}
	if n := len(rec.Pruned); n > 0 {
		line(b, "pruned", int64(n), "parts whose input is gone, removed")
		b.WriteString(display.Paragraph("  ", firstParts(rec.Pruned)))
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
