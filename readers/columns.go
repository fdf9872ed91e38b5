package readers

import (
	"graphscore/pipeline/graph"
	"graphscore/readers/internal/column"
)

// Column describes a column of a file for people.
type Column struct {
	// Name and Type are those of the file, Type in the words of Arrow: list<list<float>>.
	Name, Type string
	// Role is what the column is read for, a key of `columns:` in the job, or empty: it is ignored.
	Role string
}

func describe(fields []column.Field, b column.Binding) []Column {
	columns := make([]Column, len(fields))
	for i, f := range fields {
		columns[i] = Column{Name: f.Name, Type: f.Type}
		for r := range graph.NumInputColumns {
			if b[r] == i {
				columns[i].Role = r.String()
			}
		}
	}
	return columns
}
