package graph

import (
	"errors"
	"fmt"
	"slices"
)

// The columns of a part that come before those of the outputs.
const (
	GraphIDColumn = "graph_id"
	NodeIDColumn  = "node_id"
	// SourceColumn and TargetColumn name the ends of an edge, as the input names nodes.
	SourceColumn = "source"
	TargetColumn = "target"
)

// IDColumns returns the names of the columns that say what a row of scores at a level belongs to, in their order.
func IDColumns(l Level) []string {
	switch l {
	case EdgeLevel:
		return []string{GraphIDColumn, SourceColumn, TargetColumn}
	case GraphLevel:
		return []string{GraphIDColumn}
	default:
		return []string{GraphIDColumn, NodeIDColumn}
	}
}

// Model describes what scores: as a model folder, a server or a worker describes itself.
type Model struct {
	// Name is the model's own.
	Name string
	// Digest is different for different models, empty where it is not known.
	Digest string
	// InFeatures is the number of features of a node, 0 where it is not known.
	InFeatures int
	// Level is what a score belongs to.
	Level Level
	// Inputs are the columns that the model reads beside features and edges.
	Inputs Inputs
	// Outputs are the names of the scores, in the order of their columns.
	Outputs []string
	// Steps are those of the model, in their order; NoSteps says why there are none. Both are empty where what scores cannot
	// say.
	Steps   []Step
	NoSteps string
	// Embedding is the step whose values come beside the scores, the zero value for none: see [Model.Embed].
	Embedding Step
	// MaxMessageBytes is the largest message that every server takes, 0 where it is not known or there is no server.
	MaxMessageBytes int64
	// Engine, Versions and BLAS say what computes, as far as it is known.
	Engine   string
	Versions map[string]string
	BLAS     string
}

// Validate names the first field that no run can work with. The engine and the largest message may be unknown.
func (m *Model) Validate() error {
	if m.Digest == "" {
		return errors.New("digest is empty")
	}
	if m.InFeatures < 1 {
		return fmt.Errorf("in_features is %d", m.InFeatures)
	}
	if len(m.Outputs) == 0 {
		return errors.New("outputs is empty")
	}
	if i := BadOutput(m.Level, m.Outputs); i >= 0 {
		return fmt.Errorf("outputs has the name %q, which is empty, given twice or that of an id column", m.Outputs[i])
	}
	return nil
}

// BadOutput returns the index of the first output name that no part of a level can have as a column: it is empty, the
// name of an earlier output or that of an id column. It returns -1 where every name can be used.
func BadOutput(l Level, names []string) int {
	taken := IDColumns(l)
	for i, name := range names {
		if name == "" || slices.Contains(taken, name) || slices.Contains(names[:i], name) {
			return i
		}
	}
	return -1
}
