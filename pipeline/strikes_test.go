package pipeline_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"graphscore/pipeline"
	"graphscore/pipeline/graph"
	"graphscore/pipeline/pipelinetest"
)

// scripted fails the calls of row 0 alone as it says, one after the other, and scores it then. Every call takes that long.
type scripted struct {
	pipelinetest.Scorer
	takes time.Duration

	mu     sync.Mutex
	faults []graph.Fault
}

func (s *scripted) Score(ctx context.Context, b *graph.Batch) (*graph.Scores, error) {
	time.Sleep(s.takes)
	if b.Graphs() == 1 && b.Rows[0] == 0 && b.Bytes() != good {
		if fault := s.next(); fault != graph.NoFault {
			return nil, &pipelinetest.Failed{Message: "trouble", Suspects: graph.Suspicion{Fault: fault, Message: "trouble"}}
		}
	}
	return s.Scorer.Score(ctx, b)
}

func (s *scripted) next() graph.Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) == 0 {
		return graph.NoFault
	}
	fault := s.faults[0]
	s.faults = s.faults[1:]
	return fault
}

// TestExamineMixedFaults: that a scorer was full for a graph does not make a single failure of another kind enough.
func TestExamineMixedFaults(t *testing.T) {
	t.Parallel()
	full := []graph.Fault{graph.FaultPressure, graph.FaultPressure, graph.FaultPressure, graph.FaultPressure, graph.FaultPressure}
	for kind, fault := range faults {
		if fault == graph.FaultPressure {
			continue
		}
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &scripted{takes: time.Millisecond, faults: append(full[:len(full):len(full)], fault)}
				patient := pipeline.Patient(s, pipeline.Patience{Gate: pipeline.NewGate(2)})
				for range 30 { // it learns how long calls take
					if _, err := patient.Score(t.Context(), line(9).Slice(1, 9)); err != nil {
						t.Fatal(err)
					}
				}
				if got, err := patient.Score(t.Context(), line(1)); err != nil || len(got.Failed) > 0 {
					t.Errorf("%+v, %v", got, err)
				}
			})
		})
	}
}

// TestSuspectHasItsTurn: a graph that is to be scored with nothing else under way is, however many calls others make.
func TestSuspectHasItsTurn(t *testing.T) {
	t.Parallel()
	for workers := range 3 {
		synctest.Test(t, func(t *testing.T) {
			s := &scripted{takes: time.Second, faults: []graph.Fault{graph.FaultCrashed}}
			patient := pipeline.Patient(s, pipeline.Patience{Gate: pipeline.NewGate(1 + workers)})
			began := time.Now()
			var over atomic.Bool
			var group errgroup.Group
			for i := range 3 {
				group.Go(func() error {
					for time.Sleep(time.Duration(i) * 300 * time.Millisecond); !over.Load() && time.Since(began) < time.Hour; {
						if _, err := patient.Score(t.Context(), line(9).Slice(1, 9)); err != nil {
							return err
						}
					}
					return nil
				})
			}
			time.Sleep(5 * time.Second)
			got, err := patient.Score(t.Context(), line(1))
			if took := time.Since(began); err != nil || len(got.Failed) > 0 || took > time.Minute {
				t.Errorf("workers %d: %+v, %v after %v", 1+workers, got, err, took)
			}
			over.Store(true)
			if err := group.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}
