package record

import "graphscore/pipeline/graph"

// ColumnNames returns the names of Run.ColumnsRead in the order in which users see columns.
func ColumnNames(read map[string][]string) []string {
	var names []string
	for _, key := range graph.InputColumnKeys() {
		names = append(names, read[key]...)
	}
	return names
}
