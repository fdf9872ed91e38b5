package pipeline_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"graphscore/pipeline"
	"graphscore/pipeline/graph"
	"graphscore/pipeline/pipelinetest"
)

// TestLargeAfterSmall: how long a large graph takes is not known from many small ones. Once its connection is lost.
func TestLargeAfterSmall(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		perByte time.Duration // beside a millisecond a call
		large   int64         // bytes
		one     bool          // graph a call
	}{
		"one graph a call":     {10 * time.Microsecond, 2 << 20, true},
		"several graphs":       {10 * time.Microsecond, 2 << 20, false},
		"almost the deadline":  {25 * time.Microsecond, 2 << 20, true},
		"large, but not so":    {10 * time.Microsecond, 256 << 10, true},
		"no more than a small": {10 * time.Microsecond, 1 << 10, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				large, small, lost := blob(1, test.large), blob(1, 256), false
				scorer := &pipelinetest.Scorer{Before: func(ctx context.Context, b *graph.Batch) error {
					if b == large && !lost {
						lost = true
						return failed(graph.FaultCrashed, "the connection was lost", 0)
					}
					deadline := time.Minute
					if d, is := ctx.Value(withinKey{}).(time.Duration); is {
						deadline = d
					}
					takes := time.Millisecond + time.Duration(b.Bytes())*test.perByte
					time.Sleep(min(takes, deadline))
					if takes > deadline {
						return failed(graph.FaultHung, "no answer", 0)
					}
					return nil
				}}
				patient := pipeline.Patient(scorer, pipeline.Patience{Within: (*pressed)(nil).within, OneGraph: test.one})
				for range 200 {
					if s, err := patient.Score(t.Context(), small); err != nil || len(s.Failed) > 0 {
						t.Fatalf("%v, %v", s, err)
					}
				}
				if s, err := patient.Score(t.Context(), large); err != nil || len(s.Failed) > 0 || !lost {
					t.Errorf("%v, %v", s, err)
				}
			})
		})
	}
}

// has reports whether a batch of [blob] has its graph of that number.
func has(b *graph.Batch, number int) bool { return slices.Contains(b.Features, float32(number+1)) }

// TestNeverWell: where a graph keeps a server from being well, or one of two is never well, the run ends.
func TestNeverWell(t *testing.T) {
	t.Parallel()
	const bad = 2
	tests := map[string]struct {
		workers int
		ill     time.Duration // how long the server fails on everything after the bad graph
		turn    int           // of two servers: who is first; 0 for one
	}{
		"ill for a while": {workers: 1, ill: 5 * time.Second},
		"first of two":    {workers: 2, turn: 1},
		"second of two":   {workers: 2, turn: 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var until time.Time
				turn := test.turn
				scorer := answers(func(ctx context.Context, b *graph.Batch) (*graph.Scores, error) {
					time.Sleep(5 * time.Millisecond)
					turn++
					ill := test.turn > 0 && turn%2 == 0
					address := fmt.Sprint("server ", ill)
					if poison := has(b, bad); poison || ill || time.Now().Before(until) {
						if poison {
							until = time.Now().Add(test.ill)
						}
						return nil, &pipelinetest.Failed{Message: "trouble", Suspects: graph.Suspicion{Fault: graph.FaultRaised, Message: "trouble", Address: address}}
					}
					s, err := (&pipelinetest.Scorer{}).Score(ctx, b)
					if err == nil {
						s.Address = address
					}
					return s, err
				})
				ctx, cancel := context.WithTimeout(t.Context(), 12*time.Hour)
				defer cancel()
				began := time.Now()
				s, err := pipeline.Patient(scorer, pipeline.Patience{Gate: pipeline.NewGate(test.workers)}).Score(ctx, blob(4, 4<<10))
				if took := time.Since(began); ctx.Err() != nil || took > 20*time.Minute {
					t.Fatalf("%v after %v", err, took)
				}
				if err == nil && (len(s.Failed) != 1 || s.Failed[0].Graph != bad) {
					t.Errorf("%v", s.Failed)
				}
				t.Logf("%v, %v", time.Since(began), err)
			})
		})
	}
}

// answers is a scorer that is a function.
type answers func(context.Context, *graph.Batch) (*graph.Scores, error)

func (a answers) Score(ctx context.Context, b *graph.Batch) (*graph.Scores, error) { return a(ctx, b) }

// TestFullForLarge: others of a server may leave no place for a large graph for a while, and always one for a small. Where
// that lasts, it is the graph.
func TestFullForLarge(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		busy, budget time.Duration
		fails        bool
	}{
		"a second":              {busy: time.Second},
		"ten":                   {busy: 10 * time.Second},
		"almost the budget":     {busy: 50 * time.Second},
		"a longer budget":       {busy: 9 * time.Minute, budget: 10 * time.Minute},
		"for ever":              {busy: 100 * time.Hour, fails: true},
		"for ever, and hasty":   {busy: 100 * time.Hour, budget: 10 * time.Second, fails: true},
		"for ever, no patience": {busy: 100 * time.Hour, budget: time.Millisecond, fails: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				p := &pressed{deadline: time.Minute, latency: 5 * time.Millisecond}
				p.refuses = func(bytes int64, _ int) bool { return time.Since(began) < test.busy && bytes > 4<<10 }
				patient := pipeline.Patient(p, pipeline.Patience{Within: p.within, Budget: test.budget})
				s, err := patient.Score(t.Context(), blob(1, 8<<10))
				if err != nil {
					t.Fatal(err)
				}
				var want []graph.Failure
				if test.fails {
					want = []graph.Failure{{Code: graph.OutOfMemory, Message: "full"}}
				}
				if diff := cmp.Diff(want, s.Failed); diff != "" {
					t.Error(diff)
				}
				budget := (pipeline.Patience{Budget: test.budget}).WithDefaults().Budget
				if took := time.Since(began); test.fails && (took < budget || took > budget+2*time.Minute) {
					t.Errorf("%v", took)
				}
				t.Logf("%v, %d refused", time.Since(began), p.full)
			})
		})
	}
}

// TestDeadAfterAStall: one call that takes long, for whatever reason, does not let the next ones wait for a dead server.
func TestDeadAfterAStall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &pressed{deadline: time.Minute, latency: 50 * time.Second}
		patient := pipeline.Patient(p, pipeline.Patience{Within: p.within, Deadline: p.deadline})
		if s, err := patient.Score(t.Context(), blob(1, 1<<10)); err != nil || len(s.Failed) > 0 {
			t.Fatalf("%v, %v", s, err)
		}
		p.latency = 100 * time.Hour
		began := time.Now()
		if _, err := patient.Score(t.Context(), blob(1, 1<<10)); err == nil || time.Since(began) > 4*time.Minute {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}
