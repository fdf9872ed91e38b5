package graph

import (
	"fmt"
	"math"
	"slices"
)

// Row is one graph as a reader found it: views into the columns of a decoded block. The Builder copies what
// it takes and keeps nothing, but for Features where they are Lent, or in memory that [Builder.Lend] took.
type Row struct {
	// RowGroup and Row are the place in the file, from 0. Row counts through the file.
	RowGroup int
	Row      int64
	// IntID is the graph's id where the kind of the run is Int64, TextID where it is String.
	IntID  int64
	TextID []byte

	// Nodes is the number of feature rows.
	Nodes int
	// Width is the number of features of every node, or Ragged. It does not count where Nodes is 0.
	Width int
	// Features [Nodes x Width], row-major.
	Features []float32
	// Finite: Features are known to be finite, and are not looked at for that.
	Finite bool
	// Lent: nobody else uses the memory of Features any more. It is then that of the batch, where this is its first graph
	// and takes most of that memory.
	Lent bool
	// NumNodes is what the num_nodes column says, or -1 where there is none.
	NumNodes int64
	// NodeIDs [Nodes], of the kind in BuilderConfig; not looked at where that is nil.
	NodeIDs IDs
	// Sources and Targets [edges] count from 0 within the graph.
	Sources, Targets []int64
	// Weights [edges]; not looked at unless the builder is weighted.
	Weights []float32

	FurtherRow
}

// Ragged is the width of a graph whose nodes, or whose edges, have different numbers of features.
const Ragged = -1

// BuilderConfig says what the batches of one file look like.
type BuilderConfig struct {
	// Width is the number of features of a node that the model wants.
	Width int
	// Weighted: the file has edge weights.
	Weighted bool
	// EdgeWidth is the number of features of an edge that the model wants, 0 where it reads none.
	EdgeWidth int
	// Typed: the model reads types of edges.
	Typed bool
	// GraphWidth is the number of features of a graph that the model wants, 0 where it reads none.
	GraphWidth int
	// EdgeRows: batches say which edge of the input each of theirs is.
	EdgeRows bool
	// Names are those of the columns in the file, for messages. Default: the keys.
	Names ColumnNames
	// GraphIDs is the kind of the graph ids.
	GraphIDs IDKind
	// NodeIDs is the kind of the node ids, nil where the file has none.
	NodeIDs *IDKind
	// Reuse returns a batch that nobody uses any more, to fill its memory again, or nil. Default: always nil.
	Reuse func() *Batch
}

// Builder checks rows and puts them into a Batch, edges grouped by target. One goroutine uses it.
type Builder struct {
	cfg    BuilderConfig
	batch  *Batch
	next   []uint32 // scratch [nodes+1]: where the next edge of each target goes
	places []uint32 // scratch [edges]: where each edge goes
	ints   map[int64]struct{}
	texts  map[string]struct{}
}

// largeScratch is the number of edges from which the memory for placing them is not kept.
const largeScratch = 1 << 20

// NewBuilder starts an empty batch.
func NewBuilder(cfg BuilderConfig) *Builder {
	b := &Builder{cfg: cfg}
	b.reset()
	return b
}

func (b *Builder) reset() {
	if cap(b.places) > largeScratch {
		b.places = nil
	}
	old := &Batch{}
	if b.cfg.Reuse != nil {
		if used := b.cfg.Reuse(); used != nil {
			old = used
		}
	}
	b.batch = &Batch{
		IDs: old.IDs.reset(b.cfg.GraphIDs), Width: b.cfg.Width,
		NodeOffsets: append(old.NodeOffsets[:0], 0), EdgeOffsets: append(old.EdgeOffsets[:0], 0),
		Features: old.Features[:0], InDegree: old.InDegree[:0], Sources: old.Sources[:0],
		RowGroups: old.RowGroups[:0], Rows: old.Rows[:0],
	}
	if b.cfg.Weighted {
		if b.batch.Weights = old.Weights[:0]; old.Weights == nil {
			b.batch.Weights = []float32{}
		}
	}
	b.resetFurther(old)
	if b.cfg.NodeIDs != nil {
		ids := IDs{}
		if old.NodeIDs != nil {
			ids = *old.NodeIDs
		}
		ids = ids.reset(*b.cfg.NodeIDs)
		b.batch.NodeIDs = &ids
	}
}

// Grow makes room for that many more graphs, nodes and edges.
func (b *Builder) Grow(graphs, nodes, edges int) {
	t := b.batch
	t.NodeOffsets = grow(t.NodeOffsets, graphs)
	t.EdgeOffsets = grow(t.EdgeOffsets, graphs)
	t.RowGroups = grow(t.RowGroups, graphs)
	t.Rows = grow(t.Rows, graphs)
	t.Features = grow(t.Features, nodes*b.cfg.Width)
	t.InDegree = grow(t.InDegree, nodes)
	t.Sources = grow(t.Sources, edges)
	if b.cfg.Weighted {
		t.Weights = grow(t.Weights, edges)
	}
	b.growFurther(graphs, edges)
}

func grow[T any](s []T, n int) []T {
	if n <= 0 || cap(s)-len(s) >= n {
		return s
	}
	return append(make([]T, 0, len(s)+n), s...)
}

// Lend makes the memory of the features of the next rows, one behind the other, that of the batch, which must be empty: they
// are not copied then. The batch owns it from then on. Lend returns other memory for it, of any size.
func (b *Builder) Lend(features []float32) (memory []float32) {
	memory, b.batch.Features = b.batch.Features, features[:0]
	return memory
}

// Len is the number of rows taken or rejected since the last Batch.
func (b *Builder) Len() int { return b.batch.Graphs() + len(b.batch.Rejected) }

// Bytes is the size of the columns so far.
func (b *Builder) Bytes() int64 { return b.batch.Bytes() }

// Adds is what so many more graphs, nodes and edges would add to Bytes.
func (b *Builder) Adds(graphs, nodes, edges int) int64 {
	return b.batch.shape(graphs, nodes, edges).Bytes()
}

// Batch hands over what was built, to the caller for good, and starts anew.
func (b *Builder) Batch() *Batch {
	t := b.batch
	b.reset()
	return t
}

// Reject records a row that is no graph at all. Rows must come in the order of the input.
func (b *Builder) Reject(r Rejection) { b.batch.Rejected = append(b.batch.Rejected, r) }

// Add takes a row, or rejects it with the first reason of: NodeCount, FeatureWidth, NonFiniteFeature,
// MalformedEdges, EdgeOutOfRange, NonFiniteWeight, DuplicateNodeID, and then those of further columns: MalformedEdges,
// EdgeFeatureWidth, GraphFeatureWidth, NonFiniteFeature, Row.Code. Rows must come in the order of the input.
func (b *Builder) Add(r *Row) {
	if code, message := b.check(r); code != "" {
		b.Reject(Rejection{
			GraphID: b.id(r), RowGroup: r.RowGroup, Row: r.Row, Code: code, Message: message,
			Nodes: int64(r.Nodes), Edges: int64(len(r.Sources)), FromOne: code == EdgeOutOfRange && fromOne(r),
		})
		return
	}
	b.take(r)
}

// fromOne reports whether the edges of a row are between 1 and its number of nodes.
func fromOne(r *Row) bool {
	for i, s := range r.Sources {
		if t := r.Targets[i]; s < 1 || t < 1 || s > int64(r.Nodes) || t > int64(r.Nodes) {
			return false
		}
	}
	return true
}

func (b *Builder) id(r *Row) any {
	if b.cfg.GraphIDs == Int64 {
		return r.IntID
	}
	return string(r.TextID)
}

func (b *Builder) check(r *Row) (Code, string) {
	if r.NumNodes >= 0 && r.NumNodes != int64(r.Nodes) {
		return NodeCount, fmt.Sprintf("num_nodes is %d, but there are features of %d nodes", r.NumNodes, r.Nodes)
	}
	if b.cfg.NodeIDs != nil && r.NodeIDs.Len() != r.Nodes {
		return NodeCount, fmt.Sprintf("there are %d node ids, but features of %d nodes", r.NodeIDs.Len(), r.Nodes)
	}
	if r.Nodes > 0 && r.Width == Ragged {
		return FeatureWidth, "its nodes have different numbers of features"
	}
	if r.Nodes > 0 && r.Width != b.cfg.Width {
		return FeatureWidth, fmt.Sprintf("its nodes have %d features, the model wants %d", r.Width, b.cfg.Width)
	}
	if i := b.nonFinite(r); i >= 0 {
		return NonFiniteFeature, fmt.Sprintf("feature %d of node %d is %v", i%r.Width, i/r.Width, r.Features[i])
	}
	if len(r.Sources) != len(r.Targets) {
		return MalformedEdges, fmt.Sprintf("it has %d sources and %d targets", len(r.Sources), len(r.Targets))
	}
	if code, message := b.checkEdges(r); code != "" {
		return code, message
	}
	if b.cfg.NodeIDs != nil {
		if id, twice := b.duplicate(&r.NodeIDs); twice {
			return DuplicateNodeID, fmt.Sprintf("node id %v occurs more than once", id)
		}
	}
	return b.checkFurther(r)
}

// nonFinite returns the place of the first feature of a row that is not finite, or -1.
func (b *Builder) nonFinite(r *Row) int {
	if r.Finite {
		return -1
	}
	return nonFinite(r.Features)
}

func (b *Builder) checkEdges(r *Row) (Code, string) {
	if b.cfg.Weighted && len(r.Weights) != len(r.Sources) {
		return MalformedEdges, fmt.Sprintf("it has %d edges and %d weights", len(r.Sources), len(r.Weights))
	}
	n, targets := uint64(r.Nodes), r.Targets[:len(r.Sources)]
	for i, s := range r.Sources {
		if t := targets[i]; uint64(s) >= n || uint64(t) >= n { // a negative number becomes a huge one
			return EdgeOutOfRange, fmt.Sprintf("edge %d goes from node %d to node %d of %d nodes", i, s, t, r.Nodes)
		}
	}
	if b.cfg.Weighted {
		if i := nonFinite(r.Weights); i >= 0 {
			return NonFiniteWeight, fmt.Sprintf("the weight of edge %d is %v", i, r.Weights[i])
		}
	}
	if int64(b.batch.Nodes())+int64(r.Nodes) > math.MaxInt32 || int64(b.batch.Edges())+int64(len(r.Sources)) > math.MaxInt32 {
		return TooLarge, fmt.Sprintf("it has %d nodes and %d edges, a batch holds at most %d of each",
			r.Nodes, len(r.Sources), math.MaxInt32)
	}
	return "", ""
}

// nonFinite returns the place of the first NaN or infinity, or -1. x-x is 0 for finite values and NaN for
// others, and a sum keeps a NaN: one branch a slice where all is well. Four sums do not wait for each other.
func nonFinite(v []float32) int {
	var a, b, c, d float32
	rest := v
	for ; len(rest) >= 4; rest = rest[4:] {
		a += rest[0] - rest[0]
		b += rest[1] - rest[1]
		c += rest[2] - rest[2]
		d += rest[3] - rest[3]
	}
	for _, x := range rest {
		a += x - x
	}
	if a+b+c+d == 0 {
		return -1
	}
	for i, x := range v {
		if x-x != 0 {
			return i
		}
	}
	return -1
}

func (b *Builder) duplicate(ids *IDs) (any, bool) {
	if ids.Kind == Int64 {
		if b.ints == nil {
			b.ints = make(map[int64]struct{})
		}
		clear(b.ints)
		for i, v := range ids.Ints {
			if b.ints[v] = struct{}{}; len(b.ints) != i+1 {
				return v, true
			}
		}
		return nil, false
	}
	if b.texts == nil {
		b.texts = make(map[string]struct{})
	}
	clear(b.texts)
	for i := range ids.Len() {
		v := ids.At(i)
		if _, there := b.texts[string(v)]; there {
			return fmt.Sprintf("%q", v), true
		}
		b.texts[string(v)] = struct{}{}
	}
	return nil, false
}

func (b *Builder) take(r *Row) {
	t := b.batch
	first := uint32(len(t.InDegree))
	edge := uint32(len(t.Sources))

	switch n := len(r.Features); {
	case r.Lent && first == 0 && cap(r.Features) <= n+n/4:
		t.Features = r.Features[:n:n]
	case follows(t.Features, r.Features):
		t.Features = t.Features[:len(t.Features)+n]
	default: // to the front of what was lent, behind a row that was rejected
		t.Features = append(t.Features, r.Features...)
	}
	b.group(r)
	b.further(r, int(edge), b.next[:r.Nodes])
	if t.NodeIDs != nil {
		t.NodeIDs.Append(&r.NodeIDs, 0, r.Nodes)
	}
	if b.cfg.GraphIDs == Int64 {
		t.IDs.AppendInt(r.IntID)
	} else {
		t.IDs.AppendBytes(r.TextID)
	}
	t.NodeOffsets = append(t.NodeOffsets, first+uint32(r.Nodes))
	t.EdgeOffsets = append(t.EdgeOffsets, edge+uint32(len(r.Sources)))
	t.RowGroups = append(t.RowGroups, int32(r.RowGroup))
	t.Rows = append(t.Rows, r.Row)
}

// group appends in-degrees, sources and weights of a row: a counting sort by target, which is stable.
func (b *Builder) group(r *Row) {
	t := b.batch
	first, edge := len(t.InDegree), len(t.Sources)
	t.InDegree = append(t.InDegree, make([]uint32, r.Nodes)...)
	t.Sources = extend(t.Sources, len(r.Sources))
	degree, sources, from := t.InDegree[first:], t.Sources[edge:], r.Sources[:len(r.Targets)]
	for _, v := range r.Targets {
		degree[v]++
	}
	if cap(b.next) < r.Nodes {
		b.next = make([]uint32, r.Nodes)
	}
	next := b.next[:len(degree)]
	var at uint32
	for i, d := range degree {
		next[i] = at
		at += d
	}
	if !b.cfg.Weighted {
		for i, v := range r.Targets {
			place := next[v]
			next[v] = place + 1
			sources[place] = uint32(first) + uint32(from[i])
		}
		return
	}
	t.Weights = extend(t.Weights, len(r.Weights))
	weights := t.Weights[edge:]
	for i, v := range r.Targets {
		place := next[v]
		next[v] = place + 1
		sources[place], weights[place] = uint32(first)+uint32(from[i]), r.Weights[i]
	}
}

// follows reports whether more lies behind s in the same memory.
func follows(s, more []float32) bool {
	n := len(s)
	return len(more) > 0 && cap(s)-n >= len(more) && &s[:n+1][n] == &more[0]
}

// extend adds n values, for the caller to set.
func extend[T any](s []T, n int) []T { return slices.Grow(s, n)[:len(s)+n] }
