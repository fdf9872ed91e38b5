package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"graphscore/jobs"
	"graphscore/jobs/run"
	"graphscore/pipeline/display"
	"graphscore/pipeline/report"
)

func (e *env) quarantineCommand() *cobra.Command {
	q := &quarantine{env: e, flags: &jobFlags{}}
	cmd := &cobra.Command{
		Use:   "quarantine DIR | JOB.yaml",
		Short: "List the graphs that were not scored by reason, or export them",
		Long: "Quarantine lists what is in quarantine in an output folder by reason, with\n" +
			"counts and examples. With --export it writes the graphs themselves to a file of\n" +
			"their own, in the order of file and row: the columns that graphscore reads, as\n" +
			"they are in the input, so that a run over the file meets the same graphs. They\n" +
			"are looked for in the input of the job or of --input, else where the record of\n" +
			"the last run says, and the input must be the one that was scored.\n" +
			"Of a job with dates, name the folder of one date, or give --date.",
		Example: "  graphscore quarantine scores/\n" +
			"  graphscore quarantine scores/ --code scorer_crashed --json\n" +
			"  graphscore quarantine job.yaml --export bad.parquet",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("quarantine takes an output folder or a job file, not %d arguments: see graphscore quarantine --help", len(args))
			}
			return q.execute(cmd, args[0])
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&q.code, "code", "", "only graphs with this reason, such as scorer_crashed")
	flags.StringVar(&q.file, "file", "", "only graphs of this input, `PATH` as in the list")
	flags.IntVar(&q.examples, "examples", 3, "graphs to name for each reason")
	e.bindJSON(cmd, "print the list as one JSON object on standard output")
	flags.StringVar(&q.export, "export", "", "write the graphs to `FILE`, which must not exist: .parquet, or .arrow, .feather or .ipc")
	flags.StringArrayVar(&q.flags.inputs, "input", nil, "`PATH` of the input for --export; NAME=PATH where there are several")
	q.flags.bindDate(cmd)
	return cmd
}

// quarantine is one execution of quarantine.
type quarantine struct {
	*env
	flags              *jobFlags
	code, file, export string
	examples           int
}

// quarantineObject is the list as --json prints it.
type quarantineObject struct {
	ending
	*report.Held
}

func (q *quarantine) execute(cmd *cobra.Command, target string) error {
	if q.examples < 0 {
		return usagef("--examples is %d: it must be at least 0", q.examples)
	}
	job, err := q.outputJob(cmd, q.flags, target)
	if err != nil {
		return err
	}
	list, err := report.ListHeld(cmd.Context(), report.HeldConfig{Path: job.Output.Path, Code: q.code, Input: q.file, Examples: q.examples})
	if err != nil {
		return err
	}
	if q.export != "" {
		if list.Exported, err = q.write(cmd.Context(), job); err != nil {
			return err
		}
	}
	if q.asJSON {
		q.answer = func(end ending) any { return quarantineObject{end, list} }
		return nil
	}
	if err := list.WriteText(q.stdout); err != nil || q.export == "" {
		return err
	}
	said := "\nno graph is exported\n"
	if n := list.Exported; n > 0 {
		said = fmt.Sprintf("\nexported: %s to %s\n", display.Plural(n, "graph"), q.export)
	}
	_, err = io.WriteString(q.stdout, said)
	return err
}

func (q *quarantine) write(ctx context.Context, job *jobs.Job) (int64, error) {
	return q.config(q.flags, job, "").ExportQuarantined(ctx, run.Export{File: q.export, Code: q.code, Input: q.file})
}
