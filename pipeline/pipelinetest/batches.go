package pipelinetest

import (
	"fmt"

	"pgregory.net/rapid"

	"graphscore/pipeline/graph"
)

// Shape says what random batches look like.
type Shape struct {
	Width    int
	Weighted bool
	// NodeIDs: nodes have ids of their own, as text.
	NodeIDs bool
	// MaxNodes is the largest graph, 0 means 8.
	MaxNodes int
}

// Batches draws batches of graphs, some of them without nodes, with rows from 0 on and with rejected rows
// between them.
func Batches(t *rapid.T, shape Shape) []*graph.Batch {
	cfg := graph.BuilderConfig{Width: shape.Width, Weighted: shape.Weighted, GraphIDs: graph.String}
	if shape.NodeIDs {
		kind := graph.String
		cfg.NodeIDs = &kind
	}
	b := graph.NewBuilder(cfg)
	var batches []*graph.Batch
	row := int64(0)
	for range rapid.IntRange(0, 4).Draw(t, "batches") {
		for range rapid.IntRange(0, 12).Draw(t, "rows") {
			if rapid.IntRange(0, 9).Draw(t, "bad") == 0 {
				b.Reject(graph.Rejection{GraphID: fmt.Sprint(row), Row: row, Code: graph.NullValue, Message: "node_feat is null"})
			} else {
				b.Add(drawRow(t, shape, row))
			}
			row++
		}
		batches = append(batches, b.Batch())
	}
	return batches
}

func drawRow(t *rapid.T, shape Shape, row int64) *graph.Row {
	n := rapid.IntRange(0, max(shape.MaxNodes, 8)).Draw(t, "nodes")
	r := &graph.Row{
		Row: row, TextID: fmt.Appendf(nil, "g%d", row), Nodes: n, Width: shape.Width, NumNodes: -1,
		Features: make([]float32, n*shape.Width), NodeIDs: graph.IDs{Kind: graph.String},
	}
	for i := range r.Features {
		r.Features[i] = rapid.Float32Range(-4, 4).Draw(t, "x")
	}
	if n > 0 {
		for range rapid.IntRange(0, 2*n).Draw(t, "edges") {
			r.Sources = append(r.Sources, int64(rapid.IntRange(0, n-1).Draw(t, "source")))
			r.Targets = append(r.Targets, int64(rapid.IntRange(0, n-1).Draw(t, "target")))
			r.Weights = append(r.Weights, rapid.Float32Range(0, 2).Draw(t, "weight"))
		}
	}
	for i := range n {
		r.NodeIDs.AppendBytes(fmt.Appendf(nil, "n%d", i))
	}
	return r
}
