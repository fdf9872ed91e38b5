package cli

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"graphscore/jobs"
	"graphscore/jobs/run"
	"graphscore/pipeline/display"
	"graphscore/writers/record"
)

// shardFlags are those of a command that works on an output which several processes fill at once.
type shardFlags struct {
	shard   string
	shards  int
	balance string
	plan    string
	ping    bool
}

// bindPlan binds what says how the parts are shared, also to who makes none of them.
func (s *shardFlags) bindPlan(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.IntVar(&s.shards, "shards", 0, "`COUNT` of the processes that fill the output (default: that of --shard, GRAPHSCORE_SHARDS or the engine)")
	flags.StringVar(&s.balance, "balance", run.BalanceNumber, "what is shared out evenly: the number of parts, or the bytes of their input")
	flags.StringVar(&s.plan, "plan", "", "take the plan in `FILE`, made by plan --out, instead of one from the files of now")
}

func (s *shardFlags) bind(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&s.shard, "shard", "", "make the parts of process `I/N` of an array job alone, I from 0; auto reads what Slurm, Kubernetes, AWS Batch, Cloud Run or GRAPHSCORE_SHARD say")
	s.bindPlan(cmd)
	flags.BoolVar(&s.ping, "ping", false, "ping for a single shard, too (default: only finish pings, and a run without --shard)")
}

// apply puts the flags over the configuration of a run. f are its others.
func (s *shardFlags) apply(cmd *cobra.Command, f *jobFlags, cfg *run.Config) error {
	if s.balance != run.BalanceNumber && s.balance != run.BalanceBytes {
		return usagef("--balance is %q: it must be number or bytes", s.balance)
	}
	cfg.Balance, cfg.PlanFile = s.balance, s.plan
	if s.shard == "" {
		for _, flag := range []string{"shards", "balance", "ping"} {
			if cmd.Flags().Changed(flag) {
				return usagef("--%s is given without --shard: a run without it makes all parts", flag)
			}
		}
		return nil
	}
	for _, other := range []struct {
		given        bool
		flag, remedy string
	}{
		{f.rescore, "--rescore", "a shard replaces no part: run with --rescore without --shard"},
		{f.retry, "--retry-quarantined", "a shard replaces no part: run with --retry-quarantined without --shard"},
		{f.prune, "--prune", "a shard removes no part: give --prune to finish"},
	} {
		if other.given {
			return usagef("--shard and %s exclude each other: %s", other.flag, other.remedy)
		}
	}
	task, err := run.ParseTask(s.shard, s.shards, os.Getenv)
	if err != nil {
		return err
	}
	cfg.Task = &task
	cfg.Job.Metrics = jobs.Metrics{} // of the job, which finish publishes
	return f.applyMetrics(&cfg.Job.Metrics)
}

// silent reports whether a run pings nobody.
func (s *shardFlags) silent() bool { return s.shard != "" && !s.ping }

// applyFinish puts the flags over the configuration of who finishes.
func (s *shardFlags) applyFinish(cmd *cobra.Command, cfg *run.Config) error {
	if s.balance != run.BalanceNumber && s.balance != run.BalanceBytes {
		return usagef("--balance is %q: it must be number or bytes", s.balance)
	}
	cfg.Finish, cfg.PlanFile, cfg.Count = true, s.plan, s.shards
	if cmd.Flags().Changed("balance") {
		cfg.Balance = s.balance
	}
	if text := os.Getenv(run.ShardsVariable); cfg.Count == 0 && text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return usagef("%s is %q: it must be the number of shards", run.ShardsVariable, text)
		}
		cfg.Count = n
	}
	if cfg.Count < 0 {
		return usagef("the number of shards is %d: it must be at least 1", cfg.Count)
	}
	return nil
}

// applySubmit is applyFinish for who submits the shards: nothing is finished yet, and their number is that of submit.
func (s *shardFlags) applySubmit(cmd *cobra.Command, cfg *run.Config) error {
	if err := s.applyFinish(cmd, cfg); err != nil {
		return err
	}
	cfg.Finish, cfg.Count, cfg.Balance = false, 0, s.balance
	return nil
}

// sayIdle says that nothing was to be done.
func (p runPrinter) sayIdle(task *record.Task, r *run.Ended) error {
	p.sayRefused("", r.Record.Refused)
	text := fmt.Sprintf("shard %s: its %s, nothing was done", task, existing(r.Record.Counts.ShardsSkipped))
	switch {
	case p.asJSON:
		p.answerRun(&r.Record)
	case p.voice != nil && !p.quiet:
		p.say(slog.LevelInfo, text)
	case !p.quiet:
		_, err := fmt.Fprintln(p.stdout, text)
		return err
	}
	return nil
}

func existing(parts int64) string {
	switch parts {
	case 0:
		return "number has no part of the plan"
	case 1:
		return "1 part exists"
	default:
		return humanize.Comma(parts) + " parts exist"
	}
}

// commandsNamed is how many commands are written out; of more, the indices are listed.
const commandsNamed = 3

// sayMissing says which parts do not exist, and which commands make just these.
func (p runPrinter) sayMissing(cmd *cobra.Command, r *run.Ended) {
	if len(r.Missing) == 0 && len(r.Tasks) == 0 {
		return
	}
	var remedy string
	switch n := len(r.Tasks); {
	case n == 0:
		remedy = runCommand(cmd, "", "")
	case n <= commandsNamed:
		commands := make([]string, n)
		for i, t := range r.Tasks {
			commands[i] = runCommand(cmd, t.String(), r.Balance)
		}
		remedy = strings.Join(commands, "; ")
	default:
		remedy = runCommand(cmd, fmt.Sprintf("I/%d", r.Tasks[0].Count), r.Balance) + ", where I is each of " + ranges(r.Tasks)
	}
	what := "parts of refused files do not exist"
	if n := len(r.Missing); n > 0 {
		what = fmt.Sprintf("%s not there: %s", display.Plural(int64(n), "part"), firstParts(r.Missing))
	}
	p.say(slog.LevelWarn, what+"; just that is made by "+remedy, "missing", len(r.Missing))
}

// ranges lists the indices of tasks.
func ranges(tasks []record.Task) string {
	indices := make([]int, len(tasks))
	for i, t := range tasks {
		indices[i] = t.Index
	}
	return display.Ranges(indices)
}

// runCommand is the command line of a shard of what finish finishes, "" for a run of all parts, with the flags of finish.
func runCommand(cmd *cobra.Command, shard, balance string) string {
	words := []string{"graphscore", "run"}
	own := []string{"shards", "shard", "balance", "json", "prune", "metrics", "metrics-textfile", "pushgateway", "quiet", "log-format"}
	words = append(words, cmd.Flags().Args()...)
	words = append(words, repeated(cmd, own)...)
	if shard != "" {
		words = append(words, "--shard", shard)
	}
	if balance == run.BalanceBytes {
		words = append(words, "--balance", balance)
	}
	return display.ShellWords(words)
}

// values are those that a flag was given, each as it follows the name.
func values(flag *pflag.Flag) []string {
	var given []string
	switch value := flag.Value.(type) {
	case pflag.SliceValue:
		given = slices.Clone(value.GetSlice()) // which is the flag itself
	default:
		given = []string{strings.Trim(flag.Value.String(), "[]")}
	}
	for i := range given {
		given[i] = "=" + given[i]
	}
	return given
}
