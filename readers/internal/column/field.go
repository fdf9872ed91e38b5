package column

import "graphscore/pipeline/graph"

// Field is a column as the schema of a file has it.
type Field struct {
	Name  string
	Type  string // as users write it
	Depth int    // of lists
	Leaf  Leaf
	Place int // its number in the file
	Hint
}

// Hint is what a type says beyond the lists and values that it is stored as.
type Hint struct {
	// Pairs: the inner lists have two values each by their type, and the outer ones any number.
	Pairs bool
	// TwoLists: the outer lists have two elements each by their type, and the inner ones any number.
	TwoLists bool
	// UUID: the values are 16 bytes that are a UUID.
	UUID bool
	// Fixed: the values are as many bytes each, of which the type does not say what they are.
	Fixed bool
	// Tensor: a part of the type is a tensor of a fixed shape.
	Tensor bool
	// Rows and Width are the shape of a tensor of two dimensions that each row of the file has, stored as one list.
	// They are 0 for other types.
	Rows, Width int
}

// tensor says whether each row is a tensor of two dimensions.
func (h Hint) tensor() bool { return h.Rows > 0 }

// fits says whether a column can have a role.
func (f Field) fits(r graph.InputColumn) bool {
	if f.Leaf == LeafNull {
		return f.Depth <= depthOf(r)
	}
	switch r {
	case graph.InputGraphID:
		return f.Depth == 0 && (f.Leaf.Integer() || f.Leaf.Bytes())
	case graph.InputFeatures, graph.InputEdgeAttr:
		return (f.listed() || f.Depth == 1) && f.Leaf.Number() || f.Depth == 0 && f.Leaf == LeafBinary && !f.UUID
	case graph.InputGraphAttr:
		return f.Depth <= 2 && f.Leaf.Number() && (!f.tensor() || f.Rows == 1) || f.Depth == 0 && f.Leaf == LeafBinary && !f.UUID
	case graph.InputEdgeType:
		return (f.Depth == 1 || f.Depth == 2) && f.Leaf.Count() && !f.tensor()
	case graph.InputEdges:
		return f.listed() && f.Leaf.Integer() && (!f.tensor() || f.Rows == 2 || f.Width == 2)
	case graph.InputSource, graph.InputTarget:
		return f.Depth == 1 && f.Leaf.Integer() && !f.tensor()
	case graph.InputWeights:
		return f.Depth >= 1 && f.Leaf.Number()
	case graph.InputNumNodes:
		return f.Depth == 0 && f.Leaf.Count()
	case graph.InputNodeIDs:
		return f.Depth == 1 && (f.Leaf.Integer() || f.Leaf.Bytes()) && !f.tensor()
	}
	return false
}

// listed says whether each row is a list of lists, or a tensor of two dimensions.
func (f Field) listed() bool { return f.Depth == 2 || f.Depth == 1 && f.tensor() }

// depthOf is how deep the lists of a role are at most.
func depthOf(r graph.InputColumn) int {
	switch r {
	case graph.InputGraphID, graph.InputNumNodes:
		return 0
	case graph.InputFeatures, graph.InputEdges, graph.InputWeights, graph.InputEdgeAttr, graph.InputEdgeType, graph.InputGraphAttr:
		return 2
	}
	return 1
}

// MaxDepth is how deep structs, lists and schemas may be nested.
const MaxDepth = 64
