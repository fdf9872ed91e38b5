package run

import "runtime/debug"

// The modules whose versions records and `graphscore version` name.
const (
	ArrowModule = "github.com/apache/arrow/go/v15"
	GRPCModule  = "google.golang.org/grpc"
)

// BuildVersion is the version of this build: that of the module, else the commit.
func BuildVersion() string {
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

// ModuleVersion is the version of a library in this build, "" for a test binary that lacks it.
func ModuleVersion(path string) string {
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
