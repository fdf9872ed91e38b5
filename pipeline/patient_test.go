package pipeline_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"graphscore/pipeline"
	"graphscore/pipeline/graph"
	"graphscore/pipeline/pipelinetest"
)

// trouble is an error of a scorer with every method that decorators look for.
type trouble struct {
	again bool
	after time.Duration
	code  graph.Code
}

func (e *trouble) Error() string             { return "trouble" }
func (e *trouble) Retryable() bool           { return e.again }
func (e *trouble) RetryAfter() time.Duration { return e.after }
func (e *trouble) Refused() (graph.Code, string, bool) {
	return e.code, "cannot be scored", e.code != ""
}

// failing fails a number of calls, then scores.
func failing(times int, err error, calls *int) *pipelinetest.Scorer {
	return &pipelinetest.Scorer{Before: func(context.Context, *graph.Batch) error {
		if *calls++; *calls <= times {
			return err
		}
		return nil
	}}
}

func TestPatientRepeats(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		times  int
		err    *trouble
		calls  int
		atMost time.Duration
		fails  bool
		probes int
	}{
		"succeeds at last":    {times: 3, err: &trouble{again: true}, calls: 4, atMost: 5 * time.Second},
		"waits as told":       {times: 1, err: &trouble{again: true, after: 20 * time.Second}, calls: 2, atMost: 21 * time.Second},
		"not retryable":       {times: 1, err: &trouble{}, calls: 1, fails: true},
		"tries once more":     {times: 9, err: &trouble{again: true, after: 2 * time.Hour}, calls: 2 + 1, atMost: 5 * time.Hour, fails: true, probes: 1},
		"gives up in the end": {times: 1e6, err: &trouble{again: true}, calls: -1, atMost: 70 * time.Second, fails: true, probes: 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				p := &pipeline.Progress{}
				start := time.Now()
				s := pipeline.Patient(failing(test.times, test.err, &calls), pipeline.Patience{Progress: p})
				_, err := s.Score(t.Context(), line(2))
				if (err != nil) != test.fails || (test.calls >= 0 && calls != test.calls) || time.Since(start) > test.atMost {
					t.Errorf("%v after %d calls and %v", err, calls, time.Since(start))
				}
				if got := p.Retries.Load(); got != int64(calls-1-test.probes) {
					t.Errorf("%d retries counted, %d calls", got, calls)
				}
			})
		})
	}
}

func TestPatientStopsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		calls := 0
		s := pipeline.Patient(failing(1e6, &trouble{again: true, after: time.Minute}, &calls), pipeline.Patience{})
		if _, err := s.Score(ctx, line(2)); !errors.Is(err, context.DeadlineExceeded) || calls != 1 {
			t.Errorf("%v after %d calls", err, calls)
		}
	})
}

func TestPatientIsolates(t *testing.T) {
	t.Parallel()
	b := line(9)
	tests := map[string][]int64{
		"none": nil, "first": {0}, "last": {8}, "two": {3, 4}, "all": {0, 1, 2, 3, 4, 5, 6, 7, 8},
	}
	for name, poison := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := pipeline.Patient(&pipelinetest.Scorer{Before: func(_ context.Context, b *graph.Batch) error {
				if slices.ContainsFunc(b.IDs.Ints, func(id int64) bool { return slices.Contains(poison, id) }) {
					return &trouble{code: graph.Refused}
				}
				return nil
			}}, pipeline.Patience{})
			got, err := s.Score(t.Context(), b)
			if err != nil {
				t.Fatal(err)
			}
			want, err := (&pipelinetest.Scorer{}).Score(t.Context(), b)
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range poison {
				want.Failed = append(want.Failed, graph.Failure{Graph: int(id), Code: graph.Refused, Message: "cannot be scored"})
				from, to := b.NodeRange(int(id))
				clear(want.Values[from:to])
			}
			if len(poison) == b.Graphs() {
				want.Outputs, want.Values = 0, []float32{}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPatientPassesOtherErrors(t *testing.T) {
	t.Parallel()
	calls := 0
	_, err := pipeline.Patient(failing(9, &trouble{}, &calls), pipeline.Patience{}).Score(t.Context(), line(4))
	if err == nil || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
}

func TestFakeScorerContract(t *testing.T) {
	t.Parallel()
	pipelinetest.TestScorer(t, &pipelinetest.Scorer{Outputs: 3}, line(5), 3)
}
