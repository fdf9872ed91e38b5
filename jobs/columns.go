package jobs

import (
	"fmt"
	"reflect"

	"graphscore/pipeline/graph"
)

// Columns names the columns of the input, in YAML as a mapping from graph.InputColumnKeys to names.
type Columns struct{ graph.ColumnNames }

// UnmarshalYAML implements yaml.InterfaceUnmarshaler. It decodes a struct with a field for each column: so the
// library itself finds what is unknown, given twice or no text, and knows its line and column.
func (c *Columns) UnmarshalYAML(decode func(any) error) error {
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
	if err := decode(names.Interface()); err != nil {
		return err
	}
	for i, column := range columns {
		c.ColumnNames[column] = names.Elem().Field(i).String()
	}
	return nil
}
