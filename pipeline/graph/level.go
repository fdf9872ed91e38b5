package graph

import "fmt"

// Level is what a score belongs to.
type Level uint8

// The levels of a model. The zero value is that of every model before there were others.
const (
	// NodeLevel: a row of scores a node.
	NodeLevel Level = iota
	// EdgeLevel: a row of scores an edge.
	EdgeLevel
	// GraphLevel: a row of scores a graph.
	GraphLevel
)

var levels = [...]string{NodeLevel: "node", EdgeLevel: "edge", GraphLevel: "graph"}

// String returns the name that config.json, GetModel, settings, footers and records use.
func (l Level) String() string { return levels[l] }

// ParseLevel returns the level with that name; "" is [NodeLevel].
func ParseLevel(name string) (Level, error) {
	if name == "" {
		return NodeLevel, nil
	}
	for l, n := range levels {
		if n == name {
			return Level(l), nil
		}
	}
	return NodeLevel, fmt.Errorf("level is %q, known are node, edge and graph", name)
}

// Inputs are the columns that a model reads beside the features of nodes and the edges themselves.
type Inputs struct {
	// EdgeWidth is the number of features of an edge, 0 where the model reads none.
	EdgeWidth int
	// EdgeTypes is the number of types that an edge can have, 0 where the model reads no types.
	EdgeTypes int
	// GraphWidth is the number of features of a graph, 0 where the model reads none.
	GraphWidth int
	// Weights: the model reads edge weights.
	Weights bool
	// NeedWeights: an input without edge weights is refused, unless its user turned them off, which makes each of them 1.
	// It is false for models of graphscore/1, where they may be absent, and wherever nothing describes the model.
	NeedWeights bool
}

// Need reports whether every input must have the column, as the model reads it. It is false for columns that inputs may
// lack whatever the model, and for those that all models read.
func (in Inputs) Need(c InputColumn) bool {
	switch c {
	case InputEdgeAttr:
		return in.EdgeWidth > 0
	case InputEdgeType:
		return in.EdgeTypes > 0
	case InputGraphAttr:
		return in.GraphWidth > 0
	case InputWeights:
		return in.NeedWeights
	}
	return false
}

// Read reports whether the column of an input that has it is read.
func (in Inputs) Read(c InputColumn) bool {
	if c == InputWeights {
		return in.Weights
	}
	return !c.Further() || in.Need(c)
}

// ScoreRows is the number of rows of scores that a batch has at a level. At level graph, one without nodes has a row as
// well, which means nothing.
func (b *Batch) ScoreRows(l Level) int {
	switch l {
	case EdgeLevel:
		return b.Edges()
	case GraphLevel:
		return b.Graphs()
	default:
		return b.Nodes()
	}
}

// ScoreRange returns the places of the rows of scores of graph g at a level. Those of edges are in the order of Sources.
func (b *Batch) ScoreRange(l Level, g int) (from, to int) {
	switch l {
	case EdgeLevel:
		return b.EdgeRange(g)
	case GraphLevel:
		return g, g + 1
	default:
		return b.NodeRange(g)
	}
}

// EdgeRow returns the place in the input of edge e of the batch, counted within its graph.
func (b *Batch) EdgeRow(e int) int { return int(b.EdgeRows[e]) }
