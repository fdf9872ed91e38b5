package run

import (
	"cmp"
	"slices"
	"time"

	"graphscore/writers/record"
)

// joinCurves returns the throughput of several processes as that of one run which began at start: how many graphs all of them
// had done when. A process whose start is not known is left out.
func joinCurves(start time.Time, tasks []*record.TaskRun) []record.Sample {
	type step struct {
		seconds float64
		graphs  int64
	}
	var steps []step
	for _, t := range tasks {
		began, err := time.Parse(time.RFC3339, t.Started)
		if err != nil {
			continue
		}
		offset, before := Elapsed(start, began), int64(0)
		for _, s := range t.Throughput {
			steps = append(steps, step{offset + s.Seconds, s.Graphs - before})
			before = s.Graphs
		}
	}
	slices.SortStableFunc(steps, func(a, b step) int { return cmp.Compare(a.seconds, b.seconds) })
	var curve []record.Sample
	done := int64(0)
	every := max((len(steps)+record.SamplesKept-1)/record.SamplesKept, 1)
	for i, s := range steps {
		done += s.graphs
		if (len(steps)-1-i)%every == 0 { // the last one is kept
			curve = append(curve, record.Sample{Seconds: s.seconds, Graphs: done})
		}
	}
	return curve
}
