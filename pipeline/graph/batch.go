package graph

import (
	"slices"
	"strconv"
	"time"
)

// IDKind is the type of a column of ids: one for all inputs of a run.
type IDKind uint8

// The kinds of ids. A run uses Int64 where every input has integers that fit, else String.
const (
	Int64 IDKind = iota
	String
)

// String returns the name that messages, settings and footers use.
func (k IDKind) String() string {
	if k == Int64 {
		return "int64"
	}
	return "string"
}

// IDs is a column of ids. Only the fields of its kind are set.
type IDs struct {
	Kind IDKind
	// Ints holds the ids of kind Int64.
	Ints []int64
	// Bytes holds the ids of kind String back to back: id i is Bytes[Offsets[i]:Offsets[i+1]].
	// Offsets need not begin at 0 and has one entry more than there are ids.
	Bytes   []byte
	Offsets []uint32
}

// Len is the number of ids.
func (c *IDs) Len() int {
	if c.Kind == Int64 {
		return len(c.Ints)
	}
	return max(len(c.Offsets)-1, 0)
}

// At returns id i of a String column. The column keeps owning the bytes.
func (c *IDs) At(i int) []byte { return c.Bytes[c.Offsets[i]:c.Offsets[i+1]] }

// Value returns id i as int64 or string.
func (c *IDs) Value(i int) any {
	if c.Kind == Int64 {
		return c.Ints[i]
	}
	return string(c.At(i))
}

// Text appends id i as text to dst.
func (c *IDs) Text(dst []byte, i int) []byte {
	if c.Kind == Int64 {
		return strconv.AppendInt(dst, c.Ints[i], 10)
	}
	return append(dst, c.At(i)...)
}

// AppendInt appends an integer id, as text where the column is of kind String.
func (c *IDs) AppendInt(v int64) {
	if c.Kind == Int64 {
		c.Ints = append(c.Ints, v)
		return
	}
	c.begin()
	c.Bytes = strconv.AppendInt(c.Bytes, v, 10)
	c.Offsets = append(c.Offsets, uint32(len(c.Bytes)))
}

// AppendBytes appends a copy of a text id. The column must be of kind String.
func (c *IDs) AppendBytes(v []byte) {
	c.begin()
	c.Bytes = append(c.Bytes, v...)
	c.Offsets = append(c.Offsets, uint32(len(c.Bytes)))
}

// Append appends copies of ids from to to-1 of o, which must be of the same kind.
func (c *IDs) Append(o *IDs, from, to int) {
	switch {
	case from == to:
	case c.Kind == Int64:
		c.Ints = append(c.Ints, o.Ints[from:to]...)
	default:
		c.begin()
		base, at := uint32(len(c.Bytes)), o.Offsets[from]
		c.Bytes = append(c.Bytes, o.Bytes[at:o.Offsets[to]]...)
		for _, end := range o.Offsets[from+1 : to+1] {
			c.Offsets = append(c.Offsets, base+end-at)
		}
	}
}

// clone returns a column that shares nothing with c.
func (c *IDs) clone() IDs {
	return IDs{Kind: c.Kind, Ints: slices.Clone(c.Ints), Bytes: slices.Clone(c.Bytes), Offsets: slices.Clone(c.Offsets)}
}

// reset is a column without ids that fills the memory of c again.
func (c *IDs) reset(kind IDKind) IDs {
	return IDs{Kind: kind, Ints: c.Ints[:0], Bytes: c.Bytes[:0], Offsets: c.Offsets[:0]}
}

func (c *IDs) capBytes() int { return 8*cap(c.Ints) + cap(c.Bytes) + 4*cap(c.Offsets) }

func (c *IDs) begin() {
	if len(c.Offsets) == 0 {
		c.Offsets = append(c.Offsets, 0)
	}
}

// Slice returns ids i to j without copying.
func (c *IDs) Slice(i, j int) IDs {
	if c.Kind == Int64 {
		return IDs{Kind: Int64, Ints: c.Ints[i:j]}
	}
	if len(c.Offsets) == 0 {
		return IDs{Kind: String}
	}
	return IDs{Kind: String, Bytes: c.Bytes, Offsets: c.Offsets[i : j+1]}
}

// Batch is a number of graphs in the order of the input, as columns. Whoever got it from a Source owns it.
// Nobody changes a batch once it is complete, so slices of it may be read from many goroutines.
type Batch struct {
	// IDs has one id a graph.
	IDs IDs
	// NodeIDs has one id a node, or is nil where the input has none: nodes are then 0..n-1 within their graph.
	NodeIDs *IDs

	// NodeOffsets [graphs+1]: the nodes of graph g are NodeOffsets[g] to NodeOffsets[g+1]. In a slice the
	// first entry is not 0: subtract it to get places in Features, InDegree and NodeIDs.
	NodeOffsets []uint32
	// EdgeOffsets [graphs+1]: likewise for Sources and all that has its order.
	EdgeOffsets []uint32

	// Width is the number of features of every node.
	Width int
	// Features [nodes x Width], row-major.
	Features []float32

	// InDegree [nodes]: the number of edges that point to each node.
	InDegree []uint32
	// Sources [edges]: the source of each edge. Edges are grouped by target, targets in node order, the
	// edges of one target in the order of the input. Numbers count like NodeOffsets, not within the graph.
	Sources []uint32
	// Weights [edges], in the order of Sources, or nil where the input has none: every edge weighs 1.
	Weights []float32

	// EdgeWidth is the number of features of every edge, 0 where they are not read.
	EdgeWidth int
	// EdgeFeatures [edges x EdgeWidth], row-major, in the order of Sources.
	EdgeFeatures []float32
	// EdgeTypes [edges], in the order of Sources, or nil where they are not read.
	EdgeTypes []uint32
	// EdgeRows [edges], in the order of Sources: the place of each edge among those of its graph in the input. It is nil
	// unless scores belong to edges.
	EdgeRows []uint32

	// GraphWidth is the number of features of every graph, 0 where they are not read.
	GraphWidth int
	// GraphFeatures [graphs x GraphWidth], row-major.
	GraphFeatures []float32

	// RowGroups and Rows [graphs]: the place of each graph, its row group and its row in the file, from 0.
	RowGroups []int32
	Rows      []int64

	// Rejected lists, ascending by row, what the reader could not make a graph of. Their rows come before,
	// between or after those of the batch's graphs. Empty in slices.
	Rejected []Rejection
}

// Graphs is the number of graphs.
func (b *Batch) Graphs() int { return max(len(b.NodeOffsets)-1, 0) }

// Nodes is the number of nodes of all graphs.
func (b *Batch) Nodes() int { return len(b.InDegree) }

// Edges is the number of edges of all graphs.
func (b *Batch) Edges() int { return len(b.Sources) }

// GraphNodes is the number of nodes of graph g.
func (b *Batch) GraphNodes(g int) int { return int(b.NodeOffsets[g+1] - b.NodeOffsets[g]) }

// GraphEdges is the number of edges of graph g.
func (b *Batch) GraphEdges(g int) int { return int(b.EdgeOffsets[g+1] - b.EdgeOffsets[g]) }

// NodeRange returns the places of the nodes of graph g in Features (times Width), InDegree, NodeIDs and scores.
func (b *Batch) NodeRange(g int) (from, to int) {
	return int(b.NodeOffsets[g] - b.NodeOffsets[0]), int(b.NodeOffsets[g+1] - b.NodeOffsets[0])
}

// EdgeRange returns the places of the edges of graph g in Sources and all that has its order.
func (b *Batch) EdgeRange(g int) (from, to int) {
	return int(b.EdgeOffsets[g] - b.EdgeOffsets[0]), int(b.EdgeOffsets[g+1] - b.EdgeOffsets[0])
}

// Slice returns graphs i to j without copying. The slice shares the memory of b and has no Rejected.
func (b *Batch) Slice(i, j int) *Batch {
	n0, n1 := int(b.NodeOffsets[i]-b.NodeOffsets[0]), int(b.NodeOffsets[j]-b.NodeOffsets[0])
	e0, e1 := int(b.EdgeOffsets[i]-b.EdgeOffsets[0]), int(b.EdgeOffsets[j]-b.EdgeOffsets[0])
	s := &Batch{
		IDs:         b.IDs.Slice(i, j),
		NodeOffsets: b.NodeOffsets[i : j+1],
		EdgeOffsets: b.EdgeOffsets[i : j+1],
		Width:       b.Width,
		Features:    b.Features[n0*b.Width : n1*b.Width],
		InDegree:    b.InDegree[n0:n1],
		Sources:     b.Sources[e0:e1],
		RowGroups:   b.RowGroups[i:j],
		Rows:        b.Rows[i:j],

		EdgeWidth: b.EdgeWidth, EdgeFeatures: b.EdgeFeatures[e0*b.EdgeWidth : e1*b.EdgeWidth],
		GraphWidth: b.GraphWidth, GraphFeatures: b.GraphFeatures[i*b.GraphWidth : j*b.GraphWidth],
	}
	if b.Weights != nil {
		s.Weights = b.Weights[e0:e1]
	}
	if b.EdgeTypes != nil {
		s.EdgeTypes = b.EdgeTypes[e0:e1]
	}
	if b.EdgeRows != nil {
		s.EdgeRows = b.EdgeRows[e0:e1]
	}
	if b.NodeIDs != nil {
		ids := b.NodeIDs.Slice(n0, n1)
		s.NodeIDs = &ids
	}
	return s
}

// Append appends copies of the graphs of o and of its rejected rows. An empty Batch takes the columns of o; else both must
// have the same columns, kinds of ids and width. o shares nothing with b afterwards.
func (b *Batch) Append(o *Batch) {
	if len(b.NodeOffsets) == 0 {
		*b = Batch{
			IDs: IDs{Kind: o.IDs.Kind}, NodeOffsets: []uint32{0}, EdgeOffsets: []uint32{0},
			Width: o.Width, EdgeWidth: o.EdgeWidth, GraphWidth: o.GraphWidth,
		}
		if o.Weights != nil {
			b.Weights = []float32{}
		}
		if o.EdgeTypes != nil {
			b.EdgeTypes = []uint32{}
		}
		if o.EdgeRows != nil {
			b.EdgeRows = []uint32{}
		}
		if o.NodeIDs != nil {
			b.NodeIDs = &IDs{Kind: o.NodeIDs.Kind}
		}
	}
	b.Rejected = append(b.Rejected, o.Rejected...)
	if o.Graphs() == 0 {
		return
	}
	b.IDs.Append(&o.IDs, 0, o.Graphs())
	if b.NodeIDs != nil {
		b.NodeIDs.Append(o.NodeIDs, 0, o.Nodes())
	}
	node := uint32(b.Nodes()) - o.NodeOffsets[0] // sources count like NodeOffsets
	for _, source := range o.Sources {
		b.Sources = append(b.Sources, source+node)
	}
	edge := b.EdgeOffsets[len(b.EdgeOffsets)-1] - o.EdgeOffsets[0]
	for g := range o.Graphs() {
		b.NodeOffsets = append(b.NodeOffsets, o.NodeOffsets[g+1]+node)
		b.EdgeOffsets = append(b.EdgeOffsets, o.EdgeOffsets[g+1]+edge)
	}
	b.Features = append(b.Features, o.Features...)
	b.InDegree = append(b.InDegree, o.InDegree...)
	b.Weights = append(b.Weights, o.Weights...)
	b.EdgeFeatures, b.EdgeTypes = append(b.EdgeFeatures, o.EdgeFeatures...), append(b.EdgeTypes, o.EdgeTypes...)
	b.EdgeRows = append(b.EdgeRows, o.EdgeRows...)
	b.GraphFeatures = append(b.GraphFeatures, o.GraphFeatures...)
	b.RowGroups, b.Rows = append(b.RowGroups, o.RowGroups...), append(b.Rows, o.Rows...)
}

// Clone returns a batch that shares nothing with b.
func (b *Batch) Clone() *Batch {
	c := *b
	c.IDs = b.IDs.clone()
	if b.NodeIDs != nil {
		ids := b.NodeIDs.clone()
		c.NodeIDs = &ids
	}
	c.NodeOffsets, c.EdgeOffsets = slices.Clone(b.NodeOffsets), slices.Clone(b.EdgeOffsets)
	c.Features, c.InDegree = slices.Clone(b.Features), slices.Clone(b.InDegree)
	c.Sources, c.Weights = slices.Clone(b.Sources), slices.Clone(b.Weights)
	c.EdgeFeatures, c.EdgeTypes = slices.Clone(b.EdgeFeatures), slices.Clone(b.EdgeTypes)
	c.EdgeRows, c.GraphFeatures = slices.Clone(b.EdgeRows), slices.Clone(b.GraphFeatures)
	c.RowGroups, c.Rows, c.Rejected = slices.Clone(b.RowGroups), slices.Clone(b.Rows), slices.Clone(b.Rejected)
	return &c
}

// Shape is what the size of graphs in columns follows from.
type Shape struct {
	Graphs, Nodes, Edges int64
	// Width is the number of features of a node.
	Width int
	// Weighted: every edge has a weight.
	Weighted bool
	// EdgeWidth is the number of features of an edge; Typed: every edge has a type.
	EdgeWidth int
	Typed     bool
	// GraphWidth is the number of features of a graph.
	GraphWidth int
}

// Bytes is the size of the columns: what the graphs take in a batch and, as columns, on the wire. Ids and EdgeRows do
// not count.
func (s Shape) Bytes() int64 {
	edge := 1 + int64(s.EdgeWidth)
	if s.Weighted {
		edge++
	}
	if s.Typed {
		edge++
	}
	return 4 * (s.Graphs*(1+int64(s.GraphWidth)) + s.Nodes*(1+int64(s.Width)) + s.Edges*edge)
}

// GraphBytes is the size of the columns of graph g.
func (b *Batch) GraphBytes(g int) int64 {
	return b.shape(1, b.GraphNodes(g), b.GraphEdges(g)).Bytes()
}

// Bytes is the sum of GraphBytes over all graphs. A batch without graphs counts as one without nodes.
func (b *Batch) Bytes() int64 { return b.shape(max(b.Graphs(), 1), b.Nodes(), b.Edges()).Bytes() }

func (b *Batch) shape(graphs, nodes, edges int) Shape {
	return Shape{
		Graphs: int64(graphs), Nodes: int64(nodes), Edges: int64(edges), Width: b.Width, Weighted: b.Weights != nil,
		EdgeWidth: b.EdgeWidth, Typed: b.EdgeTypes != nil, GraphWidth: b.GraphWidth,
	}
}

// CapBytes is the memory of the columns in bytes, with what they could hold without growing.
func (b *Batch) CapBytes() int64 {
	bytes := b.IDs.capBytes() + 8*cap(b.Rows)
	if b.NodeIDs != nil {
		bytes += b.NodeIDs.capBytes()
	}
	return int64(bytes + 4*(cap(b.NodeOffsets)+cap(b.EdgeOffsets)+cap(b.Features)+cap(b.InDegree)+
		cap(b.Sources)+cap(b.Weights)+cap(b.RowGroups)+cap(b.EdgeFeatures)+cap(b.EdgeTypes)+cap(b.EdgeRows)+
		cap(b.GraphFeatures)))
}

// Reject describes graph g as a rejection.
func (b *Batch) Reject(g int, code Code, message string) Rejection {
	return Rejection{
		GraphID: b.IDs.Value(g), RowGroup: int(b.RowGroups[g]), Row: b.Rows[g], Code: code, Message: message,
		Nodes: int64(b.GraphNodes(g)), Edges: int64(b.GraphEdges(g)),
	}
}

// Scores is what a scorer says of a batch, in the batch's order.
type Scores struct {
	// Level is what a row of scores belongs to.
	Level Level
	// Outputs is the number of values in a row.
	Outputs int
	// Values [rows x Outputs], row-major: see [Batch.ScoreRows]. The rows of failed graphs mean nothing.
	Values []float32
	// EmbeddingWidth is the number of values in a row of Embedding, 0 where only scores were asked for.
	EmbeddingWidth int
	// Embedding [rows x EmbeddingWidth] has the values of a step of the model, in the order of Values.
	Embedding []float32
	// Failed lists the graphs that the scorer refused, ascending by graph.
	Failed []Failure
	// Timing says where the time of the call went; zero where a scorer does not know.
	Timing Timing
	// Address is that of the process that scored, empty where a scorer does not know.
	Address string
}

// Failure is one graph of a batch that was not scored.
type Failure struct {
	// Graph is the place of the graph in the batch, from 0.
	Graph   int
	Code    Code
	Message string
}

// Timing splits the time of a scoring call.
type Timing struct {
	// Pack is spent on encoding the request and decoding the answer, Model in the model.
	Pack, Model time.Duration
}
