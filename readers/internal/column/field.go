package column

import "graphscore/pipeline/graph"

// Field is a column as the schema of a file has it.
type Field struct {
	Name  string
	Type  string // as users write it
	Depth int    // of lists
	Leaf  Leaf
	Place int // its number in the file
}

// fits says whether a column can have a role.
func (f Field) fits(r graph.InputColumn) bool {
	switch r {
	case graph.InputGraphID:
		return f.Depth == 0 && (f.Leaf.Integer() || f.Leaf.Bytes())
	case graph.InputFeatures:
		return f.Depth == 2 && f.Leaf.Number() || f.Depth == 0 && f.Leaf == LeafBinary
	case graph.InputEdges:
		return f.Depth == 2 && f.Leaf.Integer()
	case graph.InputSource, graph.InputTarget:
		return f.Depth == 1 && f.Leaf.Integer()
	case graph.InputWeights:
		return f.Depth == 1 && f.Leaf.Number()
	case graph.InputNumNodes:
		return f.Depth == 0 && f.Leaf.Count()
	case graph.InputNodeIDs:
		return f.Depth == 1 && (f.Leaf.Integer() || f.Leaf.Bytes())
	}
	return false
}

// MaxDepth is how deep structs, lists and schemas may be nested.
const MaxDepth = 64
