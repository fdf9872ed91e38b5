package cli

import (
	"cmp"
	"context"
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"graphscore/jobs/run"
	"graphscore/pipeline/display"
	"graphscore/pipeline/exit"
	"graphscore/pipeline/graph"
	"graphscore/readers"
)

// examples is how many findings validate prints; it counts all of them.
const examples = 10

func (e *env) validateCommand() *cobra.Command {
	f := &jobFlags{}
	cmd := &cobra.Command{
		Use:   "validate [JOB.yaml]",
		Short: "Read and check all that a run would score, without scoring it",
		Long: "Validate reads every graph and says which of them a run would put into\n" +
			"quarantine, and which files it would refuse. Without --model or --server the\n" +
			"first graph says how many features a node has.",
		Example: "  graphscore validate job.yaml\n  graphscore validate --input graphs/",
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := e.dated(f, cmd, args)
			if err != nil {
				return err
			}
			return e.validate(cmd.Context(), cfg)
		},
	}
	f.bindInput(cmd)
	f.bindDate(cmd)
	f.bindScorer(cmd)
	return cmd
}

func (e *env) validate(ctx context.Context, cfg run.Config) error {
	if len(cfg.Job.Input.Path) == 0 {
		return usagef("validate needs a job file or --input: see graphscore validate --help")
	}
	if err := checkable(cfg).CheckJob(); err != nil {
		return err
	}
	in, err := cfg.ReadPlan(ctx)
	if err != nil {
		return err
	}
	width, limits, err := in.Expect(ctx)
	if err != nil {
		return err
	}
	shown := 0
	found, err := in.Scan(ctx, width, limits, run.Observer{
		Batch: func(*graph.Batch) {},
		Reject: func(file *readers.File, r graph.Rejection) {
			if shown++; shown <= examples {
				fmt.Fprintf(e.stdout, "%s: row %d (graph %v): %s: %s\n", file.Path, r.Row, r.GraphID, r.Code, r.Message)
			}
		},
	})
	if err != nil {
		return err
	}
	if err := e.verdict(found, in.Files(), in.PrintRefused(e.stderr, found)); err != nil {
		return err
	}
	return in.Outcome(0, true, nil, 0) // what is not finished
}

// checkable is the job with an output and a model, which need not be named here, so that the rest of it is checked
// as a run checks it.
func checkable(cfg run.Config) run.Config {
	full := *cfg.Job
	full.Output.Path = cmp.Or(full.Output.Path, "unnamed")
	if len(full.Server.Addresses) == 0 {
		full.Model.Path = cmp.Or(full.Model.Path, "unnamed")
	}
	cfg.Job = &full
	return cfg
}

func (e *env) verdict(found *run.Scanned, files, refused int) error {
	c := found.Result.Counts
	if c.Quarantined > examples {
		fmt.Fprintf(e.stdout, "... and %s more\n", humanize.Comma(c.Quarantined-examples))
	}
	if !e.quiet {
		fmt.Fprintf(e.stdout, "%s, %s, %s nodes, %s edges: ", display.Plural(int64(files), "file"), display.Plural(c.Rows, "graph"),
			humanize.Comma(c.Nodes), humanize.Comma(c.Edges))
	}
	switch {
	case files > 0 && refused == files:
		fmt.Fprintln(e.stdout, "no file could be read")
		return &run.OutcomeError{Code: exit.NoInput, Message: "no input could be read", Said: true}
	case refused > 0 || c.Quarantined > 0:
		fmt.Fprintf(e.stdout, "%s refused, %s for quarantine", display.Plural(int64(refused), "file"), display.Plural(c.Quarantined, "graph"))
		if len(c.Codes) > 0 {
			fmt.Fprintf(e.stdout, " (%s)", display.Counts(c.Codes))
		}
		fmt.Fprintln(e.stdout)
		return &run.OutcomeError{Code: exit.CheckFailed, Message: "validate has findings", Said: true}
	}
	if !e.quiet {
		fmt.Fprintln(e.stdout, "all can be scored")
	}
	return nil
}
