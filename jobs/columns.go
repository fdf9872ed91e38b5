package jobs

import (
	"fmt"
	"reflect"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"graphscore/pipeline/graph"
)

// Columns names the columns of the input, in YAML as a mapping from graph.InputColumnKeys to names, graph.NoColumn for
// one that is not read.
type Columns struct{ graph.ColumnNames }

// UnmarshalYAML implements yaml.NodeUnmarshaler. It decodes a struct with a field for each column: so the library
// itself finds what is unknown, given twice or no text, and knows its line and column.
func (c *Columns) UnmarshalYAML(node ast.Node) error {
	if err := named(node); err != nil {
		return err
	}
	columns := graph.InputColumns()
	fields := make([]reflect.StructField, len(columns))
	for i, column := range columns {
		fields[i] = reflect.StructField{
			Name: fmt.Sprintf("Column%d", i),
			Type: reflect.TypeFor[string](),
			Tag:  reflect.StructTag(fmt.Sprintf("yaml:%q", column)),
		}
	}
	names := reflect.New(reflect.StructOf(fields))
	if err := yaml.NodeToValue(node, names.Interface(), yaml.Strict()); err != nil {
		return err
	}
	for i, column := range columns {
		c.ColumnNames[column] = names.Elem().Field(i).String()
	}
	return nil
}

// named refuses columns without a name, which the library would take for keys that are not there.
func named(node ast.Node) error {
	m, is := node.(ast.MapNode)
	if !is {
		return nil
	}
	for pairs := m.MapRange(); pairs.Next(); {
		if value := pairs.Value(); value.Type() == ast.NullType || text(value) == "" {
			return misplaced(pairs.KeyValue(), "the name of the column is empty: name it, or write none for an optional column that is not to be read")
		}
	}
	return nil
}
