package graph_test

import (
	"testing"

	"graphscore/pipeline/graph"
)

// BenchmarkBuild adds molecules to batches: checks, and edges grouped by target.
func BenchmarkBuild(b *testing.B) {
	const graphs = 1500
	row := &graph.Row{Nodes: 16, Width: 16, NumNodes: -1, Features: make([]float32, 16*16)}
	for i := range 33 {
		row.Sources, row.Targets = append(row.Sources, int64(i%16)), append(row.Targets, int64(i*7%16))
	}
	b.ReportAllocs()
	for b.Loop() {
		builder := graph.NewBuilder(graph.BuilderConfig{Width: 16, GraphIDs: graph.Int64})
		for i := range graphs {
			row.Row, row.IntID = int64(i), int64(i)
			builder.Add(row)
		}
		if builder.Batch().Graphs() != graphs {
			b.Fatal("a graph was rejected")
		}
	}
	b.ReportMetric(float64(graphs*b.N)/b.Elapsed().Seconds(), "graphs/s")
}
