package run

import (
	"testing"

	"graphscore/writers/record"
)

// TestThroughputStaysSmall: however long a run is, its samples are few, evenly spaced, and end at its end.
func TestThroughputStaysSmall(t *testing.T) {
	t.Parallel()
	for _, ticks := range []int{0, 1, 5, 119, 120, 121, 500, 100_000} {
		var tp throughput
		for i := range ticks {
			tp.tick(float64(i), int64(10*i))
		}
		got := tp.ended(float64(ticks), int64(10*ticks))
		if n := len(got); n > record.SamplesKept || ticks > 120 && n < record.SamplesKept/2 || ticks > 0 && n == 0 {
			t.Errorf("%d ticks: %d samples", ticks, n)
		}
		for i := 1; i < len(got); i++ {
			first, step := got[1].Seconds-got[0].Seconds, got[i].Seconds-got[i-1].Seconds
			if got[i].Graphs != int64(10*got[i].Seconds) || i < len(got)-1 && step != first || step <= 0 {
				t.Errorf("%d ticks: sample %d is %+v after %+v", ticks, i, got[i], got[i-1])
			}
		}
		if len(got) > 0 && got[len(got)-1].Seconds != float64(ticks) {
			t.Errorf("%d ticks: it ends at %+v", ticks, got[len(got)-1])
		}
	}
}
