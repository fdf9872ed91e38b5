package readers_test

import (
	"os"
	"testing"

	"graphscore/readers"
)

// BenchmarkRead reads the files named in GRAPHSCORE_BENCH_INPUT (a glob, by default a small file of testdata)
// on one goroutine.
func BenchmarkRead(b *testing.B) {
	input := os.Getenv("GRAPHSCORE_BENCH_INPUT")
	if input == "" {
		input = "testdata/good/v1_zstd.parquet"
	}
	p, err := readers.NewPlan(b.Context(), readers.Config{Inputs: []readers.Input{{Path: input}}})
	if err != nil {
		b.Fatal(err)
	}
	width, err := p.Width(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	graphs := 0
	for b.Loop() {
		for i := range p.Shards {
			src, err := p.Open(b.Context(), &p.Shards[i], wanted(width))
			if err != nil {
				b.Fatal(err)
			}
			for batch := range batches(b, src) {
				graphs += batch.Graphs()
				src.Recycle(batch) // as the pipeline does
			}
			if err := src.Close(); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(graphs)/b.Elapsed().Seconds(), "graphs/s")
}
