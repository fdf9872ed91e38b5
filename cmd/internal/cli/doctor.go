package cli

import (
	"github.com/spf13/cobra"

	"graphscore/jobs/preflight"
)

func (e *env) doctorCommand() *cobra.Command {
	f := &jobFlags{}
	var format string
	cmd := &cobra.Command{
		Use:   "doctor [JOB.yaml]",
		Short: "Check whether a run can work on this machine, and say what to do",
		Long: "Doctor checks one by one what a run needs: the job, rights, the lock, the\n" +
			"workers or servers, the model, the parts that exist, those gates that the input\n" +
			"alone decides, space, clock and memory.\n" +
			"It goes on where a check fails, scores nothing and changes nothing. It exits\n" +
			"with 0, or with the code that a run would end with.",
		Example: "  graphscore doctor job.yaml\n  graphscore doctor nightly.yaml --date 2026-01-31",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := e.checkFormat(cmd, &format); err != nil {
				return err
			}
			cfg, jobErr := e.dated(f, cmd, args)
			findings, err := preflight.Check(cmd.Context(), cfg, jobErr)
			if err != nil {
				return err
			}
			if err := e.printFindings(findings); err != nil {
				return err
			}
			return findings.Ends
		},
	}
	f.bindInput(cmd)
	f.bindScorer(cmd)
	f.bindOutput(cmd)
	f.bindBounds(cmd)
	f.bindDate(cmd)
	e.bindFormat(cmd, &format)
	return cmd
}
