package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"graphscore/jobs/backfill"
	"graphscore/jobs/run"
	"graphscore/pipeline/display"
	"graphscore/pipeline/exit"
	"graphscore/writers/record"
)

// backfillPrinter prints how a backfill ended.
type backfillPrinter struct {
	*env
	asJSON bool // the record instead of the table
}

// maxDatesListed is how many dates without input are named in one line; the table and the record have all of them.
const maxDatesListed = 5

// ended prints the record on standard output with --json, else a table of all dates; and always, on standard error,
// what was not scored, what failed, and the command that continues.
func (p backfillPrinter) ended(b *backfill.Ended, err error) error {
	var without []string
	for i := range b.Dates {
		d := &b.Dates[i]
		p.date(d)
		if d.Outcome == record.DateNoInput {
			without = append(without, d.Date)
		}
	}
	if n := len(without); n > 0 {
		named := without[:min(n, maxDatesListed)]
		more := ""
		if n > len(named) {
			more = fmt.Sprintf(" and %d more", n-len(named))
		}
		fmt.Fprintf(p.stderr, "graphscore: no input for %s, skipped: %s%s\n", display.Plural(int64(n), "date"), strings.Join(named, ", "), more)
	}
	if code := run.ExitCode(err); code != exit.Done && code != exit.Partly {
		fmt.Fprintf(p.stderr, "graphscore: to continue: graphscore %s\n", display.ShellWords(p.args))
	}
	switch {
	case p.asJSON:
		return b.Record.Encode(p.stdout)
	case p.quiet:
		return nil
	}
	return printBackfill(p.stdout, &b.Record)
}

// date prints on standard error what of a date was not scored.
func (p backfillPrinter) date(d *backfill.Date) {
	switch d.Outcome {
	case record.DateFailed:
		fmt.Fprintf(p.stderr, "graphscore: %s failed with %d: %s\n", d.Date, d.ExitCode, d.Error)
	case record.DateStopped:
		fmt.Fprintf(p.stderr, "graphscore: %s was stopped\n", d.Date)
	}
	if !d.Run.Recorded {
		return
	}
	rec := &d.Run.Record
	for _, f := range rec.Refused {
		fmt.Fprintf(p.stderr, "graphscore: %s: refused: %s\n", d.Date, f.Reason)
	}
	if len(rec.QuarantinedByCode) > 0 {
		fmt.Fprintf(p.stderr, "graphscore: %s: %s in quarantine (%s): see %s/_quarantine\n", d.Date,
			display.Plural(sum(rec.QuarantinedByCode), "graph"), display.Counts(rec.QuarantinedByCode), strings.TrimSuffix(d.Output, "/"))
	}
	if d.Run.Hint != "" {
		fmt.Fprintf(p.stderr, "graphscore: %s: %s\n", d.Date, display.Harmless(d.Run.Hint))
	}
}

// outcomeText is an outcome as the table has it.
func outcomeText(d *record.BackfillDate) string {
	switch d.Outcome {
	case record.DateNoInput:
		return "no input"
	case record.DateNotSelected:
		return "not selected"
	case record.DateNotBegun:
		return "not begun"
	case record.DateWouldRun:
		return "would be run"
	case record.DateFailed:
		if d.ExitCode == exit.CheckFailed {
			return "check failed"
		}
		return fmt.Sprintf("failed (%d)", d.ExitCode)
	case record.DateDone:
		return "done before"
	default:
		return d.Outcome
	}
}

// leastFolded is how many dates in a row, of which there is nothing to say but one outcome, make one line.
const leastFolded = 4

// alike is how many dates at the beginning of the list, at least one, make one line.
func alike(dates []record.BackfillDate) int {
	n := 0
	for n < len(dates) && dates[n].RunID == "" && dates[n].Outcome == dates[0].Outcome &&
		slices.Contains([]string{record.DateNoInput, record.DateNotSelected, record.DateNotBegun, record.DateDone}, dates[n].Outcome) {
		n++
	}
	if n < leastFolded {
		return 1
	}
	return n
}

// dateLine is the line of n dates, which are alike, from first to last.
func dateLine(first, last *record.BackfillDate, n int) string {
	line := fmt.Sprintf("  %-13s  %-12s", first.Date, outcomeText(first))
	switch {
	case n > 1:
		line += fmt.Sprintf("  %s, to %s", display.Plural(int64(n), "date"), last.Date)
	case first.Outcome == record.DateWouldRun:
		line += fmt.Sprintf("  %13s", humanize.Comma(first.Counts.RowsIn))
	case first.RunID != "":
		line += fmt.Sprintf("  %13s  %11s  %8.1f", humanize.Comma(first.Counts.Scored), humanize.Comma(first.Counts.Quarantined), first.Seconds)
	}
	return strings.TrimRight(line, " ")
}

// printBackfill prints one line a date, or one for dates that are alike, and the sums by outcome.
func printBackfill(w io.Writer, rec *record.Backfill) error {
	var t strings.Builder
	fmt.Fprintf(&t, "%s: %s\n", rec.Name, rec.Output)
	header := fmt.Sprintf("  %-13s  %-12s  %13s  %11s  %8s", rec.Partition, "outcome", "scored", "quarantined", "seconds")
	if rec.DryRun {
		header = fmt.Sprintf("  %-13s  %-12s  %13s", rec.Partition, "outcome", "graphs")
	}
	t.WriteString(header + "\n")
	var order []string
	dates := map[string]int64{}
	for i := range rec.Dates {
		d := &rec.Dates[i]
		outcome := outcomeText(d)
		if dates[outcome]++; dates[outcome] == 1 {
			order = append(order, outcome)
		}
	}
	for i := 0; i < len(rec.Dates); {
		n := alike(rec.Dates[i:])
		t.WriteString(dateLine(&rec.Dates[i], &rec.Dates[i+n-1], n) + "\n")
		i += n
	}
	var parts []string
	for _, outcome := range order {
		parts = append(parts, fmt.Sprintf("%s %s", humanize.Comma(dates[outcome]), outcome))
	}
	fmt.Fprintf(&t, "  %s: %s\n", display.Plural(int64(len(rec.Dates)), "date"), strings.Join(parts, ", "))
	if !rec.DryRun {
		fmt.Fprintf(&t, "  %s graphs scored, %s quarantined in %.1f s\n",
			humanize.Comma(rec.Counts.Scored), humanize.Comma(rec.Counts.Quarantined), rec.Seconds)
	}
	_, err := io.WriteString(w, t.String())
	return err
}
