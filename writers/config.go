package writers

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"time"

	"graphscore/pipeline/graph"
)

// Config says where scores go and what they look like. Dir must be set, and what the parts hold here or by
// [Output.Describe]; every other zero value means its default.
type Config struct {
	// Dir is the output folder. It is created where it is not there.
	Dir string
	// Settings go into the ledger of every part.
	Settings Settings
	// GraphIDs and NodeIDs are the types of the id columns.
	GraphIDs, NodeIDs graph.IDKind
	// Outputs are the names of the score columns, in the order of the scores.
	Outputs []string
	// Rescore redoes parts that do not match instead of refusing them.
	Rescore bool
	// RunID names this run in the lock; by default [NewRunID] makes one.
	RunID string
	// Version is that of graphscore, for the lock.
	Version string
	// Now is the clock, by default time.Now. It never reaches a part or a quarantine file.
	Now func() time.Time
	// Log takes what the user should know but nothing fails for; by default nothing is logged.
	Log *slog.Logger

	// blockRows and groupBytes replace the constants of the same meaning, for tests with few rows.
	blockRows, groupBytes int
	// disk wraps the disk, for tests.
	disk func(disk) disk
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
		c.RunID = NewRunID(c.Now(), rand.Reader)
	}
	if c.blockRows == 0 {
		c.blockRows = blockRowsFor(len(c.Outputs))
	}
	if c.groupBytes == 0 {
		c.groupBytes = groupBytes
	}
	if c.disk == nil {
		c.disk = func(d disk) disk { return d }
	}
	return c
}

// Validate names the field that is wrong. A config without outputs is one that [Output.Describe] completes.
func (c Config) Validate() error {
	if c.Dir == "" {
		return errors.New("the output folder (Dir) is empty")
	}
	if len(c.Outputs) == 0 {
		return nil
	}
	return c.described()
}
