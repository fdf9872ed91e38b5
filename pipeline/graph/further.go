package graph

import (
	"fmt"
	"math"
)

// FurtherRow is what a graph has in the columns that only some models read: see [InputColumn.Further].
type FurtherRow struct {
	// FeaturedEdges is the number of rows of EdgeFeatures, which should be the number of edges.
	FeaturedEdges int
	// EdgeWidth is the number of features of every edge, or Ragged. It does not count where there are no edges.
	EdgeWidth int
	// EdgeFeatures [FeaturedEdges x EdgeWidth], row-major, in the order of the input. It is not looked at unless the
	// builder wants features of edges.
	EdgeFeatures []float32
	// EdgeTypes [edges], in the order of the input; not looked at unless the builder is typed.
	EdgeTypes []uint32
	// GraphFeatures are those of the graph; not looked at unless the builder wants some.
	GraphFeatures []float32
	// Code and Message are what the reader found wrong in the values of the row: it counts where nothing else is wrong. The
	// code is "" where nothing is.
	Code    Code
	Message string
}

// name is the name of a column for messages.
func (c *BuilderConfig) name(column InputColumn) string {
	if name := c.Names[column]; name != "" {
		return name
	}
	return column.String()
}

// checkFurther returns the first reason of: MalformedEdges, EdgeFeatureWidth, GraphFeatureWidth, NonFiniteFeature, and what
// the reader found. The edges of the row are whole.
func (b *Builder) checkFurther(r *Row) (Code, string) {
	if want := b.cfg.EdgeWidth; want > 0 {
		column, edges := b.cfg.name(InputEdgeAttr), len(r.Sources)
		switch {
		case r.FeaturedEdges != edges:
			return MalformedEdges, fmt.Sprintf("it has %d edges, but %s has features of %d", edges, column, r.FeaturedEdges)
		case edges > 0 && r.EdgeWidth == Ragged:
			return EdgeFeatureWidth, fmt.Sprintf("its edges have different numbers of features in %s", column)
		case edges > 0 && r.EdgeWidth != want:
			return EdgeFeatureWidth, fmt.Sprintf("its edges have %d features in %s, the model wants %d", r.EdgeWidth, column, want)
		}
	}
	if b.cfg.Typed && len(r.EdgeTypes) != len(r.Sources) {
		return MalformedEdges, fmt.Sprintf("it has %d edges, but %s has types of %d", len(r.Sources), b.cfg.name(InputEdgeType), len(r.EdgeTypes))
	}
	if want := b.cfg.GraphWidth; want > 0 && len(r.GraphFeatures) != want {
		return GraphFeatureWidth, fmt.Sprintf("it has %d features in %s, the model wants %d", len(r.GraphFeatures), b.cfg.name(InputGraphAttr), want)
	}
	if b.cfg.EdgeWidth > 0 {
		if i := nonFinite(r.EdgeFeatures); i >= 0 {
			return NonFiniteFeature, fmt.Sprintf("feature %d of edge %d is %v in %s",
				i%r.EdgeWidth, i/r.EdgeWidth, r.EdgeFeatures[i], b.cfg.name(InputEdgeAttr))
		}
	}
	if b.cfg.GraphWidth > 0 {
		if i := nonFinite(r.GraphFeatures); i >= 0 {
			return NonFiniteFeature, fmt.Sprintf("feature %d of the graph is %v in %s", i, r.GraphFeatures[i], b.cfg.name(InputGraphAttr))
		}
	}
	return r.Code, r.Message
}

// MaxExactInt is the largest integer up to which float32 holds all: beyond it some are rounded.
const MaxExactInt = 1 << 24

// ExactInts writes integers as float32 to dst, which is as long, and returns the place of the first one beyond
// MaxExactInt either way, or -1. What it writes from there on means nothing.
func ExactInts(dst []float32, src []int64) int {
	dst = dst[:len(src)]
	for i, v := range src {
		if uint64(v)+MaxExactInt > 2*MaxExactInt { // a number below -MaxExactInt becomes a huge one
			return i
		}
		dst[i] = float32(v)
	}
	return -1
}

// CategoryOf returns an integer as an edge type, and false where it cannot be one.
func CategoryOf(v int64) (uint32, bool) { return uint32(v), v >= 0 && v <= math.MaxUint32 }

// further appends what a row has in further columns. next is where the next edge of each target would go after all of
// the row went: its edges were grouped before, and are placed again in the same order.
func (b *Builder) further(r *Row, edge int, next []uint32) {
	t := b.batch
	t.GraphFeatures = append(t.GraphFeatures, r.GraphFeatures[:b.cfg.GraphWidth]...)
	width := b.cfg.EdgeWidth
	if width == 0 && !b.cfg.Typed && !b.cfg.EdgeRows {
		return
	}
	edges := len(r.Targets)
	places := b.places[:0]
	if cap(places) < edges {
		places = make([]uint32, 0, edges)
	}
	var at uint32
	for i, d := range t.InDegree[len(t.InDegree)-r.Nodes:] {
		next[i] = at
		at += d
	}
	for _, v := range r.Targets {
		places = append(places, next[v])
		next[v]++
	}
	b.places = places
	if width > 0 {
		t.EdgeFeatures = append(t.EdgeFeatures, make([]float32, edges*width)...)
		features := t.EdgeFeatures[edge*width:]
		for i, p := range places {
			copy(features[int(p)*width:int(p+1)*width], r.EdgeFeatures[i*width:(i+1)*width])
		}
	}
	if b.cfg.Typed {
		t.EdgeTypes = append(t.EdgeTypes, make([]uint32, edges)...)
		types := t.EdgeTypes[edge:]
		for i, p := range places {
			types[p] = r.EdgeTypes[i]
		}
	}
	if b.cfg.EdgeRows {
		t.EdgeRows = append(t.EdgeRows, make([]uint32, edges)...)
		rows := t.EdgeRows[edge:]
		for i, p := range places {
			rows[p] = uint32(i)
		}
	}
}

// resetFurther makes the batch of the builder ready for further columns, in the memory of old.
func (b *Builder) resetFurther(old *Batch) {
	t := b.batch
	t.EdgeWidth, t.EdgeFeatures = b.cfg.EdgeWidth, old.EdgeFeatures[:0]
	t.GraphWidth, t.GraphFeatures = b.cfg.GraphWidth, old.GraphFeatures[:0]
	if b.cfg.Typed {
		if t.EdgeTypes = old.EdgeTypes[:0]; old.EdgeTypes == nil {
			t.EdgeTypes = []uint32{}
		}
	}
	if b.cfg.EdgeRows {
		if t.EdgeRows = old.EdgeRows[:0]; old.EdgeRows == nil {
			t.EdgeRows = []uint32{}
		}
	}
}

// growFurther makes room for that many more graphs and edges.
func (b *Builder) growFurther(graphs, edges int) {
	t := b.batch
	t.GraphFeatures = grow(t.GraphFeatures, graphs*b.cfg.GraphWidth)
	t.EdgeFeatures = grow(t.EdgeFeatures, edges*b.cfg.EdgeWidth)
	if b.cfg.Typed {
		t.EdgeTypes = grow(t.EdgeTypes, edges)
	}
	if b.cfg.EdgeRows {
		t.EdgeRows = grow(t.EdgeRows, edges)
	}
}
