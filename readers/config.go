package readers

import (
	"fmt"
	"io"
	"math"
	"strings"

	"graphscore/pipeline/graph"
)

// Input is one root to read.
type Input struct {
	// Name comes first in the paths of the parts. It is needed where there are several roots.
	Name string
	// Path is a file, a folder (with everything below it) or a glob, in which ** stands for any folders.
	Path string
	// Optional: nothing needs to exist at Path, as where a date may have no input. Its root is then Path itself. Without
	// Optional that is a *NotFoundError, unless Path is a glob.
	Optional bool
}

// IsGlob says whether a path has wildcards. A file may have such a name all the same: what exists is no glob.
func IsGlob(path string) bool { return strings.ContainsAny(path, "*?[{") }

// The kinds of fingerprints.
const (
	// FingerprintFast looks at size, first 64 KiB, and footer or last 64 KiB.
	FingerprintFast = "fast"
	// FingerprintFull looks at every byte.
	FingerprintFull = "full"
)

// Config says what to read and how. The zero value of each field means its default.
type Config struct {
	// Inputs are the roots, at least one.
	Inputs []Input
	// Columns has the names of the columns in the files. Empty means the usual names, see graph.InputColumn.
	Columns graph.ColumnNames
	// Layout is one of graph.Layouts: LayoutAuto (the default) and LayoutRows are the same until there is another layout.
	Layout string
	// Require is the name of a file that a folder has once its writer has finished, such as _SUCCESS: a folder without
	// it, and without it in a folder above up to the root, is an *UnfinishedError. Empty requires none.
	Require string
	// Fingerprint is FingerprintFast (the default) or FingerprintFull.
	Fingerprint string
	// ShardBytes is about how much of the stored bytes of the columns that most models read, uncompressed, makes a
	// shard: 256 MiB. What only some models read does not count, so that a file is in the same shards for all.
	ShardBytes int64
	// Limit stops after that many rows in the order of the plan. 0 means all.
	Limit int64
	// BatchBytes is about the most that a batch takes, as [graph.Batch.Bytes] counts, but for a graph that is larger: 2 MiB,
	// so that a batch is one request where those have the default size.
	BatchBytes int64
	// MaxRowBytes is the most that one graph, one page or one buffer may take: 512 MiB. Whatever claims more
	// is refused before anything is allocated for it.
	MaxRowBytes int64
	// File returns the content of a file to read in the place of the real one, for tests. Default: the real one.
	File func(path string, content io.ReaderAt) io.ReaderAt
}

// WithDefaults returns a copy with the defaults filled in.
func (c Config) WithDefaults() Config {
	if c.Layout == "" {
		c.Layout = graph.LayoutAuto
	}
	if c.Fingerprint == "" {
		c.Fingerprint = FingerprintFast
	}
	if c.ShardBytes == 0 {
		c.ShardBytes = 256 << 20
	}
	if c.BatchBytes == 0 {
		c.BatchBytes = 2 << 20
	}
	if c.MaxRowBytes == 0 {
		c.MaxRowBytes = 512 << 20
	}
	if c.File == nil {
		c.File = func(_ string, content io.ReaderAt) io.ReaderAt { return content }
	}
	return c
}

// Validate says which field is out of its range, as a *ConfigError. It wants defaults filled in.
func (c Config) Validate() error {
	if len(c.Inputs) == 0 {
		return &ConfigError{"input", "no path is given; name a file, a folder or a glob"}
	}
	for _, in := range c.Inputs {
		if in.Path == "" {
			return &ConfigError{"input", "a path is empty; name a file, a folder or a glob"}
		}
		if in.Name == "" {
			continue
		}
		if why := badElement(in.Name); why != "" || strings.Contains(in.Name, "/") || strings.ContainsAny(in.Name[:1], "_.") {
			return &ConfigError{"input.name", fmt.Sprintf("%q cannot be a folder's name; take letters and digits", in.Name)}
		}
	}
	if _, err := layoutOf(c.Layout); err != nil {
		return err
	}
	if c.Fingerprint != FingerprintFast && c.Fingerprint != FingerprintFull {
		return &ConfigError{"input.fingerprint", fmt.Sprintf("unknown fingerprint %q; use fast or full", c.Fingerprint)}
	}
	if n := c.Columns; n[graph.InputEdges] != "" && (n[graph.InputSource] != "" || n[graph.InputTarget] != "") {
		return &ConfigError{"input.columns", "edges and source or target are both given; use one way"}
	}
	if err := c.Columns.Check(); err != nil {
		return &ConfigError{"input.columns", err.Error()}
	}
	return c.validateSizes()
}

func (c Config) validateSizes() error {
	for _, f := range []struct {
		name       string
		value, min int64
	}{
		{"input.shard_bytes", c.ShardBytes, 1},
		{"limit", c.Limit, 0},
		{"input.batch_bytes", c.BatchBytes, 1},
		{"input.max_row_bytes", c.MaxRowBytes, 1 << 10},
	} {
		if f.value < f.min {
			return &ConfigError{f.name, fmt.Sprintf("%d is less than %d", f.value, f.min)}
		}
	}
	if c.MaxRowBytes > math.MaxInt32 {
		return &ConfigError{"input.max_row_bytes", fmt.Sprintf("%d is more than 2 GiB", c.MaxRowBytes)}
	}
	return nil
}
