package writers

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"graphscore/pipeline/graph"
	"graphscore/writers/part"
)

// BenchmarkWrite writes and commits parts of GRAPHSCORE_BENCH_GRAPHS graphs (default 20,000) of 16 nodes, in
// batches as requests have them. python/benchmarks/columns.py writes the same table with pyarrow.
func BenchmarkWrite(b *testing.B) {
	graphs := 20_000
	if n, err := strconv.Atoi(os.Getenv("GRAPHSCORE_BENCH_GRAPHS")); err == nil {
		graphs = n
	}
	batches, scores := benchBatches(graphs)
	o := openBench(b)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		writeBatches(b, o, fmt.Sprintf("%d.parquet", n), batches, scores)
	}
	b.ReportMetric(float64(graphs)*float64(b.N)/b.Elapsed().Seconds(), "graphs/s")
}

const (
	benchNodes = 16
	benchBatch = 700
)

// benchBatches makes graphs "m0", "m1", ... and their scores.
func benchBatches(graphs int) ([]*graph.Batch, []*graph.Scores) {
	var batches []*graph.Batch
	var scores []*graph.Scores
	for first := 0; first < graphs; first += benchBatch {
		n := min(benchBatch, graphs-first)
		batch := &graph.Batch{
			IDs: graph.IDs{Kind: graph.String}, NodeOffsets: []uint32{0},
			InDegree: make([]uint32, n*benchNodes), EdgeOffsets: make([]uint32, n+1),
			RowGroups: make([]int32, n), Rows: make([]int64, n),
		}
		s := &graph.Scores{Outputs: 1, Values: make([]float32, n*benchNodes)}
		for i := range s.Values {
			s.Values[i] = float32((first*benchNodes+i)*7919%100_003) / 100_003
		}
		for i := range n {
			batch.IDs.AppendBytes(fmt.Appendf(nil, "m%d", first+i))
			batch.NodeOffsets = append(batch.NodeOffsets, uint32((i+1)*benchNodes))
			batch.Rows[i] = int64(first + i)
		}
		batches, scores = append(batches, batch), append(scores, s)
	}
	return batches, scores
}

// openBench opens an output of one score and the usual sizes.
func openBench(tb testing.TB) opened {
	tb.Helper()
	return open(tb, setup{
		Config:   Config{Dir: tb.TempDir() + "/out"},
		Contents: part.Contents{Outputs: []string{"score"}, GraphIDs: graph.String, NodeIDs: graph.Int64},
	})
}

// writeBatches writes and commits a part.
func writeBatches(tb testing.TB, o opened, name string, batches []*graph.Batch, scores []*graph.Scores) {
	tb.Helper()
	var rows int64
	for _, b := range batches {
		rows += int64(b.Graphs())
	}
	p, err := o.Create(tb.Context(), part.Spec{Part: name, Input: name, Rows: rows})
	if err != nil {
		tb.Fatal(err)
	}
	defer p.Close()
	for i, b := range batches {
		if err := p.Write(tb.Context(), b, scores[i]); err != nil {
			tb.Fatal(err)
		}
	}
	if err := p.Commit(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}
