package run

import (
	"slices"
	"testing"
	"time"

	"graphscore/writers/record"
)

func TestJoinCurves(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	task := func(after time.Duration, samples ...record.Sample) *record.TaskRun {
		r := &record.TaskRun{}
		r.Started, r.Throughput = start.Add(after).Format(time.RFC3339), samples
		return r
	}
	sample := func(seconds float64, graphs int64) record.Sample {
		return record.Sample{Seconds: seconds, Graphs: graphs}
	}
	unknown := &record.TaskRun{}
	unknown.Throughput = []record.Sample{sample(1, 1000)}
	got := joinCurves(start, []*record.TaskRun{task(0, sample(1, 10), sample(4, 40)), task(2*time.Second, sample(1, 5), sample(3, 25)), unknown})
	if expected := []record.Sample{sample(1, 10), sample(3, 15), sample(4, 45), sample(5, 65)}; !slices.Equal(got, expected) {
		t.Errorf("got %v, expected %v", got, expected)
	}
	var many []*record.TaskRun
	for range 100 {
		many = append(many, task(0, sample(1, 1), sample(2, 2), sample(3, 3)))
	}
	got = joinCurves(start, many)
	if n := len(got); n > record.SamplesKept || got[n-1] != sample(3, 300) {
		t.Errorf("%d samples, the last is %v", n, got[n-1])
	}
	if joinCurves(start, nil) != nil {
		t.Error("a curve of nothing")
	}
}
