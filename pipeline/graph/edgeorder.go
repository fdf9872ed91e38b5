package graph

import (
	"fmt"
	"math"
)

// Edge is an edge of a batch by its places: At in Sources and all that has its order, Source and Target among the nodes of
// the batch, as [Batch.NodeRange] counts.
type Edge struct{ At, Source, Target uint32 }

// EdgeOrder lists the edges of a graph in the order of the input. One goroutine uses it. It holds a window of the edges: a
// million of them, or a sixteenth where a graph has more than sixteen million, so that a graph of any size is passed over
// sixteen times at most. The zero value is ready to use.
type EdgeOrder struct {
	// Least is the smallest number of edges of a window. Default 2^20.
	Least int

	window []Edge
}

// windows is the largest number of windows of a graph.
const windows = 16

// noEdge marks a place of a window that no edge has.
const noEdge = math.MaxUint32

// Window returns the edges of graph g of the batch from the given place in its input on, as many as a window has, none at
// the end. They are valid until the next call. The error says that EdgeRows are not the places of all edges, each once.
func (o *EdgeOrder) Window(b *Batch, g, from int) ([]Edge, error) {
	edge, end := b.EdgeRange(g)
	if len(b.EdgeRows) != len(b.Sources) {
		return nil, fmt.Errorf("the batch has %d places of edges in the input for %d edges", len(b.EdgeRows), len(b.Sources))
	}
	least := o.Least
	if least == 0 {
		least = 1 << 20
	}
	size := min(end-edge-from, max(least, (end-edge+windows-1)/windows))
	if cap(o.window) < size {
		o.window = make([]Edge, size)
	}
	window, found := o.window[:size], 0
	for i := range window {
		window[i].At = noEdge
	}
	first := int(b.NodeOffsets[0])
	node, last := b.NodeRange(g)
	for ; node < last; node++ {
		for range b.InDegree[node] {
			if place := int(b.EdgeRows[edge]) - from; place >= 0 && place < size && window[place].At == noEdge {
				window[place] = Edge{At: uint32(edge), Source: b.Sources[edge] - uint32(first), Target: uint32(node)}
				found++
			}
			edge++
		}
	}
	if found != size || edge != end {
		return nil, fmt.Errorf("graph %d of the batch has %d edges, whose places in the input are not 0 to %d, each once", g, b.GraphEdges(g), b.GraphEdges(g)-1)
	}
	return window, nil
}

// WrittenRows is the number of rows that a part of a level has of graph g. A graph without nodes has none.
func (b *Batch) WrittenRows(l Level, g int) int {
	if b.GraphNodes(g) == 0 {
		return 0
	}
	from, to := b.ScoreRange(l, g)
	return to - from
}
