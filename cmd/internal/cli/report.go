package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"graphscore/pipeline/report"
	"graphscore/writers"
	"graphscore/writers/atomic"
)

func (e *env) reportCommand() *cobra.Command {
	var format, output, previous string
	cmd := &cobra.Command{
		Use:   "report DIR|RUN",
		Short: "Report what a run did and what came out, as one page",
		Long: "Report reads the run records and the parts of an output folder: outcome by\n" +
			"reason, throughput over time, time by stage, sizes of graphs, distribution of\n" +
			"the scores, slowest shards, quarantine with examples, drift against the run\n" +
			"before, and provenance. DIR means its last run; RUN is a file in its _runs.\n" +
			"The page needs no network and no script. It goes to DIR/" + writers.ReportName + ", text\n" +
			"and JSON go to standard output, unless --output says otherwise.",
		Example: "  graphscore report out/\n" +
			"  graphscore report out/ --format text\n" +
			"  graphscore report out/dt=2026-11-22 --previous out/dt=2026-11-21\n" +
			"  graphscore report out/_runs/20261122T142500Z-0a1b2c3d.json --output run.html",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("report takes one output folder or run record, not %d arguments: see graphscore report --help", len(args))
			}
			render, known := renderers[format]
			if !known {
				return usagef("--format is %q: it must be html, json or text", format)
			}
			r, err := e.buildReport(cmd.Context(), args[0], previous)
			if err != nil {
				return err
			}
			if output == "" {
				output = "-"
				if format == "html" {
					output = filepath.Join(r.Output, writers.ReportName)
				}
			}
			return e.putReport(r, render, output)
		},
	}
	cmd.Flags().StringVar(&format, "format", "html", "html, json or text")
	cmd.Flags().StringVar(&output, "output", "", "`FILE` for the report, - for standard output")
	cmd.Flags().StringVar(&previous, "previous", "", "output `DIR` to compare scores and counts with (default: that of gates.drift or of the date before, as the run knew it; else the counts of the run before)")
	return cmd
}

var renderers = map[string]func(*report.Report, io.Writer) error{
	"html": (*report.Report).WriteHTML, "json": (*report.Report).WriteJSON, "text": (*report.Report).WriteText,
}

func (e *env) buildReport(ctx context.Context, path, previous string) (*report.Report, error) {
	return report.Build(ctx, report.Config{Path: path, Previous: previous})
}

// putReport writes a report to standard output, or whole or not at all to a file.
func (e *env) putReport(r *report.Report, render func(*report.Report, io.Writer) error, output string) error {
	if output == "-" {
		return render(r, e.stdout)
	}
	var b bytes.Buffer
	if err := render(r, &b); err != nil {
		return err
	}
	if err := atomic.WriteFile(output, b.Bytes()); err != nil {
		return err
	}
	if e.quiet {
		return nil
	}
	_, err := fmt.Fprintf(e.stdout, "%s: %s\nreport: %s\n", r.State, r.Summary, output)
	return err
}
