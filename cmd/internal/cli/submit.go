package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"graphscore/jobs/run"
	"graphscore/jobs/submit"
	"graphscore/pipeline/display"
)

// submitFlags are those of submit alone.
type submitFlags struct {
	engine string
	shards int
	atOnce int
	rounds int
	dryRun bool
	every  time.Duration
}

func (e *env) submitCommand() *cobra.Command {
	f, s, o := &jobFlags{}, &shardFlags{}, &submitFlags{}
	p := runPrinter{env: e}
	cmd := &cobra.Command{
		Use:   "submit JOB.yaml --engine slurm --shards N",
		Short: "Run the shards of a job as an array job, and end the output",
		Long: "Submit plans the job once, submits the shards that lack parts as an array job of\n" +
			"Slurm, follows them, submits again those that failed for a reason that may pass,\n" +
			"and ends the output as finish does, with its code. Shards that failed for good\n" +
			"are named with the last line of their log. Plan, scripts, logs and the ids of\n" +
			"the array jobs are in _runs of the output. When submit dies, the tasks go on:\n" +
			"the same command follows them, and submits nothing twice. Ctrl-C cancels them.\n" +
			"Options of sbatch are under submit.slurm in the job." + watchHelp,
		Example: "  graphscore submit job.yaml --engine slurm --shards 100\n" +
			"  graphscore submit job.yaml --engine slurm --shards 600 --at-once 50 --rounds 5\n" +
			"  graphscore submit nightly.yaml --date 2026-01-31 --engine slurm --shards 20 --dry-run",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(); err != nil {
				return err
			}
			config := func() (submit.Config, error) { return e.submission(cmd, args, f, s, o) }
			if o.dryRun {
				return e.submitDry(cmd.Context(), config)
			}
			return e.monitor("run").watch(cmd.Context(), func(ctx context.Context, m *monitor) error {
				m.series = series{none: f.apart(), ownOutput: f.ownOutput}
				return e.submit(ctx, m, p, config)
			})
		},
	}
	flags := cmd.Flags()
	o.bind(cmd, s)
	flags.IntVar(&o.shards, "shards", 0, "`COUNT` of the tasks that the job is cut into")
	flags.BoolVar(&o.dryRun, "dry-run", false, "print the scripts that would be submitted, and submit nothing")
	f.bindInput(cmd)
	f.bindScorer(cmd)
	flags.StringVar(&f.output, "output", "", "`DIR` of the scores")
	flags.StringVar(&f.most, "max-quarantined", "", "end with 4 where more than `N` graphs, or a share such as 0.1%, are in quarantine")
	f.bindDate(cmd)
	f.bindMetrics(cmd)
	e.bindJSON(cmd, "print the joint record on standard output")
	return cmd
}

// bind binds what says how shards are submitted.
func (o *submitFlags) bind(cmd *cobra.Command, s *shardFlags) {
	flags := cmd.Flags()
	flags.StringVar(&o.engine, "engine", "", "what runs the array job: `slurm`")
	flags.IntVar(&o.atOnce, "at-once", 0, "run at most `N` tasks of an array at once (default: what the cluster allows)")
	flags.IntVar(&o.rounds, "rounds", 3, "submit shards that failed for a reason that may pass up to `N` times again")
	flags.DurationVar(&o.every, "every", 5*time.Second, "how often squeue is asked")
	flags.StringVar(&s.balance, "balance", run.BalanceNumber, "what is shared out evenly: the number of parts, or the bytes of their input")
}

func (o *submitFlags) check() error {
	switch {
	case o.engine == "":
		return usagef("--engine is missing: give --engine slurm; for other engines see run --shard and jobs/deploy")
	case o.engine != "slurm":
		return usagef("--engine is %q: it must be slurm; for other engines see run --shard and jobs/deploy", o.engine)
	case o.shards < 1:
		return usagef("--shards is %d: give the number of tasks that the job is cut into, at least 1", o.shards)
	case o.atOnce < 0:
		return usagef("--at-once is %d: it must be at least 1", o.atOnce)
	case o.rounds < 0:
		return usagef("--rounds is %d: it must be at least 0", o.rounds)
	case o.every < time.Second/10:
		return usagef("--every is %v: it must be at least 100ms", o.every)
	}
	return nil
}

// submission is what the command line asks for.
func (e *env) submission(cmd *cobra.Command, args []string, f *jobFlags, s *shardFlags, o *submitFlags) (submit.Config, error) {
	c, err := e.dated(f, cmd, args)
	if err != nil {
		return submit.Config{Run: c}, err
	}
	if err := s.applySubmit(cmd, &c); err != nil {
		return submit.Config{Run: c}, err
	}
	c.ID = run.NewID(e.start)
	cfg, err := e.submitConfig(cmd, c, o)
	if c.Date != "" {
		cfg.Words = append(cfg.Words, "--date="+c.Date)
	}
	return cfg, err
}

// submitConfig is how the shards of a job are submitted.
func (e *env) submitConfig(cmd *cobra.Command, c run.Config, o *submitFlags) (submit.Config, error) {
	binary, err := os.Executable()
	if err != nil {
		return submit.Config{Run: c}, fmt.Errorf("finding this program, which the tasks run: %w", err)
	}
	words := []string{binary, "run"}
	for _, path := range cmd.Flags().Args() {
		words = append(words, run.Absolute(path))
	}
	words = append(words, repeated(cmd, []string{
		"engine", "shards", "at-once", "rounds", "dry-run", "every", "date", "json", "metrics", "metrics-textfile", "pushgateway", "quiet", "log-format",
		"since", "until", "only", "newest-first", "parallel", "max-failures",
	})...)
	dir, err := os.Getwd()
	if err != nil {
		return submit.Config{Run: c}, fmt.Errorf("finding the folder in which the tasks run: %w", err)
	}
	return submit.Config{
		Dir: dir, Run: c, EngineName: o.engine, Shards: o.shards, Rounds: o.rounds, Every: o.every, Pause: 2 * o.every, Words: words, Line: e.args,
		Engine: &submit.Slurm{Options: c.Job.Submit.Slurm, AtOnce: o.atOnce},
	}, nil
}

// submitDry prints what would be submitted.
func (e *env) submitDry(ctx context.Context, config func() (submit.Config, error)) error {
	cfg, err := config()
	if err != nil {
		return err
	}
	scripts, err := submit.DryRun(ctx, cfg)
	if err != nil {
		return err
	}
	return e.printScripts(scripts)
}

// printScripts prints what would be submitted.
func (e *env) printScripts(scripts []submit.Script) error {
	type script struct {
		Name    string `json:"name"`
		Content string `json:"content"`
	}
	all := make([]script, 0, len(scripts))
	for _, s := range scripts {
		all = append(all, script{s.Name, string(s.Content)})
		if !e.asJSON {
			if _, err := fmt.Fprintf(e.stdout, "# %s.sh\n%s\n", s.Name, s.Content); err != nil {
				return err
			}
		}
	}
	if len(scripts) == 0 {
		e.say(slog.LevelInfo, "all parts exist: nothing would be submitted")
	}
	e.answer = func(end ending) any {
		return struct {
			ending
			Scripts []script `json:"scripts"`
		}{end, all}
	}
	return nil
}

// submit submits, follows and finishes.
func (e *env) submit(ctx context.Context, m *monitor, p runPrinter, config func() (submit.Config, error)) error {
	cfg, err := config()
	if err != nil {
		return err
	}
	m.of(cfg.Run.Job)
	cfg.Run.ID = m.id
	var seen progressOf
	cfg.Seen = seen.set
	var ended submit.Result
	err = e.showSubmit(ctx, &seen, cfg.Shards, func(ctx context.Context) (err error) {
		ended, err = submit.Run(ctx, cfg)
		return err
	})
	if err != nil {
		return err
	}
	for _, failed := range ended.Record.Failed {
		e.say(slog.LevelWarn, submit.Describe(failed), "shard", failed.Shard, "exit_code", failed.ExitCode, "node", failed.Node, "log", failed.Log)
	}
	p.missing = p.sayUnsubmitted
	return e.run(ctx, m, p, func() (run.Config, error) { return ended.Finish, nil })
}

// sayUnsubmitted says which parts do not exist, and that the same command submits just these.
func (p runPrinter) sayUnsubmitted(r *run.Ended) {
	if len(r.Missing) == 0 && len(r.Tasks) == 0 {
		return
	}
	what := "parts of refused files do not exist"
	if n := len(r.Missing); n > 0 {
		what = fmt.Sprintf("%s not there: %s", display.Plural(int64(n), "part"), firstParts(r.Missing))
	}
	command := display.ShellWords(append([]string{"graphscore"}, p.args...))
	p.say(slog.LevelWarn, what+"; once that is mended, "+command+" submits just these", "missing", len(r.Missing), "commands", []string{command})
}

// repeated are the flags that a command line was given, as another command takes them, but for those of own.
func repeated(cmd *cobra.Command, own []string) (words []string) {
	cmd.Flags().Visit(func(flag *pflag.Flag) {
		if slices.Contains(own, flag.Name) {
			return
		}
		for _, value := range values(flag) {
			words = append(words, "--"+flag.Name+value)
		}
	})
	return words
}
