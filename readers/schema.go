package readers

import (
	"fmt"
	"strings"
)

// role is what a column is for.
type role uint8

const (
	roleFeatures role = iota
	roleEdges
	roleSource
	roleTarget
	roleWeights
	roleNumNodes
	roleGraphID
	roleNodeIDs
	roles
)

// roleNames are the keys of `columns:` in the job.
var roleNames = [roles]string{"features", "edges", "source", "target", "weights", "num_nodes", "graph_id", "node_ids"}

// usualNames are looked for, in order, where nothing is mapped.
var usualNames = [roles][]string{
	{"node_feat", "x"}, {"edge_index"}, {"source"}, {"target"}, {"edge_weight"}, {"num_nodes"}, {"graph_id"}, {"node_ids"},
}

// wanted says what the type of a column must be.
var wanted = [roles]string{
	"list<list<number>> or binary (float32, little-endian)", "list<list<integer>>", "list<integer>", "list<integer>",
	"list<number>", "an integer", "a string or an integer", "list<string> or list<integer>",
}

// field is a column as the schema of a file has it.
type field struct {
	name  string
	typ   string // as users write it
	depth int    // of lists
	leaf  leaf
	place int // its number in the file
}

// fits says whether a column can have a role.
func (f field) fits(r role) bool {
	switch r {
	case roleGraphID:
		return f.depth == 0 && (f.leaf.integer() || f.leaf.bytes())
	case roleFeatures:
		return f.depth == 2 && f.leaf.number() || f.depth == 0 && f.leaf == leafBinary
	case roleEdges:
		return f.depth == 2 && f.leaf.integer()
	case roleSource, roleTarget:
		return f.depth == 1 && f.leaf.integer()
	case roleWeights:
		return f.depth == 1 && f.leaf.number()
	case roleNumNodes:
		return f.depth == 0 && f.leaf.integer()
	case roleNodeIDs:
		return f.depth == 1 && (f.leaf.integer() || f.leaf.bytes())
	}
	return false
}

// binding says which column has which role: a place in the fields, or -1.
type binding [roles]int

// bind finds the columns that are needed among those of a file.
func bind(c Columns, fields []field) (binding, error) {
	mapped := [roles]string{c.Features, c.Edges, c.Source, c.Target, c.Weights, c.NumNodes, c.GraphID, c.NodeIDs}
	var b binding
	for r := range roles {
		names := usualNames[r]
		if mapped[r] != "" {
			names = []string{mapped[r]}
		}
		for _, name := range names {
			var err error
			if b[r], err = lookUp(fields, name); err != nil {
				return b, err
			}
			if b[r] >= 0 {
				break
			}
		}
		if b[r] < 0 && mapped[r] != "" {
			return b, missing(fields, r, mapped[r])
		}
	}
	if mapped[roleSource] != "" || mapped[roleTarget] != "" {
		b[roleEdges] = -1
	}
	if b[roleEdges] >= 0 {
		b[roleSource], b[roleTarget] = -1, -1
	}
	return b, b.check(fields)
}

// lookUp gives the place of a column, -1 where there is none.
func lookUp(fields []field, name string) (int, error) {
	at := -1
	for i, f := range fields {
		if f.name != name {
			continue
		}
		if at >= 0 {
			return -1, unusable("rename one of them", "there are two columns %q", name)
		}
		at = i
	}
	return at, nil
}

func (b binding) check(fields []field) error {
	if b[roleFeatures] < 0 {
		return missing(fields, roleFeatures, strings.Join(usualNames[roleFeatures], " or "))
	}
	if b[roleEdges] < 0 {
		for _, r := range []role{roleSource, roleTarget} {
			switch {
			case b[roleSource] < 0 && b[roleTarget] < 0:
				return missing(fields, roleEdges, "edge_index (nor source and target)")
			case b[r] < 0:
				return missing(fields, r, usualNames[r][0])
			}
		}
	}
	for r := range roles {
		if b[r] < 0 {
			continue
		}
		if f := fields[b[r]]; !f.fits(r) {
			return unusable("rewrite the column, or "+tellMap, "column %q for %s has type %s, not %s",
				f.name, roleNames[r], f.typ, wanted[r])
		}
	}
	return nil
}

func missing(fields []field, r role, name string) error {
	const most = 20
	names := make([]string, 0, len(fields))
	for i, f := range fields {
		if i == most {
			names = append(names, fmt.Sprintf("and %d more", len(fields)-most))
			break
		}
		names = append(names, printable(f.name))
	}
	has := "it has no columns"
	if len(names) > 0 {
		has = "it has " + strings.Join(names, ", ")
	}
	return unusable(tellMap, "there is no column %s for %s, %s", name, roleNames[r], has)
}

// Column describes a column of a file for people.
type Column struct {
	// Name and Type are those of the file, Type in the words of Arrow: list<list<float>>.
	Name, Type string
	// Role is what the column is read for, a key of `columns:` in the job, or empty: it is ignored.
	Role string
}

func describe(fields []field, b binding) []Column {
	columns := make([]Column, len(fields))
	for i, f := range fields {
		columns[i] = Column{Name: f.name, Type: f.typ}
		for r := range roles {
			if b[r] == i {
				columns[i].Role = roleNames[r]
			}
		}
	}
	return columns
}
