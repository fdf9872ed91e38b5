package graph

import (
	"fmt"
	"strings"
)

// InputColumn is what a column of an input is read for.
type InputColumn uint8

// The columns of an input, in the order in which readers bind and decode them: features first, as their size says
// how many rows are decoded at once.
const (
	InputFeatures InputColumn = iota
	InputEdges
	InputSource
	InputTarget
	InputWeights
	InputEdgeAttr
	InputEdgeType
	InputGraphAttr
	InputNumNodes
	InputGraphID
	InputNodeIDs
	NumInputColumns
)

// inputColumns is the one list of them, in the order in which users see them. The keys of jobs, --column, the settings
// of a part and the configuration of readers follow it.
var inputColumns = [NumInputColumns]struct {
	column InputColumn
	key    string
	names  []string
	typ    string
}{
	{InputGraphID, "graph_id", []string{"graph_id"}, "a string or an integer"},
	{InputFeatures, "features", []string{"node_feat", "x"}, "list<list<number>>, list<number> or binary (float32, little-endian)"},
	{InputEdges, "edges", []string{"edge_index"}, "list<list<integer>>"},
	{InputSource, "source", []string{"source"}, "list<integer>"},
	{InputTarget, "target", []string{"target"}, "list<integer>"},
	{InputWeights, "weights", []string{"edge_weight"}, "list<number>"},
	{InputEdgeAttr, "edge_attr", []string{"edge_attr"}, "list<list<number>>, list<number> or binary (float32, little-endian)"},
	{InputEdgeType, "edge_type", []string{"edge_type"}, "list<integer>"},
	{InputGraphAttr, "graph_attr", []string{"graph_attr"}, "list<number>, a number or binary (float32, little-endian)"},
	{InputNumNodes, "num_nodes", []string{"num_nodes"}, "an integer"},
	{InputNodeIDs, "node_ids", []string{"node_ids"}, "list<string> or list<integer>"},
}

// InputColumns returns all columns in the order in which users see them.
func InputColumns() []InputColumn {
	columns := make([]InputColumn, len(inputColumns))
	for i, c := range inputColumns {
		columns[i] = c.column
	}
	return columns
}

// InputColumnKeys returns the keys of InputColumns, in their order.
func InputColumnKeys() []string {
	keys := make([]string, len(inputColumns))
	for i, c := range inputColumns {
		keys[i] = c.key
	}
	return keys
}

// String returns the key of the column in `columns:` of a job, in --column and in the settings of a part.
func (c InputColumn) String() string { return inputColumns[c.index()].key }

// Names returns the names that are looked for in a file, in order, where the user gave none. They must not be changed.
func (c InputColumn) Names() []string { return inputColumns[c.index()].names }

// Type says in words what the type of the column must be.
func (c InputColumn) Type() string { return inputColumns[c.index()].typ }

func (c InputColumn) index() int {
	for i := range inputColumns {
		if inputColumns[i].column == c {
			return i
		}
	}
	return len(inputColumns) // out of range: there is no such column
}

// NoColumn is the name that turns off a column that an input may lack: it is not read though it exists.
// A column that really has the name is written with a backslash before it, and so on.
const NoColumn = "none"

// Optional says whether an input may lack the column. One that [InputColumn.Further] reports may be lacked only where
// the model does not read it.
func (c InputColumn) Optional() bool {
	switch c {
	case InputWeights, InputNumNodes, InputGraphID, InputNodeIDs:
		return true
	}
	return c.Further()
}

// Further says whether only some models read the column, and need it: see [Inputs.Need].
func (c InputColumn) Further() bool {
	return c == InputEdgeAttr || c == InputEdgeType || c == InputGraphAttr
}

// ColumnNames are the names that the columns of an input have in its files, by InputColumn. "" means one of the usual
// names, NoColumn that the column is not read.
type ColumnNames [NumInputColumns]string

// ColumnNamesOf returns the names of a map by key. Other keys count for nothing.
func ColumnNamesOf(names map[string]string) ColumnNames {
	var c ColumnNames
	for key, name := range names {
		c.Set(key, name)
	}
	return c
}

// Set names the column with that key. It returns false where there is none.
func (c *ColumnNames) Set(key, name string) bool {
	for _, column := range inputColumns {
		if column.key == key {
			c[column.column] = name
			return true
		}
	}
	return false
}

// Off says whether a column is turned off.
func (c *ColumnNames) Off(column InputColumn) bool { return c[column] == NoColumn }

// Name returns the name that the user gave to a column, "" for one of the usual names or none.
func (c *ColumnNames) Name(column InputColumn) string {
	name := c[column]
	if bare := strings.TrimLeft(name, `\`); bare == NoColumn && len(name) > len(bare) {
		return name[1:]
	}
	if name == NoColumn {
		return ""
	}
	return name
}

// Check returns an error for a column that cannot be turned off and is.
func (c *ColumnNames) Check() error {
	for _, column := range inputColumns {
		if c.Off(column.column) && !column.column.Optional() {
			return fmt.Errorf(`%s cannot be none, as every graph needs it; name a column, one that is named none as \none`, column.key)
		}
	}
	return nil
}

// Map returns the names that are not empty, by key. It is never nil.
func (c *ColumnNames) Map() map[string]string {
	m := map[string]string{}
	for _, column := range inputColumns {
		if name := c[column.column]; name != "" {
			m[column.key] = name
		}
	}
	return m
}
