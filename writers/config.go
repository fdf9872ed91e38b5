package writers

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"time"

	"graphscore/writers/atomic"
	"graphscore/writers/part"
	"graphscore/writers/record"
)

// Config says which folder is the output, and who writes there. Dir must be set; every other zero value means its
// default.
type Config struct {
	// Dir is the output folder. It is created where it does not exist.
	Dir string
	// RunID names this run in the lock; by default [record.NewID] makes one.
	RunID string
	// Version is that of graphscore, for the lock.
	Version string
	// Now is the clock, by default time.Now. It never reaches a part or a quarantine file.
	Now func() time.Time
	// Log takes what the user should know but nothing fails for; by default nothing is logged.
	Log *slog.Logger

	// Disk returns the disk to use in the place of the real one, for tests. Default: the real one.
	Disk func(atomic.Disk) atomic.Disk

	// sizes are those of parts, for tests with few rows.
	sizes part.Sizes
}

// WithDefaults is a copy in which every field that was zero has its default.
func (c Config) WithDefaults() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.RunID == "" {
		c.RunID = record.NewID(c.Now(), rand.Reader)
	}
	return c
}

// Validate names the field that is wrong.
func (c Config) Validate() error {
	if c.Dir == "" {
		return errors.New("the output folder (Dir) is empty")
	}
	return nil
}

// Plan says what a run wants its output to hold.
type Plan struct {
	// Contents are those of every part.
	Contents part.Contents
	// Specs has one entry for each part.
	Specs []part.Spec
	// Beside are the other parts of a plan of which Specs has some: those that other processes make. They are not looked at.
	Beside []part.Spec
	// SpecsOnly looks at the parts of Specs and at nothing else in the output.
	SpecsOnly bool
	// Inputs has a key for every input that exists now, in the form of Spec.Input, planned or not.
	Inputs map[string]bool
	// Unseen are inputs, and folders of inputs, of which nobody can say whether they exist: what could not be read.
	// They have the form of Spec.Input; "." is every input. The parts of what is there are no orphans.
	Unseen []string
	// Absent are folders of inputs, in the same form, in which nothing was found at all. The parts of what was there
	// are orphans, which are not pruned: a disk may be missing.
	Absent []string
	// Incomplete says that a part of the input could not be read, so that nothing is pruned.
	Incomplete bool
	// OnOrphan says what becomes of parts whose input does not exist any more. The zero value is KeepOrphans.
	OnOrphan OnOrphan
	// Rescore redoes parts that do not match instead of refusing them.
	Rescore bool
	// Retry reports whether a part that matches, and of which graphs are in quarantine, is made again. An error ends
	// the comparison. Default: none is.
	Retry func(*part.Footer) (bool, error)
}
