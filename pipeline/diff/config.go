package diff

import (
	"errors"
	"fmt"
	"math"
	"os"

	"graphscore/pipeline/graph"
)

// Config says what to compare and how. Old and New must be set; every other zero value means its default.
type Config struct {
	// Old and New are output folders.
	Old, New string
	// Tolerance is the change of a score up to which it counts as equal. Default: none.
	Tolerance float64
	// Movers is how many of the largest changes are kept, and of other lists how many examples. Default 10.
	Movers int
	// Temp is where temporary files go, should some be needed. Default: the system's folder for them.
	Temp string

	// windowGraphs and windowBytes bound how far a stream is read ahead, pieceBytes what is joined in memory.
	windowGraphs int
	windowBytes  int
	pieceBytes   int64
}

// WithDefaults returns a copy with every unset field at its default.
func (c Config) WithDefaults() Config {
	if c.Movers == 0 {
		c.Movers = 10
	}
	if c.Temp == "" {
		c.Temp = os.TempDir()
	}
	if c.windowGraphs == 0 {
		c.windowGraphs = 4096
	}
	if c.windowBytes == 0 {
		c.windowBytes = 16 << 20
	}
	if c.pieceBytes == 0 {
		c.pieceBytes = 64 << 20
	}
	return c
}

// Validate names the field that is wrong.
func (c Config) Validate() error {
	switch {
	case c.Old == "" || c.New == "":
		return errors.New("diff: two output folders are needed (Old, New)")
	case c.Tolerance < 0 || math.IsNaN(c.Tolerance):
		return fmt.Errorf("diff: Tolerance is %g, it must be at least 0", c.Tolerance)
	case c.Movers < 0:
		return fmt.Errorf("diff: Movers is %d, it must be at least 0", c.Movers)
	}
	return nil
}

// OutputError is a folder that cannot be compared.
type OutputError struct{ Path, Reason string }

func (e *OutputError) Error() string { return fmt.Sprintf("the output %q: %s", e.Path, e.Reason) }

// LevelError is two outputs whose scores belong to different things.
type LevelError struct {
	Old, New           string
	OldLevel, NewLevel graph.Level
}

func (e *LevelError) Error() string {
	return fmt.Sprintf("the output %q has scores of %ss, %q of %ss: compare outputs of models of one level", e.New, e.NewLevel, e.Old, e.OldLevel)
}
