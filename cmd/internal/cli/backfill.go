package cli

import (
	"context"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"graphscore/jobs/backfill"
	"graphscore/jobs/run"
	"graphscore/pipeline"
	"graphscore/pipeline/observe"
)

// backfillHelp is the long help of backfill.
const backfillHelp = "Backfill runs a job whose output has a {date} for each date of a range that has\n" +
	"input: its days, or what `partition` of the job says. With a --since such as\n" +
	"'7 days ago' it is what runs every night: dates that were missed or failed are\n" +
	"caught up. All dates share one pool of workers; each date's folder is an output\n" +
	"of its own, with its own _SUCCESS. A date that fails does not keep the others\n" +
	"from being run, unless the scorer is gone. The record of the backfill is in\n" +
	"_runs of the folder above the dates.\n\n" +
	"--only says which dates: missing has no _SUCCESS, failed has a run record but no\n" +
	"_SUCCESS, stale has parts that do not match input, model and settings (they are\n" +
	"scored again) or a last run that did not end, all is every date. A date of which\n" +
	"a gate failed has failed; a drift gate compares it with the last date before it\n" +
	"that has its _SUCCESS.\n\n" +
	"--dry-run says of each date how it would end, as far as footers say, and ends\n" +
	"with the code of the backfill; it asks servers for their model, and starts no\n" +
	"worker.\n\n" +
	"The exit code is that of the first failed date, 75 only where no other failed;\n" +
	"without any, 66 if a date has no input and the job does not say input.optional,\n" +
	"or 3 if graphs or files of a date were not scored. The same command continues.\n" +
	"While another backfill, or a run, is at work on dates of the job, it ends with\n" +
	"75. In metrics, a --since like '7 days ago' is the night of the job; a backfill\n" +
	"of dates of the calendar has a series of its own.\n\n" +
	"--engine slurm makes the parts of all dates by one array job, --shards tasks a\n" +
	"date, as submit does for one output. It plans all dates once, ends each one that\n" +
	"has its parts as finish does, submits again what may pass, and fails a date\n" +
	"whose shard failed for good without stopping the others. When it dies, the tasks\n" +
	"go on and the same command follows them; Ctrl-C cancels them. Plans, scripts and\n" +
	"logs are in _runs of the folder above the dates. --dry-run prints the scripts." + watchHelp

func (e *env) backfillCommand() *cobra.Command {
	f, cfg, p := &jobFlags{}, backfill.Config{}, backfillPrinter{env: e}
	s, o := &shardFlags{}, &submitFlags{}
	cmd := &cobra.Command{
		Use:   "backfill [JOB.yaml] --since DATE --until DATE",
		Short: "Run a job with {date} for every date of a range that has input",
		Long:  backfillHelp,
		Example: "  graphscore backfill nightly.yaml --since 2026-01-01 --until 2026-02-01\n" +
			"  graphscore backfill nightly.yaml --since '7 days ago' --newest-first\n" +
			"  graphscore backfill nightly.yaml --since 2026-01-01 --dry-run\n" +
			"  graphscore backfill nightly.yaml --since 2026-01-01 --only stale --parallel 4\n" +
			"  graphscore backfill nightly.yaml --since 2026-01-01 --engine slurm --shards 4",
		RunE: func(cmd *cobra.Command, args []string) error {
			m := e.monitor("backfill")
			work := func(ctx context.Context, m *monitor) error {
				job, err := f.job(cmd, args)
				if err != nil {
					return err
				}
				m.of(job)
				cfg.Run = e.config(f, job, "")
				cfg.Run.ID, cfg.Run.Around = m.id, m.traces.Around()
				m.series = series{none: f.apart(), backfill: !cfg.Nightly(), ownOutput: f.ownOutput}
				if cmd.Flags().Changed("max-failures") && cfg.MaxFailures < 1 {
					return usagef("--max-failures is %d: it must be at least 1", cfg.MaxFailures)
				}
				if err := e.submitDates(cmd, f, s, o, &cfg); err != nil {
					return err
				}
				return e.backfill(ctx, m, p, cfg)
			}
			if cfg.DryRun {
				return work(cmd.Context(), m)
			}
			return m.watch(cmd.Context(), work)
		},
	}
	f.bindBackfill(cmd, &cfg)
	o.bind(cmd, s)
	cmd.Flags().IntVar(&o.shards, "shards", 1, "`COUNT` of the tasks that each date is cut into, with --engine")
	e.bindJSON(cmd, "print the record of the backfill on standard output")
	return cmd
}

// bindBackfill binds the flags of a backfill.
func (f *jobFlags) bindBackfill(cmd *cobra.Command, cfg *backfill.Config) {
	flags := cmd.Flags()
	flags.StringVar(&cfg.Since, "since", "", "first `DATE`, as 2026-01-31, 2026-01-31T23, 2026-01 or '7 days ago'")
	flags.StringVar(&cfg.Until, "until", "", "`DATE` after the last one (default: the one that now is in, so that only what is over is run)")
	flags.StringVar(&cfg.Only, "only", backfill.OnlyMissing, "which dates: missing, failed, stale or all")
	flags.IntVar(&cfg.Parallel, "parallel", 1, "run `N` dates at once, over the same workers and within the same limits")
	flags.IntVar(&cfg.MaxFailures, "max-failures", 0, "let `N` dates fail and begin no more: no more than may still fail run at once (default: go on)")
	flags.BoolVar(&cfg.NewestFirst, "newest-first", false, "begin with the last date")
	flags.BoolVar(&cfg.DryRun, "dry-run", false, "say what would be run and how it would end, and run nothing")
	f.bindInput(cmd)
	f.bindScorer(cmd)
	f.bindOutput(cmd)
	f.bindBounds(cmd)
	f.bindMetrics(cmd)
}

// submitDates has an engine make the parts of all dates, where --engine says so.
func (e *env) submitDates(cmd *cobra.Command, f *jobFlags, s *shardFlags, o *submitFlags, cfg *backfill.Config) error {
	if o.engine == "" {
		for _, flag := range []string{"shards", "at-once", "rounds", "every", "balance"} {
			if cmd.Flags().Changed(flag) {
				return usagef("--%s is given without --engine: without it the workers of this machine score all dates", flag)
			}
		}
		return nil
	}
	switch {
	case f.rescore:
		return usagef("--engine and --rescore exclude each other: shards replace no parts; run the backfill with --rescore and without --engine")
	case f.prune:
		return usagef("--engine and --prune exclude each other: plans that were fixed prune nothing; run the backfill with --prune and without --engine, once the dates are done")
	}
	if err := o.check(); err != nil {
		return err
	}
	if err := s.applySubmit(cmd, &cfg.Run); err != nil {
		return err
	}
	submission, err := e.submitConfig(cmd, cfg.Run, o)
	cfg.Submit = &submission
	return err
}

// backfill runs a job for many dates and prints what came out.
func (e *env) backfill(ctx context.Context, m *monitor, p backfillPrinter, cfg backfill.Config) error {
	b, err := backfill.New(cfg)
	if err != nil {
		return err
	}
	// The command that continues means the same, on whatever day.
	if cfg.Since != b.Since {
		e.args = append(slices.Clone(e.args), "--since", b.Since)
	}
	if cfg.Until != b.Until {
		e.args = append(slices.Clone(e.args), "--until", b.Until)
	}
	if !cfg.DryRun {
		if err := m.serve(ctx, func() pipeline.Reading { return b.Progress().Reading }, b.Run.CheckDatesHeld); err != nil {
			return err
		}
	}
	if cfg.Submit == nil { // the deadline is that of each task
		var stop func()
		ctx, stop = run.Within(ctx, cfg.Run.Job)
		defer stop()
	} else if cfg.DryRun {
		scripts, err := b.Scripts(ctx)
		return run.FirstFailure(ctx, e.log, err, e.printScripts(scripts))
	}
	var seen progressOf
	if b.Submit != nil {
		b.Submit.Seen = seen.set
	}
	ended, err := b.Execute(ctx, backfill.Options{
		Run:       run.Options{Wrap: m.traces.Scorer, Begin: m.traces.Shard},
		Held:      func() { m.pinger.Start(ctx) },
		Connected: m.connected,
		BeginDate: func(ctx context.Context, date string) (context.Context, func(error)) {
			ctx, end := m.traces.Command(ctx, "run", "graphscore.date", date)
			return ctx, func(err error) { end(run.ExitCode(err), err) }
		},
		Show: func(ctx context.Context, of int, work func(context.Context) error) error {
			if b.Submit != nil {
				return e.showSubmit(ctx, &seen, of, work)
			}
			return e.showBackfill(ctx, b.Progress, of, work)
		},
	})
	if !ended.Begun {
		return err
	}
	m.figures = func(l *observe.LastRun) { m.lastBackfill(ctx, l, b.Run.Job, &ended) }
	m.summarize = func(w io.Writer) error { return printBackfill(w, &ended.Record) }
	return run.FirstFailure(ctx, e.log, err, p.ended(&ended, err))
}
