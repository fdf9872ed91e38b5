package cli

import (
	"math"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"graphscore/jobs/backfill"
	"graphscore/jobs/run"
	"graphscore/pipeline/graph"
)

// complete is what a shell offers where a value is due.
type complete = cobra.CompletionFunc

// completions says what shells offer for the values of flags: words that are fixed, or folders. Files come from the
// shell where the usage names a path or a file; nothing is offered for the rest, such as numbers and addresses.
func completions() map[string]complete {
	words := func(words ...string) complete {
		return cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)
	}
	var columns []string
	for _, key := range graph.InputColumnKeys() {
		columns = append(columns, key+"=")
	}
	var codes []string
	for _, code := range graph.Codes() {
		codes = append(codes, string(code))
	}
	return map[string]complete{
		"balance":    words(run.BalanceNumber, run.BalanceBytes),
		"code":       words(codes...),
		"column":     cobra.FixedCompletions(columns, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveNoSpace),
		"format":     words("text", "json"),
		"log-format": words("auto", "text", "json"),
		"only":       words(backfill.OnlyMissing, backfill.OnlyFailed, backfill.OnlyStale, backfill.OnlyAll),
		"protocol":   words("native", "gcn"),
	}
}

// completeCommands makes every command below root complete its flags and its arguments.
func completeCommands(root *cobra.Command) {
	known := completions()
	for _, cmd := range append(root.Commands(), root) {
		cmd.NonInheritedFlags().VisitAll(func(flag *pflag.Flag) {
			_ = cmd.RegisterFlagCompletionFunc(flag.Name, completeFlag(cmd, flag, known)) // fails for a second one only
		})
		cmd.ValidArgsFunction = completeArguments(cmd)
	}
}

func completeFlag(cmd *cobra.Command, flag *pflag.Flag, known map[string]complete) complete {
	if flag.Name == "format" && cmd.Name() == "report" {
		return cobra.FixedCompletions([]string{"html", "json", "text"}, cobra.ShellCompDirectiveNoFileComp)
	}
	if fixed, ok := known[flag.Name]; ok {
		return fixed
	}
	switch what, _ := pflag.UnquoteUsage(flag); {
	case what == "DIR" && flag.Name != "metrics-textfile": // which may be a file as well
		return cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)
	case what == "DATE": // most are not words
		return cobra.FixedCompletions([]string{"today", "yesterday"}, cobra.ShellCompDirectiveNoFileComp)
	case what == "DIR", what == "FILE", flag.Name == "input", flag.Name == "python":
		return cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault)
	default:
		return cobra.NoFileCompletions
	}
}

// completeArguments offers what the use line of a command names, as often as it does: a job file, folders, or any files.
func completeArguments(cmd *cobra.Command) complete {
	if cmd.ValidArgsFunction != nil || cmd.HasSubCommands() {
		return cmd.ValidArgsFunction
	}
	_, arguments, _ := strings.Cut(cmd.Use, " ")
	most, words, what := 1, []string(nil), cobra.ShellCompDirectiveDefault
	switch {
	case arguments == "":
		most = 0
	case arguments == "PATH...":
		most = math.MaxInt
	case arguments == "OLD NEW":
		most, what = 2, cobra.ShellCompDirectiveFilterDirs
	case strings.HasPrefix(arguments, "[JOB.yaml]"):
		words, what = []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
	}
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return words, what
	}
}
