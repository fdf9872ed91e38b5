package cli

import (
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/dustin/go-humanize"

	"graphscore/writers/part"
	"graphscore/writers/record"
)

// summarize tells how the backfill ended: the record on standard output with --json, else a table of all dates;
// and always, on standard error, what was not scored, what failed, and the command that continues.
func (b *backfill) summarize(rec *record.Backfill, ended error) error {
	var without []string
	for i := range b.entries {
		d := &b.entries[i]
		b.sayDate(d)
		if d.Outcome == record.DateNoInput {
			without = append(without, d.Date)
		}
	}
	if n := len(without); n > 0 {
		named := without[:min(n, datesNamed)]
		more := ""
		if n > len(named) {
			more = fmt.Sprintf(" and %d more", n-len(named))
		}
		fmt.Fprintf(b.stderr, "graphscore: no input for %s, skipped: %s%s\n", plural(int64(n), "date"), strings.Join(named, ", "), more)
	}
	if code := exitCode(ended); code != exitDone && code != exitPartly {
		fmt.Fprintf(b.stderr, "graphscore: to continue: graphscore %s\n", shellWords(b.args))
	}
	switch {
	case b.asJSON:
		return rec.Encode(b.stdout)
	case b.quiet:
		return nil
	}
	return printBackfill(b.stdout, rec)
}

// printSummary prints the table of a backfill which came as far as a record.
func (b *backfill) printSummary(w io.Writer) error {
	if b.rec == nil {
		return nil
	}
	return printBackfill(w, b.rec)
}

// datesNamed is how many dates without input are named in one line; the table and the record have all of them.
const datesNamed = 5

// sayDate tells on standard error what of a date was not scored.
func (b *backfill) sayDate(d *entry) {
	switch d.Outcome {
	case record.DateFailed:
		fmt.Fprintf(b.stderr, "graphscore: %s failed with %d: %s\n", d.Date, d.ExitCode, d.Error)
	case record.DateStopped:
		fmt.Fprintf(b.stderr, "graphscore: %s was stopped\n", d.Date)
	}
	if d.rec == nil {
		return
	}
	for _, f := range d.rec.Refused {
		fmt.Fprintf(b.stderr, "graphscore: %s: refused: %s\n", d.Date, f.Reason)
	}
	if len(d.rec.QuarantinedByCode) > 0 {
		fmt.Fprintf(b.stderr, "graphscore: %s: %s in quarantine (%s): see %s/%s\n", d.Date,
			plural(sum(d.rec.QuarantinedByCode), "graph"), codeText(d.rec.QuarantinedByCode), strings.TrimSuffix(d.Output, "/"), part.QuarantineDir)
	}
}

// outcomeTexts are the outcomes as the table has them.
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
		if d.ExitCode == exitCheckFailed {
			return "gate failed"
		}
		return fmt.Sprintf("failed (%d)", d.ExitCode)
	case record.DateDone:
		return "done before"
	default:
		return d.Outcome
	}
}

// printBackfill prints one line a date, and the sums by outcome.
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
		line := fmt.Sprintf("  %-13s  %-12s", d.Date, outcome)
		switch {
		case d.Outcome == record.DateWouldRun:
			line += fmt.Sprintf("  %13s", humanize.Comma(d.Counts.RowsIn))
		case d.RunID != "":
			line += fmt.Sprintf("  %13s  %11s  %8.1f", humanize.Comma(d.Counts.Scored), humanize.Comma(d.Counts.Quarantined), d.Seconds)
		}
		t.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	var parts []string
	for _, outcome := range order {
		parts = append(parts, fmt.Sprintf("%s %s", humanize.Comma(dates[outcome]), outcome))
	}
	fmt.Fprintf(&t, "  %s: %s\n", plural(int64(len(rec.Dates)), "date"), strings.Join(parts, ", "))
	if !rec.DryRun {
		fmt.Fprintf(&t, "  %s graphs scored, %s quarantined in %.1f s\n",
			humanize.Comma(rec.Counts.Scored), humanize.Comma(rec.Counts.Quarantined), rec.Seconds)
	}
	_, err := io.WriteString(w, t.String())
	return err
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// shellWords writes arguments as a shell reads them.
func shellWords(args []string) string {
	words := make([]string, len(args))
	for i, a := range args {
		if words[i] = a; !plainWord.MatchString(a) {
			words[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}
