// Package cli is the command line of graphscore: one file a command. It wires readers, scorers and writers
// together, and turns every error into one sentence and an exit code.
package cli

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"graphscore/jobs/run"
	"graphscore/pipeline/exit"
	"graphscore/pipeline/observe"
)

// env is what a command has of the world.
type env struct {
	stdout, stderr io.Writer
	start          time.Time // of the process, near enough
	now            func() time.Time
	args           []string // as given
	log            *slog.Logger
	limiter        *observe.Limiter // of log, nil before there is one
	logFormat      string
	quiet          bool
	voice          *slog.Logger     // of results with --log-format json, else nil: see say
	asJSON         bool             // the object on standard output, and nothing else there
	answer         func(ending) any // the object, nil for just the ending
	printed        bool             // the object
}

// Main runs one command and returns the exit code of the process.
func Main(args []string, stdout, stderr io.Writer) int {
	e := newEnv(args, stdout, stderr)
	run.RedirectGRPCLog(grpcErrors{e}) // of the process, so not in tests
	return e.main()
}

func newEnv(args []string, stdout, stderr io.Writer) *env {
	return &env{stdout: stdout, stderr: stderr, start: time.Now(), now: time.Now, args: args}
}

// main runs the command and returns the exit code of the process.
func (e *env) main() int {
	ctx, stop := withSignals(context.Background())
	defer stop()
	var unwritten error
	e.stdout, e.stderr = harmless{dropUnread(ctx, e.stdout), &unwritten}, harmless{to: dropUnread(ctx, e.stderr)}
	root := e.root()
	root.SetArgs(e.args)
	err := run.Stopped(ctx, root.ExecuteContext(ctx))
	if err != nil && e.log == nil {
		e.understood()
	}
	if err != nil || e.log != nil { // else help was asked for
		err = e.answered(ctx, err)
	}
	if err == nil {
		err = unwritten // a result that nobody got
	}
	if e.limiter != nil {
		_ = e.limiter.Flush(context.WithoutCancel(ctx)) // a log that cannot be written stops nothing
	}
	if err != nil {
		e.report(err)
	}
	return run.ExitCode(err)
}

func (e *env) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "graphscore",
		Short: "Score graphs in bulk: Parquet and Arrow in, scores of nodes, edges or graphs out",
		Long: "graphscore reads graphs from Parquet and Arrow files, scores their nodes, their\n" +
			"edges or themselves with a graph neural network in Python workers, and writes\n" +
			"the scores to Parquet.",
		Example:       "  graphscore run job.yaml\n  graphscore run --input graphs/ --model model/ --output scores/\n  graphscore inspect graphs/",
		SilenceErrors: true, SilenceUsage: true,
		PersistentPreRunE: func(cmd *cobra.Command, args []string) error {
			if err := e.openLog(); err != nil {
				return err
			}
			if slices.Contains(args, "") && cmd.Name() != cobra.ShellCompRequestCmd { // which completes an empty word
				return usagef("an argument of %s is empty, as of a variable that is not set: see %[1]s --help", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) > 0:
				return usagef("unknown command %q: see graphscore --help", args[0])
			case e.asJSON:
				return usagef("--json is that of a command: see graphscore --help")
			}
			return cmd.Help()
		},
		Args: cobra.ArbitraryArgs,
	}
	root.SetOut(e.stdout)
	root.SetErr(e.stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%v: see %s --help", err, cmd.CommandPath())
	})
	root.PersistentFlags().StringVar(&e.logFormat, "log-format", "auto", "logs as auto, text or json, which makes results lines of the log, too; auto is json beside results for people, on a terminal text and only warnings")
	root.PersistentFlags().BoolVarP(&e.quiet, "quiet", "q", false, "no progress, no summary; errors and what was not scored are still said")
	e.bindJSON(root, "")
	_ = root.Flags().MarkHidden("json") // beside a command that does not exist; fails only for a flag that does not exist
	root.AddCommand(e.runCommand(), e.finishCommand(), e.submitCommand(), e.statusCommand(), e.backfillCommand(), e.planCommand(), e.doctorCommand(), e.validateCommand(), e.inspectCommand(), e.diffCommand(), e.verifyCommand(), e.reportCommand(), e.quarantineCommand(), e.versionCommand())
	completeCommands(root)
	refuseUnknownShells(root)
	narrow := strings.NewReplacer("LocalFlags.FlagUsages", "LocalFlags.FlagUsagesWrapped 80",
		"InheritedFlags.FlagUsages", "InheritedFlags.FlagUsagesWrapped 80")
	root.SetUsageTemplate(narrow.Replace(root.UsageTemplate()) + exit.Help())
	return root
}

// refuseUnknownShells makes "completion csh" an error, where cobra prints help and is content.
func refuseUnknownShells(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() != "completion" {
			continue
		}
		c.Args, c.RunE = cobra.ArbitraryArgs, func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("no completion for %q: see %s --help", args[0], cmd.CommandPath())
			}
			return cmd.Help()
		}
	}
}

// openLog makes the logger once flags are known. On a terminal the bar and the summary show what happens: only
// warnings are logged there, unless a format was asked for.
func (e *env) openLog() error {
	format, level := e.logFormat, slog.LevelInfo
	if format == "auto" {
		format = formatJSON
		if isTerminal(e.stderr) {
			format, level = "text", slog.LevelWarn
		}
	}
	if e.quiet {
		level = slog.LevelError
	}
	if os.Getenv("GRAPHSCORE_DEBUG") != "" {
		level = slog.LevelDebug
	}
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: observe.WithUnits}
	switch format {
	case "text":
		e.limiter = observe.NewLimiter(slog.NewTextHandler(e.stderr, options))
	case formatJSON:
		e.limiter = observe.NewLimiter(slog.NewJSONHandler(e.stderr, options))
	default:
		return usagef("--log-format is %q: it must be auto, text or json", e.logFormat)
	}
	e.log = slog.New(e.limiter)
	if e.logFormat == formatJSON {
		e.openVoice()
	}
	return nil
}

// grpcErrors takes the lines that gRPC would write to stderr. What of them matters comes as the error of a call.
type grpcErrors struct{ *env }

func (g grpcErrors) Write(line []byte) (int, error) {
	if g.log != nil {
		g.log.Debug(strings.TrimSpace(string(line)))
	}
	return len(line), nil
}

// sameSignal is how long after a signal another one is the same: timeout(1) sends SIGTERM to the process and to its group.
const sameSignal = time.Second

// withSignals ends the context at the first SIGINT or SIGTERM, with a *run.SignalError as its cause; the second one,
// once sameSignal has passed, ends the process, as without us.
func withSignals(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	interrupted, freeInterrupt := signal.NotifyContext(parent, syscall.SIGINT)
	terminated, freeTerm := signal.NotifyContext(parent, syscall.SIGTERM)
	free := func() {
		freeInterrupt()
		freeTerm()
	}
	on := func(received context.Context, s syscall.Signal) (unregister func() bool) {
		return context.AfterFunc(received, func() {
			cancel(&run.SignalError{Signal: s}) // the first cause stays
			time.AfterFunc(sameSignal, free)
		})
	}
	ignoreInterrupt, ignoreTerm := on(interrupted, syscall.SIGINT), on(terminated, syscall.SIGTERM)
	return ctx, func() {
		ignoreInterrupt()
		ignoreTerm()
		free()
		cancel(nil)
	}
}
