package cli

import (
	"fmt"
	"io"
	"log/slog"
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
type backfillPrinter struct{ *env }

// backfillObject is the record of a backfill as --json prints it. Its exit_code and error are those of the process.
type backfillObject struct {
	Code int `json:"code"`
	record.Backfill
}

// maxDatesListed is how many dates without input are named in one line; the table and the record have all of them.
const maxDatesListed = 5

// ended prints the record on standard output with --json, else a table of all dates; and always, on standard error,
// what was not scored, what failed, and the command that continues.
func (p backfillPrinter) ended(b *backfill.Ended, err error) error {
	var without []string
	for i := range b.Dates {
		d := &b.Dates[i]
		p.date(d, b.Record.DryRun)
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
		p.say(slog.LevelWarn, fmt.Sprintf("no input for %s, skipped: %s%s", display.Plural(int64(n), "date"), strings.Join(named, ", "), more), "dates", without)
	}
	if code := run.ExitCode(err); code != exit.Done && code != exit.Partly && !b.Record.DryRun {
		p.say(slog.LevelWarn, "to continue: graphscore "+display.ShellWords(p.args))
	}
	switch {
	case p.asJSON:
		p.answer = func(end ending) any {
			full := b.Record.Complete()
			if full.ExitCode != end.Code {
				full.ExitCode, full.Error = end.Code, end.Error
			}
			return backfillObject{end.Code, full}
		}
		return nil
	case p.quiet:
		return nil
	case p.voice != nil:
		p.logSummary(&b.Record, run.ExitCode(err))
		return nil
	}
	return printBackfill(p.stdout, &b.Record)
}

// logSummary is the table as lines of the log: one for each date that has something to say beside its outcome, and one of
// the sums.
func (p backfillPrinter) logSummary(rec *record.Backfill, code int) {
	outcomes := map[string]int{}
	for i := range rec.Dates {
		d := &rec.Dates[i]
		if outcomes[d.Outcome]++; d.RunID != "" || d.Outcome == record.DateWouldRun || d.ExitCode != exit.Done {
			p.voice.Info("date", "date", d.Date, "output", d.Output, "outcome", d.Outcome, "exit_code", d.ExitCode, "counts", d.Counts, "seconds", d.Seconds)
		}
	}
	p.voice.Info("summary", "name", rec.Name, "output", rec.Output, "exit_code", code, "since", rec.Since, "until", rec.Until,
		"dry_run", rec.DryRun, "dates", outcomes, "counts", rec.Counts, "seconds", rec.Seconds)
}

// date says what of a date was not scored, or in a dry run would not be.
func (p backfillPrinter) date(d *backfill.Date, dry bool) {
	for _, f := range d.Refused {
		p.say(slog.LevelWarn, fmt.Sprintf("%s: refused: %s", d.Date, f.Reason), "date", d.Date)
	}
	if d.Quarantined > 0 {
		p.say(slog.LevelWarn, fmt.Sprintf("%s: %s in quarantine of parts that exist: see %s/_quarantine", d.Date,
			display.Plural(d.Quarantined, "graph"), strings.TrimSuffix(d.Output, "/")), "date", d.Date, "graphs", d.Quarantined)
	}
	switch d.Outcome {
	case record.DateFailed:
		ended := "failed"
		if dry {
			ended = "would fail"
		}
		p.say(slog.LevelWarn, fmt.Sprintf("%s %s with %d: %s", d.Date, ended, d.ExitCode, d.Error), "date", d.Date, "exit_code", d.ExitCode)
	case record.DateStopped:
		p.say(slog.LevelWarn, d.Date+" was stopped", "date", d.Date)
	}
	if !d.Run.Recorded {
		return
	}
	rec := d.Run.Record
	rec.Output = d.Output
	p.sayRefused(d.Date+": ", rec.Refused)
	p.sayQuarantine(d.Date+": ", &rec)
	if d.Run.Hint != "" {
		p.say(slog.LevelWarn, d.Date+": "+d.Run.Hint)
	}
}

// outcomeText is an outcome as the table has it.
func outcomeText(d *record.BackfillDate, dry bool) string {
	switch d.Outcome {
	case record.DateNoInput:
		return "no input"
	case record.DateNotSelected:
		return "not selected"
	case record.DateNotBegun:
		return "not begun"
	case record.DateWouldRun:
		if d.ExitCode != exit.Done {
			return fmt.Sprintf("would be run (%d)", d.ExitCode)
		}
		return "would be run"
	case record.DateFailed:
		if dry {
			return fmt.Sprintf("would fail (%d)", d.ExitCode)
		}
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

// outcomeWidth is that of the column of outcomes.
func outcomeWidth(dry bool) int {
	if dry {
		return len("would be run (3)")
	}
	return len("not selected")
}

// dateLine is the line of n dates, which are alike, from first to last.
func dateLine(first, last *record.BackfillDate, n int, dry bool) string {
	line := fmt.Sprintf("  %-13s  %-*s", first.Date, outcomeWidth(dry), outcomeText(first, dry))
	switch {
	case n > 1:
		line += fmt.Sprintf("  %s, to %s", display.Plural(int64(n), "date"), last.Date)
	case first.Outcome == record.DateWouldRun:
		line += fmt.Sprintf("  %13s", humanize.Comma(first.Counts.RowsIn-first.Counts.Skipped))
	case first.RunID != "":
		line += fmt.Sprintf("  %13s  %11s  %8.1f", humanize.Comma(first.Counts.Scored), humanize.Comma(first.Counts.Quarantined), first.Seconds)
	}
	return strings.TrimRight(line, " ")
}

// printBackfill prints one line a date, or one for dates that are alike, and the sums by outcome.
func printBackfill(w io.Writer, rec *record.Backfill) error {
	var t strings.Builder
	fmt.Fprintf(&t, "%s: %s\n", display.Line(rec.Name), display.Line(rec.Output))
	header := fmt.Sprintf("  %-13s  %-12s  %13s  %11s  %8s", rec.Partition, "outcome", "scored", "quarantined", "seconds")
	if rec.DryRun {
		header = fmt.Sprintf("  %-13s  %-*s  %13s", rec.Partition, outcomeWidth(true), "outcome", "to score")
	}
	t.WriteString(header + "\n")
	var order []string
	dates := map[string]int64{}
	for i := range rec.Dates {
		d := &rec.Dates[i]
		outcome := outcomeText(d, rec.DryRun)
		if dates[outcome]++; dates[outcome] == 1 {
			order = append(order, outcome)
		}
	}
	for i := 0; i < len(rec.Dates); {
		n := alike(rec.Dates[i:])
		t.WriteString(dateLine(&rec.Dates[i], &rec.Dates[i+n-1], n, rec.DryRun) + "\n")
		i += n
	}
	var parts []string
	for _, outcome := range order {
		parts = append(parts, fmt.Sprintf("%s %s", humanize.Comma(dates[outcome]), outcome))
	}
	t.WriteString(display.Paragraph("  "+display.Plural(int64(len(rec.Dates)), "date")+": ", strings.Join(parts, ", ")))
	if !rec.DryRun {
		fmt.Fprintf(&t, "  %s graphs scored, %s quarantined in %.1f s\n",
			humanize.Comma(rec.Counts.Scored), humanize.Comma(rec.Counts.Quarantined), rec.Seconds)
	}
	_, err := io.WriteString(w, t.String())
	return err
}
