package cli

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"graphscore/jobs/run"
	"graphscore/pipeline"
	"graphscore/pipeline/observe"
)

func (e *env) runCommand() *cobra.Command {
	f, s := &jobFlags{}, &shardFlags{}
	p := runPrinter{env: e}
	cmd := &cobra.Command{
		Use:   "run [JOB.yaml]",
		Short: "Score graphs and write the scores",
		Long: "Run scores what the job names and is not scored yet. Flags win over the job\n" +
			"file; without one, --input, --output and --model or --server make the job.\n" +
			"A job whose paths have a {date} is run for one date: see --date. While a run or\n" +
			"a backfill is at work on one of its dates, another ends with 75. Where a gate of\n" +
			"the job fails, the parts stay, _SUCCESS is withheld, and the run ends with 4.\n" +
			"With --shard it makes some of the parts, as one process of an array job, beside\n" +
			"the others; finish ends what they have begun. It ends with 0 where all its parts\n" +
			"exist, and pings and publishes nothing unless its flags say so." + watchHelp,
		Example: "  graphscore run job.yaml\n" +
			"  graphscore run nightly.yaml --date 2026-01-31\n" +
			"  graphscore run --input graphs/ --model model/ --output scores/\n" +
			"  graphscore run --input 'graphs/**/*.arrow' --server scorer:9999 --output out/\n" +
			"  graphscore run job.yaml --shard 3/8",
		RunE: func(cmd *cobra.Command, args []string) error {
			m := e.monitor("run")
			m.silent = s.silent()
			return m.watch(cmd.Context(), func(ctx context.Context, m *monitor) error {
				return e.run(ctx, m, p, func() (run.Config, error) {
					cfg, err := e.dated(f, cmd, args)
					m.series = series{none: f.apart(), ownOutput: f.ownOutput}
					if err != nil {
						return cfg, err
					}
					return cfg, s.apply(cmd, f, &cfg)
				})
			})
		},
	}
	f.bindInput(cmd)
	f.bindScorer(cmd)
	f.bindOutput(cmd)
	f.bindBounds(cmd)
	f.bindDate(cmd)
	cmd.Flags().BoolVar(&f.beside, "side-by-side", false, "run the date while other runs with this flag are at work on other dates, as on the nodes of a cluster (default: one run of a job with {date} at a time)")
	s.bind(cmd)
	f.bindMetrics(cmd)
	e.bindJSON(cmd, "print the run record on standard output")
	cmd.Flags().BoolVar(&p.stages, "stages", false, "report how busy each stage was, and which one held up the others")
	cmd.Flags().BoolVar(&p.stages, "trace-stages", false, "the old name of --stages")
	_ = cmd.Flags().MarkHidden("trace-stages") // fails only for a flag that does not exist
	return cmd
}

// run runs a job and prints what came out.
func (e *env) run(ctx context.Context, m *monitor, p runPrinter, config func() (run.Config, error)) (err error) {
	cfg, err := config()
	if err != nil {
		return err
	}
	ctx, stop := run.Within(ctx, cfg.Job)
	defer func() {
		err = run.Stopped(ctx, err)
		stop()
	}()
	m.of(cfg.Job)
	cfg.ID, cfg.Around = m.id, m.traces.Around()
	run.LimitMemory(cfg.Job.Limits)
	progress := &pipeline.Progress{}
	var taken *observe.ListenError // by a night, which may not have come to its lock yet, or by another program
	if err := m.serve(ctx, progress.Read, func() error { return nil }); err != nil && !errors.As(err, &taken) {
		return err
	}
	in, err := run.Prepare(ctx, cfg)
	if err == nil {
		err = m.serve(ctx, progress.Read, cfg.CheckHeld)
	}
	if err != nil {
		return err
	}
	in.LogPlan(ctx)
	ended, err := run.Execute(ctx, in, run.Options{
		Lender: run.Own(cfg, m.connected), Progress: progress, Wrap: m.traces.Scorer, Begin: m.traces.Shard,
		Held: func() { m.pinger.Start(ctx) },
		Show: func(ctx context.Context, graphs int64, work func(context.Context) error) error {
			return e.showRun(ctx, progress, graphs, work)
		},
	})
	switch {
	case ended.NoInput:
		p.noInput(cfg.Date, &ended)
		return err
	case ended.Idle:
		return run.FirstFailure(ctx, e.log, err, p.sayIdle(cfg.Task, &ended))
	case !ended.Recorded:
		return err
	}
	m.incomplete = len(ended.Missing) > 0
	m.figures = func(l *observe.LastRun) {
		m.lastRun(ctx, l, &ended.Record)
		l.Success = l.Success && !m.incomplete
	}
	m.summarize = func(w io.Writer) error { return printSummary(w, &ended.Record) }
	return run.FirstFailure(ctx, e.log, err, p.ended(&ended))
}
