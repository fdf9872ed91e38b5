package readers

import (
	"fmt"
	"sync/atomic"

	"graphscore/pipeline/graph"
	"graphscore/readers/internal/column"
)

// edgeForm is what the graphs of a file that were read say of how their edges are stored, where the type does not.
// Many goroutines use it.
type edgeForm struct{ seen atomic.Uint32 }

const (
	twoEdges  = 1 // a graph of two lists of two values: edges either way
	twoLists  = 2 // a graph that can only be sources and targets
	somePairs = 4 // a graph that can only be pairs
	// pairsHint is what to do about pairs of which the type says nothing.
	pairsHint = "write one list of sources and one of targets, or the type fixed_size_list<integer>[2] for pairs"
)

func (e *edgeForm) saw(what uint32) {
	if e.seen.Load()&what == 0 {
		e.seen.Or(what)
	}
}

// Undecided returns the files of which every graph with edges that was read has two lists of two values: nothing in
// them says whether these are sources and targets, as which they are read, or pairs. It is for after reading.
func (p *Plan) Undecided() []*File {
	var files []*File
	for _, f := range p.Files {
		if f.edges.seen.Load() == twoEdges {
			files = append(files, f)
		}
	}
	return files
}

// readIndex reads edges of one column that are there.
func (r *rowReader) readIndex(c *column.Column, i int) (graph.Code, string) {
	from, to := c.Span(i)
	switch {
	case from == to:
		return "", ""
	case c.Field.Rows > 0:
		return r.readEdgeTensor(c, from, to)
	case c.Field.Pairs:
		return r.readPairs(c, from, to)
	case to-from == 2:
		first, middle := c.List(from)
		_, end := c.List(from + 1)
		r.row.Sources, r.row.Targets = c.Ints.Values[first:middle], c.Ints.Values[middle:end]
		switch n := middle - first; {
		case n != end-middle || c.Field.TwoLists:
		case n == 2:
			r.form.saw(twoEdges)
		default:
			r.form.saw(twoLists)
		}
		return "", ""
	case pairsOnly(c, from, to):
		r.form.saw(somePairs)
		r.err = column.Misread(pairsHint, "column %s has edges as pairs (row %d has %d lists of 2 values), where a graph of "+
			"two edges cannot be told from two lists of sources and targets", c.Field.Name, r.row.Row, to-from)
		return "", ""
	}
	return graph.MalformedEdges, fmt.Sprintf("%s has %d lists, not 2 (sources and targets)", c.Field.Name, to-from)
}

// pairsOnly says whether all inner lists have two values.
func pairsOnly(c *column.Column, from, to int) bool {
	for j := from; j < to; j++ {
		if a, b := c.List(j); b-a != 2 {
			return false
		}
	}
	return true
}

// readPairs reads edges of which the type says that they are pairs.
func (r *rowReader) readPairs(c *column.Column, from, to int) (graph.Code, string) {
	if !pairsOnly(c, from, to) {
		return graph.MalformedEdges, fmt.Sprintf("%s has an edge that is no pair", c.Field.Name)
	}
	first, _ := c.List(from)
	r.split(c.Ints.Values[first : first+2*(to-from)])
	return "", ""
}

// split takes pairs apart. The edges are valid until the next row.
func (r *rowReader) split(pairs []int64) {
	n := len(pairs) / 2
	if cap(r.pairs) < len(pairs) {
		r.pairs = make([]int64, len(pairs))
	}
	sources, targets := r.pairs[:n], r.pairs[n:2*n]
	for i := range n {
		sources[i], targets[i] = pairs[2*i], pairs[2*i+1]
	}
	r.row.Sources, r.row.Targets = sources, targets
}

// readEdgeTensor reads edges whose type is a tensor [2 x edges] or [edges x 2].
func (r *rowReader) readEdgeTensor(c *column.Column, from, to int) (graph.Code, string) {
	rows, width := c.Field.Rows, c.Field.Width
	values := c.Ints.Values[from:to]
	switch {
	case len(values) != rows*width:
		return graph.MalformedEdges, fmt.Sprintf("%s has %d values, not %d x %d", c.Field.Name, len(values), rows, width)
	case rows == 2:
		r.row.Sources, r.row.Targets = values[:width], values[width:]
	default:
		r.split(values)
	}
	return "", ""
}

// readTensor reads features whose type is a tensor [nodes x features].
func (r *rowReader) readTensor(c *column.Column, from, to int) (graph.Code, string) {
	rows, width := c.Field.Rows, c.Field.Width
	if r.row.Nodes = rows; to-from != rows*width {
		return graph.FeatureWidth, fmt.Sprintf("%s has %d values, not %d x %d", c.Field.Name, to-from, rows, width)
	}
	r.setFeatures(c, from, to, width)
	return "", ""
}

// readWeights reads one weight an edge, as a list or as lists of one value.
func (r *rowReader) readWeights(c *column.Column, i int) (graph.Code, string) {
	from, to, code, message := oneEach(c, i)
	r.row.Weights = c.Floats.Values[from:to]
	return code, message
}

// oneEach returns the place of the values of a row that has one for each edge, as a list or as lists of one value.
func oneEach(c *column.Column, i int) (from, to int, code graph.Code, message string) {
	from, to = c.Span(i)
	if c.Field.Depth < 2 || from == to {
		if c.Field.Depth == 2 {
			from, to = 0, 0
		}
		return from, to, "", ""
	}
	for j := from; j < to; j++ {
		if a, b := c.List(j); b-a != 1 {
			return 0, 0, graph.MalformedEdges, fmt.Sprintf("%s has %d values for edge %d, not 1", c.Field.Name, b-a, j-from)
		}
	}
	first, _ := c.List(from)
	return first, first + to - from, "", ""
}
