package diff

import (
	"fmt"
	"math"
	"testing"
)

// TestTiedScoresOfOutputs: outputs whose scores are tied, at round numbers too, have the PSI of the vectors whether they
// moved a little up or down. The outputs are so many that the first reading has few bins.
func TestTiedScoresOfOutputs(t *testing.T) {
	t.Parallel()
	w := texts
	w.outputs = nil
	for i := range 300 {
		w.outputs = append(w.outputs, fmt.Sprint("o", i))
	}
	levels := []float32{0, 1, 2, 2, 5, 5, 5, -4, 1e6, -1e6}
	write := func(shift float32) string {
		var graphs []g
		for i := range 40 {
			row := make([]float32, len(w.outputs))
			for k := range row {
				row[k] = levels[(i*7+k)%len(levels)]
				row[k] += shift * max(1, float32(math.Abs(float64(row[k]))))
			}
			graphs = append(graphs, g{id: fmt.Sprint(i), scores: [][]float32{row}})
		}
		return w.write(t, written{input: "a", graphs: graphs})
	}
	old := write(0)
	up, down := compare(t, Config{Old: old, New: write(1e-4)}), compare(t, Config{Old: old, New: write(-1e-4)})
	for k, o := range up.Outputs {
		if other := down.Outputs[k]; o.PSI < 0.1 || math.Abs(o.PSI-other.PSI) > 1e-9 {
			t.Errorf("%s: PSI %v up, %v down", o.Name, o.PSI, other.PSI)
		}
	}
}
