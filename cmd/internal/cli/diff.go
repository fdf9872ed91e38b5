package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"graphscore/jobs/run"
	"graphscore/pipeline/diff"
	"graphscore/pipeline/exit"
)

// diffFlags say how to compare and what to print.
type diffFlags struct {
	format    string
	tolerance float64
	temp      string
}

// diffObject is a comparison as --json prints it.
type diffObject struct {
	ending
	*diff.Report
}

func (e *env) diffCommand() *cobra.Command {
	f := &diffFlags{}
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Say what changed between two outputs",
		Long: "Diff joins two output folders on graph and node: new and missing graphs and\n" +
			"nodes, the largest changes, and per output the mean and largest change, PSI\n" +
			"(population stability index over ten quantile bins of OLD) and KS (statistic\n" +
			"of the Kolmogorov-Smirnov test). Parts may have other names or another order.\n" +
			"It ends with 4 where something differs by more than the tolerance.",
		Example: "  graphscore diff scores-monday/ scores-tuesday/\n" +
			"  graphscore diff before/ after/ --tolerance 1e-5 --format json",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := e.checkFormat(cmd, &f.format); err != nil {
				return err
			}
			if len(args) != 2 {
				return usagef("diff takes two output folders, OLD and NEW, not %d arguments: see graphscore diff --help", len(args))
			}
			return e.diff(cmd.Context(), f, args[0], args[1])
		},
	}
	flags := cmd.Flags()
	e.bindFormat(cmd, &f.format)
	flags.Float64Var(&f.tolerance, "tolerance", 0, "change of a score up to which it counts as equal")
	flags.StringVar(&f.temp, "temp", "", "`DIR` for temporary files, should graphs have to be sorted (default: the system's)")
	return cmd
}

func (e *env) diff(ctx context.Context, f *diffFlags, old, new string) error {
	if !(f.tolerance >= 0) {
		return usagef("--tolerance is %g: it must be at least 0", f.tolerance)
	}
	for _, dir := range []string{old, new} {
		if err := outputThere(dir); err != nil {
			return err
		}
	}
	report, err := diff.Compare(ctx, diff.Config{Old: old, New: new, Tolerance: f.tolerance, Temp: f.temp})
	if err != nil {
		return err
	}
	for _, side := range []diff.Side{report.Old, report.New} {
		for _, name := range side.Foreign {
			e.say(slog.LevelWarn, fmt.Sprintf("left out %s/%s: it is Parquet, but no part of graphscore", side.Path, name), "file", side.Path+"/"+name)
		}
	}
	switch {
	case e.asJSON:
		e.answer = func(end ending) any { return diffObject{end, report} }
	case !e.quiet:
		err = report.Text(e.stdout)
	}
	if err == nil && len(report.Findings) > 0 {
		return &run.OutcomeError{Code: exit.CheckFailed, Message: "the outputs differ", Said: true}
	}
	return err
}

// outputThere refuses an output that is not there, or is no folder.
func outputThere(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &run.MissingError{Message: fmt.Sprintf("the output %q is not there: check the path", dir)}
	case err != nil:
		return err
	case !info.IsDir():
		return &diff.OutputError{Path: dir, Reason: "it is not a folder: name the output folder of a run"}
	}
	return nil
}
