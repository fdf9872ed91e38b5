package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"graphscore/jobs/run"
)

// usagef is a command line that cannot be understood.
func usagef(format string, args ...any) error {
	return &run.UsageError{Message: fmt.Sprintf(format, args...)}
}

// noArgs refuses arguments.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no arguments, not %q: see %s --help", cmd.CommandPath(), args[0], cmd.CommandPath())
	}
	return nil
}
