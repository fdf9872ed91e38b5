package graph_test

import (
	"maps"
	"slices"
	"testing"

	"graphscore/pipeline/graph"
)

// TestInputColumns: every column is in the list once, with all that it needs, and names come back as they were set.
func TestInputColumns(t *testing.T) {
	t.Parallel()
	var names graph.ColumnNames
	want := map[string]string{}
	columns := graph.InputColumns()
	for c := range graph.NumInputColumns {
		if !slices.Contains(columns, c) {
			t.Fatalf("column %d is not in the list", c)
		}
		if c.String() == "" || len(c.Names()) == 0 || c.Type() == "" {
			t.Errorf("column %d lacks its key, names or type", c)
		}
		if want[c.String()] = "my " + c.String(); !names.Set(c.String(), want[c.String()]) {
			t.Errorf("%s is not found", c)
		}
		if names[c] != want[c.String()] {
			t.Errorf("%s is named %q", c, names[c])
		}
	}
	if len(want) != int(graph.NumInputColumns) || !maps.Equal(names.Map(), want) || graph.ColumnNamesOf(want) != names {
		t.Errorf("set %v, got %v", want, names.Map())
	}
	for i, key := range graph.InputColumnKeys() {
		if key != columns[i].String() {
			t.Errorf("key %d is %s, not %s", i, key, columns[i])
		}
	}
	if names.Set("colour", "red") {
		t.Error("a key that no column has is set")
	}
	empty := graph.ColumnNamesOf(map[string]string{"colour": "red", "features": ""})
	if m := empty.Map(); m == nil || len(m) != 0 {
		t.Errorf("names that are not set: %v", m)
	}
}
