package readers

import (
	"fmt"
	"strconv"
	"unicode/utf8"

	"graphscore/pipeline/graph"
	"graphscore/readers/internal/column"
)

// rowReader makes graphs of the rows of decoded columns.
type rowReader struct {
	by       [graph.NumInputColumns]*column.Column
	builder  *graph.Builder
	rel      string
	want     int  // the width of features
	width    int  // the width of the first graph with nodes, 0 before it
	blind    bool // the width of a graph is unknown
	graphIDs graph.IDKind
	nodeIDs  graph.IDKind

	row   graph.Row
	named bool      // the row has an id
	id    []byte    // scratch
	ids   graph.IDs // scratch
	plain []float32 // scratch for binary features
}

func newRowReader(by [graph.NumInputColumns]*column.Column, b *graph.Builder, rel string, width int, graphIDs, nodeIDs graph.IDKind) rowReader {
	return rowReader{by: by, builder: b, rel: rel, want: width, graphIDs: graphIDs, nodeIDs: nodeIDs}
}

// take puts the first n rows of the columns into the batch. first is the place of the first one in the file.
func (r *rowReader) take(group int, first int64, n int) {
	r.grow(n)
	for i := range n {
		r.row = graph.Row{RowGroup: group, Row: first + int64(i), NumNodes: -1}
		code, message := r.read(i)
		if code == "" {
			r.builder.Add(&r.row)
			continue
		}
		r.builder.Reject(graph.Rejection{
			GraphID: r.graphID(), RowGroup: group, Row: r.row.Row, Code: code, Message: message,
			Nodes: int64(r.row.Nodes), Edges: int64(len(r.row.Sources)),
		})
	}
}

// grow makes room for what the first n rows hold.
func (r *rowReader) grow(n int) {
	f := r.by[graph.InputFeatures]
	last := func(c *column.Column) int { _, to := c.Span(n - 1); return to }
	nodes := 0
	switch {
	case f.Texts == nil:
		nodes = last(f)
	case r.want > 0:
		nodes = int(f.Texts.Offsets[n]) / (4 * r.want)
	}
	edges := 0
	if e := r.by[graph.InputEdges]; e != nil {
		if at := last(e); at > 0 {
			_, to := e.List(at - 1)
			edges = to / 2
		}
	} else {
		edges = last(r.by[graph.InputSource])
	}
	r.builder.Grow(n, nodes, edges)
}

// graphID is the id of the current row as a rejection has it, nil where it is null.
func (r *rowReader) graphID() any {
	switch {
	case !r.named:
		return nil
	case r.graphIDs == graph.Int64:
		return r.row.IntID
	}
	return string(r.row.TextID)
}

// read fills in the row, or says why it is none.
func (r *rowReader) read(i int) (graph.Code, string) {
	if r.named = r.readID(i); !r.named {
		r.readSizes(i) // for the sizes in the rejection
		r.readEdges(i)
		return null(r.by[graph.InputGraphID], i)
	}
	if code, message := r.readSizes(i); code != "" {
		return code, message
	}
	if code, message := r.readEdges(i); code != "" {
		return code, message
	}
	return r.readRest(i)
}

// readID returns the row its id, or says that it is null.
func (r *rowReader) readID(i int) bool {
	c := r.by[graph.InputGraphID]
	if c == nil {
		r.id = append(append(r.id[:0], r.rel...), '#')
		r.row.TextID = strconv.AppendInt(r.id, r.row.Row, 10)
		r.id = r.row.TextID
		return true
	}
	if c.Flags[i] != 0 {
		return false
	}
	switch {
	case c.Texts != nil:
		r.row.TextID = r.text(c.Texts.At(i))
	case r.graphIDs == graph.Int64:
		r.row.IntID = c.Ints.Values[i]
	default:
		r.id = appendInt(r.id[:0], c, i)
		r.row.TextID = r.id
	}
	return true
}

// appendInt writes an integer as text.
func appendInt(dst []byte, c *column.Column, at int) []byte {
	if c.Field.Leaf == column.LeafUint64 {
		return strconv.AppendUint(dst, uint64(c.Ints.Values[at]), 10)
	}
	return strconv.AppendInt(dst, c.Ints.Values[at], 10)
}

// text returns an id as UTF-8; bad bytes as \xNN.
func (r *rowReader) text(v []byte) []byte {
	if utf8.Valid(v) {
		return v[:len(v):len(v)]
	}
	r.id = appendValid(r.id[:0], v)
	return r.id
}

func appendValid(dst, v []byte) []byte {
	for len(v) > 0 {
		c, n := utf8.DecodeRune(v)
		if c == utf8.RuneError && n == 1 {
			dst = fmt.Appendf(dst, `\x%02x`, v[0])
		} else {
			dst = append(dst, v[:n]...)
		}
		v = v[n:]
	}
	return dst
}

// null rejects a row of which a column lacks something.
func null(c *column.Column, i int) (graph.Code, string) {
	switch {
	case c == nil || c.Flags[i] == 0:
		return "", ""
	case c.Flags[i]&column.NullRow != 0:
		return graph.NullValue, c.Field.Name + " is null"
	}
	return graph.NullValue, c.Field.Name + " holds a null"
}

// readSizes reads num_nodes and features.
func (r *rowReader) readSizes(i int) (graph.Code, string) {
	if c := r.by[graph.InputNumNodes]; c != nil {
		if code, message := null(c, i); code != "" {
			return code, message
		}
		n, text := c.Count(i)
		if r.row.NumNodes = n; text != "" {
			r.row.NumNodes = -1
			return graph.NodeCount, fmt.Sprintf("%s is %s, not a number of nodes", c.Field.Name, text)
		}
		if n < 0 {
			return graph.NodeCount, fmt.Sprintf("%s is %d", c.Field.Name, r.row.NumNodes)
		}
	}
	c := r.by[graph.InputFeatures]
	if c.Texts != nil {
		return r.readBinary(c, i)
	}
	from, to := c.Span(i)
	r.row.Nodes = to - from
	if code, message := null(c, i); code != "" {
		return code, message
	}
	if from == to {
		return "", ""
	}
	first, end := c.List(from)
	width := end - first
	for j := from + 1; j < to; j++ {
		next := c.Values.Len()
		if j+1 < len(c.Inner) {
			next = int(c.Inner[j+1])
		}
		if next-end != width {
			width = graph.Ragged
			_, next = c.List(to - 1)
			j = to
		}
		end = next
	}
	r.row.Width, r.row.Features = width, c.Floats.Values[first:end]
	r.note(width)
	return "", ""
}

func (r *rowReader) note(width int) {
	if r.width == 0 && width > 0 {
		r.width = width
	}
}

// readBinary reads features that are the bytes of float32.
func (r *rowReader) readBinary(c *column.Column, i int) (graph.Code, string) {
	if code, message := null(c, i); code != "" {
		return code, message
	}
	b := c.Texts.At(i)
	if len(b)%4 != 0 {
		return graph.FeatureWidth, fmt.Sprintf("%s has %d bytes, which are no whole number of float32", c.Field.Name, len(b))
	}
	values := int64(len(b) / 4)
	nodes, width := r.row.NumNodes, int64(r.want)
	switch {
	case values == 0 && max(nodes, 0) == 0:
		return "", ""
	case nodes > 0:
		if values%nodes != 0 {
			return graph.FeatureWidth, fmt.Sprintf("%s has %d values, which %d nodes do not divide", c.Field.Name, values, nodes)
		}
		width = values / nodes
	case width == 0:
		r.blind = true
		return graph.FeatureWidth, fmt.Sprintf("%s has %d values, and nothing says of how many nodes", c.Field.Name, values)
	case values%width != 0:
		return graph.FeatureWidth, fmt.Sprintf("%s has %d values, which %d features a node do not divide", c.Field.Name, values, width)
	default:
		nodes = values / width
	}
	if cap(r.plain) < int(values) {
		r.plain = make([]float32, values)
	}
	r.plain = r.plain[:values]
	column.DecodeFloats(r.plain, b)
	r.row.Nodes, r.row.Width, r.row.Features = int(nodes), int(width), r.plain
	if r.row.NumNodes > 0 {
		r.note(int(width))
	}
	return "", ""
}

// readEdges reads edge_index, or source and target.
func (r *rowReader) readEdges(i int) (graph.Code, string) {
	c := r.by[graph.InputEdges]
	if c == nil {
		source, target := r.by[graph.InputSource], r.by[graph.InputTarget]
		from, to := source.Span(i)
		r.row.Sources = source.Ints.Values[from:to]
		from, to = target.Span(i)
		r.row.Targets = target.Ints.Values[from:to]
		if code, message := null(source, i); code != "" {
			return code, message
		}
		return null(target, i)
	}
	from, to := c.Span(i)
	if code, message := null(c, i); code != "" {
		return code, message
	}
	if to-from == 2 {
		first, middle := c.List(from)
		_, end := c.List(from + 1)
		r.row.Sources, r.row.Targets = c.Ints.Values[first:middle], c.Ints.Values[middle:end]
		return "", ""
	}
	if from == to {
		return "", ""
	}
	advice := ""
	if isPairs(c, from, to) {
		advice = ": it is stored as edges x 2, transpose it"
	}
	return graph.MalformedEdges, fmt.Sprintf("%s has %d lists, not 2 (sources and targets)%s", c.Field.Name, to-from, advice)
}

// isPairs says whether all inner lists have two values.
func isPairs(c *column.Column, from, to int) bool {
	for j := from; j < to; j++ {
		if a, b := c.List(j); b-a != 2 {
			return false
		}
	}
	return true
}

// readRest reads weights and node ids.
func (r *rowReader) readRest(i int) (graph.Code, string) {
	if c := r.by[graph.InputWeights]; c != nil {
		if code, message := null(c, i); code != "" {
			return code, message
		}
		from, to := c.Span(i)
		r.row.Weights = c.Floats.Values[from:to]
	}
	c := r.by[graph.InputNodeIDs]
	if c == nil {
		return "", ""
	}
	if code, message := null(c, i); code != "" {
		return code, message
	}
	from, to := c.Span(i)
	switch {
	case r.nodeIDs == graph.Int64:
		r.row.NodeIDs = graph.IDs{Kind: graph.Int64, Ints: c.Ints.Values[from:to]}
	case c.Texts != nil:
		r.row.NodeIDs = r.textIDs(c.Texts, from, to)
	default:
		r.row.NodeIDs = r.makeIDs(from, to, func(dst []byte, at int) []byte { return appendInt(dst, c, at) })
	}
	return "", ""
}

// textIDs returns the texts of a row without copying where they are UTF-8, and with bad bytes as \xNN otherwise.
func (r *rowReader) textIDs(t *column.Texts, from, to int) graph.IDs {
	valid := true
	for at := from; at < to && valid; at++ {
		valid = utf8.Valid(t.At(at))
	}
	if valid {
		return graph.IDs{Kind: graph.String, Bytes: t.Data, Offsets: t.Offsets[from : to+1]}
	}
	return r.makeIDs(from, to, func(dst []byte, at int) []byte { return appendValid(dst, t.At(at)) })
}

// makeIDs returns ids whose texts are appended one by one. They are valid until the next row.
func (r *rowReader) makeIDs(from, to int, add func(dst []byte, at int) []byte) graph.IDs {
	r.ids.Kind, r.ids.Bytes, r.ids.Offsets = graph.String, r.ids.Bytes[:0], append(r.ids.Offsets[:0], 0)
	for at := from; at < to; at++ {
		r.ids.Bytes = add(r.ids.Bytes, at)
		r.ids.Offsets = append(r.ids.Offsets, uint32(len(r.ids.Bytes)))
	}
	return r.ids
}
