package column

import (
	"fmt"
	"strings"
)

// Role is what a column is for.
type Role uint8

const (
	RoleFeatures Role = iota
	RoleEdges
	RoleSource
	RoleTarget
	RoleWeights
	RoleNumNodes
	RoleGraphID
	RoleNodeIDs
	Roles
)

// RoleNames are the keys of `columns:` in the job.
var RoleNames = [Roles]string{"features", "edges", "source", "target", "weights", "num_nodes", "graph_id", "node_ids"}

// usualNames are looked for, in order, where nothing is mapped.
var usualNames = [Roles][]string{
	{"node_feat", "x"}, {"edge_index"}, {"source"}, {"target"}, {"edge_weight"}, {"num_nodes"}, {"graph_id"}, {"node_ids"},
}

// wanted says what the type of a column must be.
var wanted = [Roles]string{
	"list<list<number>> or binary (float32, little-endian)", "list<list<integer>>", "list<integer>", "list<integer>",
	"list<number>", "an integer", "a string or an integer", "list<string> or list<integer>",
}

// Binding says which column has which role: a place in the fields, or -1.
type Binding [Roles]int

// Bind finds the columns that are needed among those of a file. mapped has the names that the user gave.
func Bind(mapped [Roles]string, fields []Field) (Binding, error) {
	var b Binding
	for r := range Roles {
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
	if mapped[RoleSource] != "" || mapped[RoleTarget] != "" {
		b[RoleEdges] = -1
	}
	if b[RoleEdges] >= 0 {
		b[RoleSource], b[RoleTarget] = -1, -1
	}
	return b, b.check(fields)
}

// lookUp gives the place of a column, -1 where there is none.
func lookUp(fields []Field, name string) (int, error) {
	at := -1
	for i, f := range fields {
		if f.Name != name {
			continue
		}
		if at >= 0 {
			return -1, Unsupported("rename one of them", "there are two columns %q", name)
		}
		at = i
	}
	return at, nil
}

func (b Binding) check(fields []Field) error {
	if b[RoleFeatures] < 0 {
		return missing(fields, RoleFeatures, strings.Join(usualNames[RoleFeatures], " or "))
	}
	if b[RoleEdges] < 0 {
		for _, r := range []Role{RoleSource, RoleTarget} {
			switch {
			case b[RoleSource] < 0 && b[RoleTarget] < 0:
				return missing(fields, RoleEdges, "edge_index (nor source and target)")
			case b[r] < 0:
				return missing(fields, r, usualNames[r][0])
			}
		}
	}
	for r := range Roles {
		if b[r] < 0 {
			continue
		}
		if f := fields[b[r]]; !f.fits(r) {
			return Unsupported("rewrite the column, or "+hintColumns, "column %q for %s has type %s, not %s",
				f.Name, RoleNames[r], f.Type, wanted[r])
		}
	}
	return nil
}

func missing(fields []Field, r Role, name string) error {
	const most = 20
	names := make([]string, 0, len(fields))
	for i, f := range fields {
		if i == most {
			names = append(names, fmt.Sprintf("and %d more", len(fields)-most))
			break
		}
		names = append(names, Printable(f.Name))
	}
	has := "it has no columns"
	if len(names) > 0 {
		has = "it has " + strings.Join(names, ", ")
	}
	return Unsupported(hintColumns, "there is no column %s for %s, %s", name, RoleNames[r], has)
}
