package readers

import (
	"iter"
	"slices"

	"graphscore/pipeline/graph"
	"graphscore/readers/internal/column"
)

// Wanted is what a model reads of the graphs of an input.
type Wanted struct {
	// Width is the number of features of a node, 0 where it is not known: then no graph with nodes is taken.
	Width int
	// Inputs are the columns that are read beside features, edges, ids and counts. Others are neither read nor looked at.
	graph.Inputs
	// EdgeRows: batches say which edge of the input each of theirs is, as scores of edges need.
	EdgeRows bool
}

// further are the columns that only some models read.
var further = [...]graph.InputColumn{graph.InputEdgeAttr, graph.InputEdgeType, graph.InputGraphAttr}

// needed says why a file cannot be read for a model: it lacks a column that the model reads, or has one of another type.
// It is nil where the file can be, as one whose edge weights are turned off: all are 1. Of the fields it needs names and
// types.
func needed(in graph.Inputs, b *column.Binding, names graph.ColumnNames, fields func() []column.Field) error {
	for _, r := range further {
		if in.Need(r) && b[r] < 0 {
			return column.Needed(names, fields(), r)
		}
	}
	if r := graph.InputWeights; in.Need(r) && b[r] < 0 && !names.Off(r) {
		return column.Needed(names, fields(), r)
	}
	return nil
}

// Lacking yields the files that can be planned but not read for a model, as Open would refuse their shards, and why.
func (p *Plan) Lacking(in graph.Inputs) iter.Seq2[*File, *FileError] {
	return func(yield func(*File, *FileError) bool) {
		for _, f := range p.Files {
			if err := needed(in, &f.binding, p.cfg.Columns, f.fields); err != nil && !yield(f, fileError(f.Path, -1, err)) {
				return
			}
		}
	}
}

// fields are the columns of a file, with their names and types alone.
func (f *File) fields() []column.Field {
	fields := make([]column.Field, len(f.Columns))
	for i, c := range f.Columns {
		fields[i] = column.Field{Name: c.Name, Type: c.Type}
	}
	return fields
}

// ColumnsRead returns the names of the columns that are read for a model, in the order of the files, by the keys of
// graph.InputColumn.
func (p *Plan) ColumnsRead(in graph.Inputs) map[string][]string {
	read := map[string][]string{}
	for _, f := range p.Files {
		for r, at := range f.binding.Of(in) {
			if at < 0 {
				continue
			}
			key, name := graph.InputColumn(r).String(), f.Columns[at].Name
			if !slices.Contains(read[key], name) {
				read[key] = append(read[key], name)
			}
		}
	}
	return read
}

// Reads reports whether the column with a name is read for a model.
func (f *File) Reads(in graph.Inputs, name string) bool {
	return slices.ContainsFunc(f.bound(in), func(at int) bool { return at >= 0 && f.Columns[at].Name == name })
}

func (f *File) bound(in graph.Inputs) []int {
	b := f.binding.Of(in)
	return b[:]
}

// names are the names of the columns of a file by what they are bound to.
func (f *File) names() (names graph.ColumnNames) {
	for r, at := range f.binding {
		if at >= 0 {
			names[r] = f.Columns[at].Name
		}
	}
	return names
}
