package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"graphscore/pipeline/display"
	"graphscore/pipeline/report"
	"graphscore/writers"
	"graphscore/writers/atomic"
	"graphscore/writers/record"
)

func (e *env) reportCommand() *cobra.Command {
	p := reportPrinter{env: e}
	var previous string
	cmd := &cobra.Command{
		Use:   "report DIR|RUN",
		Short: "Report what a run did and what came out, as one page",
		Long: "Report reads the run records and the parts of an output folder: outcome by\n" +
			"reason, throughput over time, time by stage, sizes of graphs, distribution of\n" +
			"the scores, slowest shards, quarantine with examples, drift against the run\n" +
			"before, and provenance. DIR means its last run; RUN is a file in its _runs.\n" +
			"Of a folder of dates, as a backfill leaves it, every date gets its page, and DIR\n" +
			"one over all: outcome, throughput, quarantine and drift by date.\n" +
			"The page needs no network and no script. It goes to DIR/" + writers.ReportName + ", text\n" +
			"and JSON go to standard output, unless --output says otherwise.",
		Example: "  graphscore report out/\n" +
			"  graphscore report out/ --format text\n" +
			"  graphscore report out-of-all-dates/\n" +
			"  graphscore report out/dt=2026-11-22 --previous out/dt=2026-11-21\n" +
			"  graphscore report out/_runs/20261122T142500Z-0a1b2c3d.json --output run.html",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := p.check(cmd); err != nil {
				return err
			}
			if len(args) != 1 {
				return usagef("report takes one output folder or run record, not %d arguments: see graphscore report --help", len(args))
			}
			root, err := report.IsRoot(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if root && previous != "" {
				return usagef("%s is a folder of dates, each of which is compared with what its run knew of: --previous is for the output of one date", args[0])
			}
			if root {
				return p.dates(cmd.Context(), args[0])
			}
			r, err := report.Build(cmd.Context(), report.Config{Path: args[0], Previous: previous})
			if err != nil {
				return err
			}
			return p.put(r, r.Output, r.State, r.Summary, func(end ending) any { return reportObject{end, r} })
		},
	}
	cmd.Flags().StringVar(&p.format, "format", "html", "html, json or text")
	cmd.Flags().StringVar(&p.output, "output", "", "`FILE` for the report, - for standard output")
	cmd.Flags().StringVar(&previous, "previous", "", "output `DIR` to compare scores and counts with (default: that of gates.drift or of the date before, as the run knew it; else the counts of the run before)")
	e.bindJSON(cmd, "print the report as one JSON object on standard output, or where it is, with --output or --format html")
	return cmd
}

// The objects of --json: a report, that of many dates, and where a report is that went elsewhere.
type (
	reportObject struct {
		ending
		*report.Report
	}
	datesObject struct {
		ending
		*report.Dates
	}
	writtenObject struct {
		ending
		State   report.State `json:"state"`
		Summary string       `json:"summary"`
		Report  string       `json:"report"`
	}
)

// reportPrinter puts a report where it is asked for.
type reportPrinter struct {
	*env
	format string // a key of renderers
	output string // "" for the place of the format
}

// check refuses formats that are not known, and two things on one standard output.
func (p *reportPrinter) check(cmd *cobra.Command) error {
	if _, known := renderers[p.format]; !known {
		return usagef("--format is %q: it must be html, json or text", p.format)
	}
	if p.asJSON && !cmd.Flags().Changed("format") {
		p.format = formatJSON
	}
	toStdout := reportPlace(p.output, p.format, "") == "-"
	if p.asJSON && toStdout && p.format != formatJSON {
		return usagef("--json and --format %s are both for standard output: keep one, or name a file with --output", p.format)
	}
	p.asJSON = p.asJSON || toStdout && p.format == formatJSON
	return nil
}

// rendered is a report that can be written in every format.
type rendered interface {
	WriteHTML(w io.Writer) error
	WriteJSON(w io.Writer) error
	WriteText(w io.Writer) error
}

var renderers = map[string]func(rendered, io.Writer) error{
	"html": rendered.WriteHTML, "json": rendered.WriteJSON, "text": rendered.WriteText,
}

// reportPlace is where a report goes: the file asked for, beside the scores for a page, else standard output.
func reportPlace(asked, format, dir string) string {
	switch {
	case asked != "":
		return asked
	case format == "html":
		return filepath.Join(dir, writers.ReportName)
	}
	return "-"
}

// dates writes the page of each date beside its scores and one over all dates, which links them. In another
// format, or elsewhere, there is just the latter, with links to the pages that are there.
func (p *reportPrinter) dates(ctx context.Context, path string) error {
	write := p.format == "html" && p.output == ""
	root := path
	if dir, is := record.BackfillOf(path); is {
		root = dir
	}
	from := root
	if p.output != "" && p.output != "-" {
		from = filepath.Dir(p.output)
	}
	d, err := report.BuildDates(ctx, report.Config{Path: path}, func(r *report.Report) (string, error) {
		page := filepath.Join(r.Output, writers.ReportName)
		if write {
			var b bytes.Buffer
			if err := r.WriteHTML(&b); err != nil {
				return "", err
			}
			if err := atomic.WriteFile(page, b.Bytes()); err != nil {
				return "", err
			}
		} else if _, err := os.Stat(page); err != nil {
			return "", nil
		}
		return link(from, page), nil
	})
	if err != nil {
		return err
	}
	return p.put(d, root, d.State, d.Summary, func(end ending) any { return datesObject{end, d} })
}

// link is the way from a folder to a page, "" where there is none. It begins with a dot, as a name may look like a scheme.
func link(from, page string) string {
	base, err := filepath.Abs(from)
	if err != nil {
		return ""
	}
	target, err := filepath.Abs(page)
	if err != nil {
		return ""
	}
	rel, err := filepath.Rel(base, target)
	if err != nil {
		return ""
	}
	if rel = filepath.ToSlash(rel); !strings.HasPrefix(rel, "../") {
		rel = "./" + rel
	}
	return rel
}

// put writes a report to standard output, or whole or not at all to a file. The folder is that of the report; object makes
// it the answer of --json.
func (p *reportPrinter) put(r rendered, dir string, state report.State, summary string, object func(ending) any) error {
	render, output := renderers[p.format], reportPlace(p.output, p.format, dir)
	switch {
	case output == "-" && p.asJSON:
		p.answer = object
		return nil
	case output == "-":
		return render(r, p.stdout)
	}
	var b bytes.Buffer
	if err := render(r, &b); err != nil {
		return err
	}
	if err := atomic.WriteFile(output, b.Bytes()); err != nil {
		return err
	}
	switch {
	case p.asJSON:
		p.answer = func(end ending) any { return writtenObject{end, state, summary, output} }
		return nil
	case p.quiet:
		return nil
	}
	_, err := fmt.Fprintf(p.stdout, "%s: %s\nreport: %s\n", state, display.Line(summary), display.Line(output))
	return err
}
