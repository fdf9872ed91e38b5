package writers

import (
	"errors"
	"fmt"
	"slices"

	"graphscore/pipeline/graph"
)

// Contents says what the parts of a run hold. It may be known later than the folder: a run locks its output
// first and then asks what scores.
type Contents struct {
	// Settings go into the ledger of every part.
	Settings Settings
	// GraphIDs and NodeIDs are the types of the id columns.
	GraphIDs, NodeIDs graph.IDKind
	// Outputs are the names of the score columns, in the order of the scores.
	Outputs []string
	// Rescore redoes parts that do not match instead of refusing them.
	Rescore bool
}

// Describe sets what the parts hold, instead of the fields of Config with the same names. It must come before
// Reconcile and Create, and not while other methods run.
func (o *Output) Describe(c Contents) error {
	cfg := o.cfg
	cfg.Settings, cfg.GraphIDs, cfg.NodeIDs = c.Settings, c.GraphIDs, c.NodeIDs
	cfg.Outputs, cfg.Rescore = slices.Clone(c.Outputs), c.Rescore
	cfg.blockRows = blockRowsFor(len(c.Outputs))
	if err := cfg.described(); err != nil {
		return fmt.Errorf("describing the output %q: %w", cfg.Dir, err)
	}
	o.cfg = cfg
	return nil
}

// described says what is missing or wrong in what the parts hold.
func (c *Config) described() error {
	if len(c.Outputs) == 0 {
		return errors.New("the model has no outputs (Outputs)")
	}
	if i := graph.BadOutput(c.Outputs); i >= 0 {
		return fmt.Errorf("the output name %q (Outputs) is empty, taken or there twice", c.Outputs[i])
	}
	s := c.Settings
	if s.Outputs != nil && !slices.Equal(s.Outputs, c.Outputs) {
		return fmt.Errorf("the outputs %q differ from those of the settings, %q (Settings.Outputs)", c.Outputs, s.Outputs)
	}
	if s.GraphID != "" && s.GraphID != c.GraphIDs.String() {
		return fmt.Errorf("graph ids are %s, but %s in the settings (Settings.GraphID)", c.GraphIDs, s.GraphID)
	}
	if s.NodeID != "" && s.NodeID != c.NodeIDs.String() {
		return fmt.Errorf("node ids are %s, but %s in the settings (Settings.NodeID)", c.NodeIDs, s.NodeID)
	}
	return nil
}
