package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// buildVersion is the version of this build: that of the module, else the commit.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	version := info.Main.Version
	if version == "" || version == "(devel)" {
		version = "devel"
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				version += "-" + s.Value[:12]
			}
		}
	}
	return version
}

// moduleVersion is the version of a library in this build, "" for a test binary that lacks it.
func moduleVersion(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, m := range info.Deps {
		if m.Path == path {
			return m.Version
		}
	}
	return ""
}

func (e *env) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of graphscore and of what it is built with",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(e.stdout, "graphscore %s\ngo %s\narrow %s\ngrpc %s\n", buildVersion(), runtime.Version(),
				moduleVersion("github.com/apache/arrow/go/v15"), moduleVersion("google.golang.org/grpc"))
			return err
		},
	}
}
