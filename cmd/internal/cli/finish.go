package cli

import (
	"context"

	"github.com/spf13/cobra"

	"graphscore/jobs/run"
)

func (e *env) finishCommand() *cobra.Command {
	f, s := &jobFlags{}, &shardFlags{}
	p := runPrinter{env: e}
	cmd := &cobra.Command{
		Use:   "finish [JOB.yaml]",
		Short: "Check and end an output that several runs with --shard have filled",
		Long: "Finish scores nothing. It compares all parts with the plan, checks the gates of\n" +
			"the job, joins the records of the shards into one and writes _SUCCESS, as a run\n" +
			"that made all parts itself would have, and ends with its code. Where parts are\n" +
			"not there it ends with 3, and names the commands that make just these; while a\n" +
			"shard is at work it ends with 75." + watchHelp,
		Example: "  graphscore finish job.yaml\n" +
			"  graphscore finish job.yaml --plan plan.json\n" +
			"  graphscore finish nightly.yaml --date 2026-01-31 --shards 8",
		RunE: func(cmd *cobra.Command, args []string) error {
			p.missing = func(r *run.Ended) { p.sayMissing(cmd, r) }
			return e.monitor("run").watch(cmd.Context(), func(ctx context.Context, m *monitor) error {
				return e.run(ctx, m, p, func() (run.Config, error) {
					cfg, err := e.dated(f, cmd, args)
					m.series = series{none: f.apart(), ownOutput: f.ownOutput}
					if err != nil {
						return cfg, err
					}
					return cfg, s.applyFinish(cmd, &cfg)
				})
			})
		},
	}
	f.bindInput(cmd)
	f.bindModel(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.output, "output", "", "`DIR` of the scores")
	flags.BoolVar(&f.prune, "prune", false, "remove parts whose input is gone or was renamed, once all others exist")
	flags.StringVar(&f.most, "max-quarantined", "", "end with 4 where more than `N` graphs, or a share such as 0.1%, are in quarantine")
	f.bindDate(cmd)
	s.bindPlan(cmd)
	f.bindMetrics(cmd)
	e.bindJSON(cmd, "print the joint record on standard output")
	return cmd
}
