package cli

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"graphscore/jobs/run"
)

// versionObject is what version prints with --json.
type versionObject struct {
	ending
	Version string `json:"version"`
	Go      string `json:"go"`
	Arrow   string `json:"arrow"`
	GRPC    string `json:"grpc"`
}

func (e *env) versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of graphscore and of what it is built with",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			v := versionObject{Version: run.BuildVersion(), Go: runtime.Version(), Arrow: run.ModuleVersion(run.ArrowModule), GRPC: run.ModuleVersion(run.GRPCModule)}
			if e.asJSON {
				e.answer = func(end ending) any { v.ending = end; return v }
				return nil
			}
			_, err := fmt.Fprintf(e.stdout, "graphscore %s\ngo %s\narrow %s\ngrpc %s\n", v.Version, v.Go, v.Arrow, v.GRPC)
			return err
		},
	}
	e.bindJSON(cmd, "print the versions as one JSON object on standard output")
	return cmd
}
