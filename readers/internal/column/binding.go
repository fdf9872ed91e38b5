package column

import (
	"fmt"
	"strings"

	"graphscore/pipeline/graph"
)

// Binding says which field is read for which column of the input: a place in the fields, or -1.
type Binding [graph.NumInputColumns]int

// Bind finds the columns of an input among those of a file. mapped has the names that the user gave. What is wrong with
// a column that only some models read is no error, and the column is not bound: see [Needed].
func Bind(mapped graph.ColumnNames, fields []Field) (Binding, error) {
	var b Binding
	for r := range graph.NumInputColumns {
		if b[r] = -1; mapped.Off(r) {
			continue
		}
		if r.Further() {
			b[r] = bindFurther(mapped, fields, r)
			continue
		}
		names, given := namesOf(mapped, r)
		for _, name := range names {
			var err error
			if b[r], err = lookUp(fields, name); err != nil {
				return b, err
			}
			if b[r] >= 0 {
				break
			}
		}
		if b[r] < 0 && given {
			return b, missing(fields, r, names[0])
		}
	}
	if mapped[graph.InputSource] != "" || mapped[graph.InputTarget] != "" {
		b[graph.InputEdges] = -1
	}
	if b[graph.InputEdges] >= 0 {
		b[graph.InputSource], b[graph.InputTarget] = -1, -1
	}
	return b, b.check(fields)
}

// namesOf returns the names that a column may have, and whether the user gave it.
func namesOf(mapped graph.ColumnNames, r graph.InputColumn) (names []string, given bool) {
	if name := mapped.Name(r); name != "" {
		return []string{name}, true
	}
	return r.Names(), false
}

// bindFurther returns the place of a column that only some models read, -1 where there is none that they can read.
func bindFurther(mapped graph.ColumnNames, fields []Field, r graph.InputColumn) int {
	names, _ := namesOf(mapped, r)
	at, err := lookUp(fields, names[0])
	if err != nil || at < 0 || !fields[at].fits(r) {
		return -1
	}
	return at
}

// Needed says why a column that a model needs is not bound. Of the fields it needs names and types.
func Needed(mapped graph.ColumnNames, fields []Field, r graph.InputColumn) error {
	names, _ := namesOf(mapped, r)
	at, err := lookUp(fields, names[0])
	switch {
	case mapped.Off(r):
		return Unsupported("name the column, or choose a model that does not", "%s is none, and the model reads it", r)
	case err != nil:
		return err
	case at < 0:
		return missing(fields, r, names[0])
	}
	return unfit(fields[at], r)
}

// Of returns the binding of the columns that a model reads.
func (b Binding) Of(in graph.Inputs) Binding {
	for r := range graph.NumInputColumns {
		if !in.Read(r) {
			b[r] = -1
		}
	}
	return b
}

// lookUp returns the place of a column, -1 where there is none.
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
	if b[graph.InputFeatures] < 0 {
		return missing(fields, graph.InputFeatures, strings.Join(graph.InputFeatures.Names(), " or "))
	}
	if b[graph.InputEdges] < 0 {
		for _, r := range []graph.InputColumn{graph.InputSource, graph.InputTarget} {
			switch {
			case b[graph.InputSource] < 0 && b[graph.InputTarget] < 0:
				return missing(fields, graph.InputEdges, "edge_index (nor source and target)")
			case b[r] < 0:
				return missing(fields, r, r.Names()[0])
			}
		}
	}
	for r := range graph.NumInputColumns {
		if b[r] < 0 {
			continue
		}
		if f := fields[b[r]]; !f.fits(r) {
			return unfit(f, r)
		}
	}
	return b.checkBytes(fields)
}

// unfit is the error of a column of a type that is not read for what it is bound to.
func unfit(f Field, r graph.InputColumn) error {
	return Unsupported("rewrite the column, or "+hintColumns, "column %q for %s has type %s, not %s", f.Name, r, f.Type, r.Type())
}

// checkBytes refuses features that are bytes where nothing in the file says of how many nodes they are: whatever
// bytes are of a length that fits would be scored.
func (b Binding) checkBytes(fields []Field) error {
	f := fields[b[graph.InputFeatures]]
	if !f.Leaf.Bytes() || b[graph.InputNumNodes] >= 0 || b[graph.InputNodeIDs] >= 0 {
		return nil
	}
	return Unsupported("add num_nodes or node_ids, or write list<list<float>>; "+hintColumns,
		"column %q for features is bytes, and no column num_nodes or node_ids says of how many nodes they are", f.Name)
}

func missing(fields []Field, r graph.InputColumn, name string) error {
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
	hint := hintColumns
	if r == graph.InputWeights {
		hint += hintWeights
	}
	return Unsupported(hint, "there is no column %s for %s, %s", name, r, has)
}
