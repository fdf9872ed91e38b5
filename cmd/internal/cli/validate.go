package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"graphscore/jobs"
	"graphscore/pipeline"
	"graphscore/pipeline/display"
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
			job, err := f.job(cmd, args)
			if err != nil {
				return err
			}
			if job, _, err = e.onDate(f, job); err != nil {
				return err
			}
			return e.validate(cmd.Context(), f, job)
		},
	}
	f.bindInput(cmd)
	f.bindDate(cmd)
	f.bindScorer(cmd)
	return cmd
}

func (e *env) validate(ctx context.Context, f *jobFlags, job *jobs.Job) error {
	if len(job.Input.Path) == 0 {
		return usagef("validate needs a job file or --input: see graphscore validate --help")
	}
	if err := checkable(job); err != nil {
		return err
	}
	plan, err := readers.NewPlan(ctx, readerConfig(job, f.limit))
	if err != nil {
		return err
	}
	files := len(plan.Files) + len(plan.Refused)
	if files == 0 && f.mustExist {
		return &missingError{fmt.Sprintf("nothing matches %s, and --require-input is set", inputText(job))}
	}
	if err := carriesWeights(job, plan); err != nil {
		return err
	}
	width, limits, err := e.expectations(ctx, f, job, plan)
	if err != nil {
		return err
	}
	shown := 0
	result, err := e.scan(ctx, plan, width, limits, observer{
		batch: func(*graph.Batch) {},
		reject: func(file *readers.File, r graph.Rejection) {
			if shown++; shown <= examples {
				fmt.Fprintf(e.stdout, "%s: row %d (graph %v): %s: %s\n", file.Path, r.Row, r.GraphID, r.Code, r.Message)
			}
		},
	})
	if err != nil {
		return err
	}
	refused := sayRefused(e.stderr, plan, result)
	return e.verdict(result, files, refused)
}

// checkable holds the job against what a run wants of it, but for an output and a model, which need not be named.
func checkable(job *jobs.Job) error {
	full := *job
	full.Output.Path = cmp.Or(full.Output.Path, "unnamed")
	if len(full.Server.Addresses) == 0 {
		full.Model.Path = cmp.Or(full.Model.Path, "unnamed")
	}
	return full.Validate()
}

// expectations is what a run would hold the graphs against: width of the features and the size of a message.
func (e *env) expectations(ctx context.Context, f *jobFlags, job *jobs.Job, plan *readers.Plan) (width int, limits pipeline.Config, err error) {
	if job.Model.Path != "" || len(job.Server.Addresses) > 0 {
		s, err := e.connect(ctx, job, f.python, 1)
		if err != nil {
			return 0, limits, err
		}
		scorer := s.scorer()
		limits.MaxGraphBytes, limits.GraphBytes = scorer.Limit(), scorer.GraphBytes
		width = s.model.InFeatures
		if err := s.Close(); err != nil {
			return 0, limits, err
		}
	}
	if width == 0 && len(plan.Shards) > 0 {
		if width, err = plan.Width(ctx); err != nil {
			var file *readers.FileError
			if errors.As(err, &file) {
				return 0, limits, nil // the scan will say so
			}
		}
	}
	return width, limits, err
}

func (e *env) verdict(result *pipeline.Result, files, refused int) error {
	c := result.Counts
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
		return &outcomeError{code: exitNoInput, message: "no input could be read", said: true}
	case refused > 0 || c.Quarantined > 0:
		fmt.Fprintf(e.stdout, "%s refused, %s for quarantine", display.Plural(int64(refused), "file"), display.Plural(c.Quarantined, "graph"))
		if len(c.Codes) > 0 {
			fmt.Fprintf(e.stdout, " (%s)", display.Counts(c.Codes))
		}
		fmt.Fprintln(e.stdout)
		return &outcomeError{code: exitCheckFailed, message: "validate has findings", said: true}
	}
	if !e.quiet {
		fmt.Fprintln(e.stdout, "all can be scored")
	}
	return nil
}
