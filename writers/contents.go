package writers

import "graphscore/pipeline/graph"

// Contents says what the parts of a run hold. It is known later than the folder: a run locks its output first
// and then asks what scores.
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

// Describe sets what the parts hold. It must come before Reconcile and Create, once.
func (o *Output) Describe(c Contents) error {
	o.cfg.Settings, o.cfg.GraphIDs, o.cfg.NodeIDs = c.Settings, c.GraphIDs, c.NodeIDs
	o.cfg.Outputs, o.cfg.Rescore = c.Outputs, c.Rescore
	o.cfg.blockRows = blockRowsFor(len(c.Outputs))
	return o.cfg.Validate()
}
