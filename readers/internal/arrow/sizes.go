package arrow

import (
	"graphscore/pipeline/graph"
	"graphscore/readers/internal/column"
)

// sizes reads the lengths of the values of features and edges. What is invalid is for the reader to refuse.
func (a *File) sizes(m message, b column.Binding) (s column.Sizes) {
	unknown := column.Sizes{Features: -1, Edges: -1}
	err := column.Guard(func() error {
		t, err := a.readMeta(m)
		if err != nil {
			return err
		}
		rb, err := newRecordBatch(m, t)
		if err != nil {
			return err
		}
		s = column.Sizes{Features: a.leafLength(rb, b[graph.InputFeatures]), Edges: a.leafLength(rb, b[graph.InputTarget])}
		if b[graph.InputEdges] >= 0 {
			if s.Edges = a.leafLength(rb, b[graph.InputEdges]); s.Edges > 0 {
				s.Edges /= 2
			}
		}
		return nil
	})
	if err != nil {
		return unknown
	}
	return s
}

// leafLength is the number of values below the lists of a column, -1 where it has no lists, and where views or runs
// may take some of them more than once, or never.
func (a *File) leafLength(b *recordBatch, place int) int64 {
	if place < 0 || a.cols[place].Depth == 0 || !a.schema[place].inOrder() {
		return -1
	}
	length, _ := b.node(a.footprint(a.schema[:place], b).nodes + a.cols[place].Depth)
	return length
}
