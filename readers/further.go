package readers

import (
	"fmt"
	"math"
	"strconv"

	"graphscore/pipeline/graph"
	"graphscore/readers/internal/column"
)

// furtherScratch is memory of a rowReader for further columns. What is in it is valid until the next row.
type furtherScratch struct {
	edges, graph []float32 // for features that are stored as bytes or integers
	types        []uint32
}

// room returns n values of memory that is used again.
func room[T any](scratch *[]T, n int) []T {
	if cap(*scratch) < n {
		*scratch = make([]T, n)
	}
	*scratch = (*scratch)[:n]
	return *scratch
}

// floats returns the values of a column from first to end-1, in scratch where the file has integers, and the place of the
// first one, counted from first, that float32 may not hold, or -1.
func floats(c *column.Column, first, end int, scratch *[]float32) (values []float32, bad int) {
	if c.Floats != nil {
		return c.Floats.Values[first:end], -1
	}
	stored := c.Ints.Values[first:end]
	values = room(scratch, len(stored))
	if bad = graph.ExactInts(values, stored); c.Field.Leaf != column.LeafUint64 {
		return values, bad
	}
	for i, v := range stored {
		if v < 0 && (bad < 0 || i < bad) { // more than int64 holds
			return values, i
		}
	}
	return values, bad
}

// fail notes what is wrong with the values of the row, where nothing was before.
func (r *rowReader) fail(code graph.Code, format string, args ...any) {
	if r.row.Code == "" {
		r.row.Code, r.row.Message = code, fmt.Sprintf(format, args...)
	}
}

// inexact notes an integer at a place of a column that float32 may not hold: a feature of something with a number.
func (r *rowReader) inexact(c *column.Column, at, feature int, of string, number int) {
	if r.row.Code == "" {
		r.fail(graph.CategoryOutOfRange, "feature %d of %s %d is %s in %s: float32, as which features are scored, holds every integer "+
			"from -%d to %d only", feature, of, number, appendInt(nil, c, at), c.Field.Name, graph.MaxExactInt, graph.MaxExactInt)
	}
}

// readFurther reads the columns that only some models read. What is wrong with their values is noted in the row.
func (r *rowReader) readFurther(i int) (graph.Code, string) {
	for _, role := range further {
		c := r.by[role]
		if c == nil {
			continue
		}
		if code, message := null(c, i); code != "" {
			return code, message
		}
		switch role {
		case graph.InputEdgeAttr:
			r.readEdgeFeatures(c, i)
		case graph.InputEdgeType:
			r.readEdgeTypes(c, i)
		default:
			r.readGraphFeatures(c, i)
		}
	}
	return "", ""
}

// readEdgeFeatures reads features of edges, whose ends were read.
func (r *rowReader) readEdgeFeatures(c *column.Column, i int) {
	if c.Texts != nil {
		r.readEdgeBytes(c, i)
		return
	}
	from, to := c.Span(i)
	r.row.FeaturedEdges = to - from
	first, end, width := from, from, r.want.EdgeWidth
	switch rows := c.Field.Rows; {
	case rows > 0:
		if r.row.FeaturedEdges = rows; to-from != rows*c.Field.Width {
			r.fail(graph.EdgeFeatureWidth, "%s has %d values, not %d x %d", c.Field.Name, to-from, rows, c.Field.Width)
			break
		}
		first, end, width = from, to, c.Field.Width
	case from < to:
		first, end, width = rowsOf(c, from, to)
	}
	var bad int
	r.row.EdgeWidth = width
	note(&r.met.edge, width)
	if r.row.EdgeFeatures, bad = floats(c, first, end, &r.more.edges); bad >= 0 && width > 0 {
		r.inexact(c, first+bad, bad%width, "edge", bad/width)
	}
}

// readEdgeBytes reads features of edges that are the bytes of float32, of the width that the model wants.
func (r *rowReader) readEdgeBytes(c *column.Column, i int) {
	b, edges, width := r.bytes(c, i), len(r.row.Sources), r.want.EdgeWidth
	r.row.FeaturedEdges, r.row.EdgeWidth = edges, width
	size, values := int64(len(b)), int64(edges)*int64(width)
	switch {
	case size == 4*values:
		r.row.EdgeFeatures = decoded(b, &r.more.edges)
	case edges == 0:
		r.fail(graph.MalformedEdges, "%s has %d bytes for no edge", c.Field.Name, size)
	default:
		r.fail(graph.EdgeFeatureWidth, "%s has %d bytes, which are not %d float32 for each of %d edges%s", c.Field.Name, size, width, edges,
			suspect(size, values))
	}
}

// readEdgeTypes reads a type for each edge.
func (r *rowReader) readEdgeTypes(c *column.Column, i int) {
	from, to, code, message := oneEach(c, i)
	if code != "" {
		r.row.EdgeTypes = room(&r.more.types, len(r.row.Sources)) // what is said is of their values, not of their number
		r.fail(code, "%s", message)
		return
	}
	r.row.EdgeTypes = room(&r.more.types, to-from)
	for k := range r.row.EdgeTypes {
		n, text := c.Count(from + k)
		category, is := graph.CategoryOf(n)
		if r.row.EdgeTypes[k] = category; is && text == "" {
			continue
		}
		if text == "" {
			text = strconv.FormatInt(n, 10)
		}
		if v := float(c, from+k); math.IsNaN(v) || math.IsInf(v, 0) {
			code = graph.NonFiniteFeature
		} else {
			code = graph.CategoryOutOfRange
		}
		r.fail(code, "%s of edge %d is %s, not a whole number from 0 to %d", c.Field.Name, k, text, uint32(math.MaxUint32))
		return
	}
}

// float is value i of a column of integers that are floats in the file, 0 for others.
func float(c *column.Column, i int) float64 {
	if !c.Field.Leaf.Float() {
		return 0
	}
	return math.Float64frombits(uint64(c.Ints.Values[i]))
}

// readGraphFeatures reads features of the graph: a list, a number, a list of one list, or bytes.
func (r *rowReader) readGraphFeatures(c *column.Column, i int) {
	want := r.want.GraphWidth
	if c.Texts != nil {
		b := r.bytes(c, i)
		if len(b) == 4*want {
			r.row.GraphFeatures = decoded(b, &r.more.graph)
			return
		}
		r.badGraph(graph.GraphFeatureWidth, "%s has %d bytes, which are not %d float32%s", c.Field.Name, len(b), want,
			suspect(int64(len(b)), int64(want)))
		return
	}
	first, end := c.Span(i)
	if c.Field.Depth == 2 {
		if end-first != 1 {
			r.badGraph(graph.GraphFeatureWidth, "%s has %d lists, not 1", c.Field.Name, end-first)
			return
		}
		first, end = c.List(first)
	}
	var bad int
	note(&r.met.graph, end-first)
	if r.row.GraphFeatures, bad = floats(c, first, end, &r.more.graph); bad >= 0 {
		r.fail(graph.CategoryOutOfRange, "feature %d of the graph is %s in %s: float32, as which features are scored, holds every integer "+
			"from -%d to %d only", bad, appendInt(nil, c, first+bad), c.Field.Name, graph.MaxExactInt, graph.MaxExactInt)
	}
}

// badGraph notes what is wrong with the features of the graph, of which there are as many as the model wants for the rest.
func (r *rowReader) badGraph(code graph.Code, format string, args ...any) {
	r.row.GraphFeatures = room(&r.more.graph, r.want.GraphWidth)
	clear(r.row.GraphFeatures)
	r.fail(code, format, args...)
}
