package verify

import (
	"testing"
	"time"
)

// BenchmarkRun verifies a part of molecules, alone and beside an input in memory. "speed" is the rows that are
// verified in a second over those that the writer wrote in one: at least 0.5 is promised.
func BenchmarkRun(b *testing.B) {
	molecules := make([]one, 100_000)
	for i := range molecules {
		molecules[i] = one{id: int64(i), nodes: 16}
	}
	start := time.Now()
	for range 3 { // the making of the batch is not the writer's
		batch(0, molecules)
	}
	making := time.Since(start) / 3
	start = time.Now()
	dir := write(b, molecules)
	wrote := time.Since(start) - making
	for name, in := range map[string]Input{"alone": nil, "with input": input{molecules, "fast:1"}} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				r, err := Run(b.Context(), Config{Dir: dir, Input: in})
				if err != nil || r.FoundWrong > 0 {
					b.Fatal(err, r)
				}
			}
			perRun := b.Elapsed() / time.Duration(b.N)
			b.ReportMetric(16*float64(len(molecules))/perRun.Seconds()/1e6, "Mrows/s")
			b.ReportMetric(wrote.Seconds()/perRun.Seconds(), "speed")
		})
	}
}
