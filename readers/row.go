package readers

import (
	"bytes"
	"fmt"
	"sort"
	"strconv"
	"unicode"
	"unicode/utf8"

	"graphscore/pipeline/graph"
	"graphscore/readers/internal/column"
)

// rowReader makes graphs of the rows of decoded columns.
type rowReader struct {
	by       [graph.NumInputColumns]*column.Column
	builder  *graph.Builder
	rel      string
	form     *edgeForm // of the file
	want     *Wanted
	met      widths
	graphIDs graph.IDKind
	nodeIDs  graph.IDKind

	row   graph.Row
	named bool      // the row has an id
	id    []byte    // scratch
	ids   graph.IDs // scratch
	plain []float32 // scratch for features that are stored as bytes or integers
	pairs []int64   // scratch for edges that are pairs
	more  furtherScratch
	lent  bool      // the batch has the memory of the features that were taken last ...
	spare []float32 // ... and this is for those that were not
	err   error     // the file cannot be read
}

func newRowReader(by [graph.NumInputColumns]*column.Column, b *graph.Builder, f *File, w *Wanted, graphIDs, nodeIDs graph.IDKind) rowReader {
	return rowReader{by: by, builder: b, rel: f.Rel, form: &f.edges, want: w, graphIDs: graphIDs, nodeIDs: nodeIDs}
}

// take puts the first n rows of the columns into the batch. first is the place of the first one in the file. An error
// says that the file cannot be read.
func (r *rowReader) take(group int, first int64, n int) error {
	giant := n == 1 && r.giant() // alone in its batch, which then has the memory of its features
	if !giant {
		r.lend(n)
		r.grow(n)
	}
	for i := range n {
		r.row = graph.Row{RowGroup: group, Row: first + int64(i), NumNodes: -1, Lent: giant}
		code, message := r.read(i)
		if r.err != nil {
			return r.err
		}
		if code == "" {
			r.builder.Add(&r.row)
			continue
		}
		r.builder.Reject(graph.Rejection{
			GraphID: r.graphID(), RowGroup: group, Row: r.row.Row, Code: code, Message: message,
			Nodes: int64(r.row.Nodes), Edges: int64(len(r.row.Sources)),
		})
	}
	if giant {
		r.row, r.plain, r.pairs = graph.Row{}, nil, nil
	}
	return nil
}

// lend makes the memory of the features of the first n rows that of a new batch, where it can: they are not copied then.
func (r *rowReader) lend(n int) {
	if r.builder.Len() > 0 {
		return
	}
	if features := r.by[graph.InputFeatures].Lendable(n); features != nil {
		r.spare, r.lent = r.builder.Lend(features), true
	}
}

// drop takes the n rows that were taken last from a column.
func (r *rowReader) drop(c *column.Column, n int) {
	if !r.lent || c != r.by[graph.InputFeatures] {
		c.Drop(n)
		return
	}
	c.Trade(n, r.spare)
	r.spare, r.lent = nil, false
}

// giant says whether the features of the first row take so much that it is alone in a batch.
func (r *rowReader) giant() bool { return r.by[graph.InputFeatures].Giant() }

// grow makes room for what the first n rows hold.
func (r *rowReader) grow(n int) {
	nodes, edges := r.holds(n)
	r.builder.Grow(n, nodes, edges)
}

// within returns how many of the first n rows add at most so many bytes to the batch, at least one.
func (r *rowReader) within(n int, bytes int64) int {
	return max(1, sort.Search(n, func(i int) bool {
		nodes, edges := r.holds(i + 1)
		return r.builder.Adds(i+1, nodes, edges) > bytes
	}))
}

// holds returns about how many nodes and edges the first n rows have.
func (r *rowReader) holds(n int) (nodes, edges int) {
	f := r.by[graph.InputFeatures]
	last := func(c *column.Column) int { _, to := c.Span(n - 1); return to }
	switch {
	case f.Field.Rows > 0:
		nodes = n * f.Field.Rows
	case f.Texts == nil:
		nodes = last(f)
	case r.want.Width > 0:
		nodes = int(f.Texts.Offsets[n]) / (4 * r.want.Width)
	}
	if e := r.by[graph.InputEdges]; e != nil {
		if at := last(e); at > 0 && len(e.Inner) > 0 {
			_, to := e.List(at - 1)
			edges = to / 2
		}
	} else {
		edges = last(r.by[graph.InputSource])
	}
	return nodes, edges
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
		r.row.TextID = r.text(c, c.Texts.At(i))
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
func (r *rowReader) text(c *column.Column, v []byte) []byte {
	if asItIs(c.Field, v) {
		return v[:len(v):len(v)]
	}
	r.id = r.appendText(r.id[:0], c, v)
	return r.id
}

// asItIs says whether the bytes of an id are its text.
func asItIs(f column.Field, v []byte) bool {
	return utf8.Valid(v) && !f.UUID && (!f.Fixed || printable(v))
}

// printable says whether bytes are UTF-8 without control characters.
func printable(v []byte) bool {
	return utf8.Valid(v) && bytes.IndexFunc(v, unicode.IsControl) < 0
}

// appendText appends the text of an id. Bytes of a fixed size that are no text have a meaning that the type does not
// say: the file is refused.
func (r *rowReader) appendText(dst []byte, c *column.Column, v []byte) []byte {
	switch {
	case c.Field.UUID && len(v) == 16:
		return fmt.Appendf(dst, "%x-%x-%x-%x-%x", v[:4], v[4:6], v[6:8], v[8:10], v[10:])
	case c.Field.Fixed && !printable(v):
		r.err = column.Unsupported("write it with the type UUID, or as strings",
			"column %s has type %s, whose bytes are no text", c.Field.Name, c.Field.Type)
		return dst
	}
	return appendValid(dst, v)
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
	if c.Field.Rows > 0 {
		return r.readTensor(c, from, to)
	}
	if from == to {
		return "", ""
	}
	first, end, width := rowsOf(c, from, to)
	r.setFeatures(c, first, end, width)
	return "", ""
}

// rowsOf returns the place of the values of rows from to to-1 of features, and how many each row has, or graph.Ragged. There
// is at least one. A row of a flat list has one value.
func rowsOf(c *column.Column, from, to int) (first, end, width int) {
	if c.Field.Depth < 2 {
		return from, to, 1
	}
	inner := c.Inner[from:to]
	first = int(inner[0])
	_, end = c.List(to - 1)
	last := int32(end) - inner[len(inner)-1]
	var odd int32 // not 0 where two lists have different lengths
	at := inner[0]
	for _, next := range inner[1:] {
		odd |= (next - at) ^ last
		at = next
	}
	if odd != 0 {
		return first, end, graph.Ragged
	}
	return first, end, int(last)
}

// setFeatures takes the values of a column from first to end-1 as features of nodes.
func (r *rowReader) setFeatures(c *column.Column, first, end, width int) {
	var bad int
	r.row.Width, r.row.Finite = width, c.Floats != nil && c.Floats.Finite(end)
	if r.row.Features, bad = floats(c, first, end, &r.plain); bad >= 0 && width > 0 {
		r.inexact(c, first+bad, bad%width, "node", bad/width)
	}
	note(&r.met.node, width)
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
	if code, message := null(c, i); code != "" {
		return code, message
	}
	return r.readIndex(c, i)
}

// readRest reads weights, further columns and node ids.
func (r *rowReader) readRest(i int) (graph.Code, string) {
	if c := r.by[graph.InputWeights]; c != nil {
		if code, message := null(c, i); code != "" {
			return code, message
		}
		if code, message := r.readWeights(c, i); code != "" {
			return code, message
		}
	}
	if code, message := r.readFurther(i); code != "" || r.err != nil {
		return code, message
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
		r.row.NodeIDs = r.textIDs(c, from, to)
	default:
		r.row.NodeIDs = r.makeIDs(from, to, func(dst []byte, at int) []byte { return appendInt(dst, c, at) })
	}
	return "", ""
}

// textIDs returns the texts of a row without copying where they are UTF-8, and with bad bytes as \xNN otherwise.
func (r *rowReader) textIDs(c *column.Column, from, to int) graph.IDs {
	t := c.Texts
	valid := true
	for at := from; at < to && valid; at++ {
		valid = asItIs(c.Field, t.At(at))
	}
	if valid {
		return graph.IDs{Kind: graph.String, Bytes: t.Data, Offsets: t.Offsets[from : to+1]}
	}
	return r.makeIDs(from, to, func(dst []byte, at int) []byte { return r.appendText(dst, c, t.At(at)) })
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
