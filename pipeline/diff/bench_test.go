package diff

import (
	"path/filepath"
	"testing"
	"time"

	"graphscore/pipeline/graph"
	"graphscore/writers"
	"graphscore/writers/part"
)

// BenchmarkCompare writes two outputs of molecules and compares them. "speed" is the rows of one side that are
// compared in a second over those that the writer wrote in one: at least 0.5 is promised.
func BenchmarkCompare(b *testing.B) {
	for name, c := range map[string]struct {
		world  world
		change float32
	}{
		"equal":   {world{graphs: graph.Int64, nodes: graph.Int64, outputs: []string{"score"}}, 0},
		"texts":   {world{graphs: graph.String, nodes: graph.Int64, outputs: []string{"score"}}, 0},
		"changed": {world{graphs: graph.Int64, nodes: graph.Int64, outputs: []string{"score"}}, 1e-3},
		"wide":    {world{graphs: graph.Int64, nodes: graph.Int64, outputs: []string{"a", "b", "c", "d", "e", "f", "g", "h"}}, 0},
	} {
		b.Run(name, func(b *testing.B) {
			const graphs = 100_000
			var dirs [2]string
			var wrote time.Duration
			for i := range dirs {
				dirs[i] = filepath.Join(b.TempDir(), "out")
				start := time.Now()
				c.world.bulk(b, dirs[i], graphs, float32(i)*c.change)
				wrote += time.Since(start) / 2
			}
			b.ResetTimer()
			for range b.N {
				if _, err := Compare(b.Context(), Config{Old: dirs[0], New: dirs[1]}); err != nil {
					b.Fatal(err)
				}
			}
			perRun := b.Elapsed() / time.Duration(b.N)
			b.ReportMetric(graphs*16/perRun.Seconds()/1e6, "Mrows/s")
			b.ReportMetric(wrote.Seconds()/perRun.Seconds(), "speed")
		})
	}
}

// bulk writes an output of one part, graphs of 16 nodes each.
func (w world) bulk(b *testing.B, dir string, graphs int, change float32) {
	o, err := writers.Open(b.Context(), writers.Config{Dir: dir})
	must(b, err)
	defer o.Close()
	p, err := o.Create(b.Context(), part.Spec{Part: "a.parquet", Input: "a", Rows: int64(graphs)}, w.contents())
	must(b, err)
	defer p.Close()
	const nodes, at = 16, 1000
	for first := 0; first < graphs; first += at {
		batch := &graph.Batch{IDs: graph.IDs{Kind: w.graphs}, NodeOffsets: []uint32{0}, InDegree: make([]uint32, at*nodes)}
		s := &graph.Scores{Outputs: len(w.outputs), Values: make([]float32, at*nodes*len(w.outputs))}
		for i := range s.Values {
			s.Values[i] = float32((first*nodes+i)*7919%100_003)/100_003 + change
		}
		for i := range at {
			batch.IDs.AppendInt(int64(first + i))
			batch.NodeOffsets = append(batch.NodeOffsets, uint32((i+1)*nodes))
		}
		must(b, p.Write(b.Context(), batch, s))
	}
	must(b, p.Commit(b.Context()))
}
