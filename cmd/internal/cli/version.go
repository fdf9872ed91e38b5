package cli

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"graphscore/jobs/run"
)

func (e *env) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of graphscore and of what it is built with",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(e.stdout, "graphscore %s\ngo %s\narrow %s\ngrpc %s\n", run.BuildVersion(), runtime.Version(),
				run.ModuleVersion(run.ArrowModule), run.ModuleVersion(run.GRPCModule))
			return err
		},
	}
}
