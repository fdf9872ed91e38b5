package column

// Field is a column as the schema of a file has it.
type Field struct {
	Name  string
	Type  string // as users write it
	Depth int    // of lists
	Leaf  Leaf
	Place int // its number in the file
}

// fits says whether a column can have a role.
func (f Field) fits(r Role) bool {
	switch r {
	case RoleGraphID:
		return f.Depth == 0 && (f.Leaf.Integer() || f.Leaf.Bytes())
	case RoleFeatures:
		return f.Depth == 2 && f.Leaf.Number() || f.Depth == 0 && f.Leaf == LeafBinary
	case RoleEdges:
		return f.Depth == 2 && f.Leaf.Integer()
	case RoleSource, RoleTarget:
		return f.Depth == 1 && f.Leaf.Integer()
	case RoleWeights:
		return f.Depth == 1 && f.Leaf.Number()
	case RoleNumNodes:
		return f.Depth == 0 && f.Leaf.Integer()
	case RoleNodeIDs:
		return f.Depth == 1 && (f.Leaf.Integer() || f.Leaf.Bytes())
	}
	return false
}

// MaxDepth is how deep structs, lists and schemas may be nested.
const MaxDepth = 64
