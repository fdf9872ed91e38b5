package pipeline_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"graphscore/pipeline"
	"graphscore/pipeline/graph"
	"graphscore/pipeline/pipelinetest"
)

// besides is a scorer on which one graph raises once, and then fails whenever another call is under way: the other one
// holds the only thread of the process, takes its memory, or ends it.
type besides struct {
	pipelinetest.Scorer
	fault graph.Fault

	mu     sync.Mutex
	raised bool
	calls  int
}

func (s *besides) Score(ctx context.Context, b *graph.Batch) (*graph.Scores, error) {
	s.mu.Lock()
	s.calls++
	fault := graph.NoFault
	switch suspect := b.Graphs() == 1 && b.Rows[0] == 0 && b.Bytes() != good; {
	case suspect && !s.raised:
		s.raised, fault = true, graph.FaultRaised
	case suspect && s.calls > 1:
		fault = s.fault
	}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.calls--
	}()
	if b.Graphs() > 1 {
		time.Sleep(10 * time.Second) // the others
	}
	if fault != graph.NoFault {
		return nil, &pipelinetest.Failed{Message: "trouble", Suspects: graph.Suspicion{Fault: fault, Message: "trouble"}}
	}
	return s.Scorer.Score(ctx, b)
}

// good is the size of a known good graph, other than those of line.
var good = (&graph.Batch{
	NodeOffsets: []uint32{0, 2}, EdgeOffsets: []uint32{0, 2}, Width: line(1).Width,
	Features: make([]float32, 2*line(1).Width), InDegree: []uint32{1, 1}, Sources: []uint32{1, 0},
}).Bytes()

// TestExamineBesideOthers: what a graph meets because of another call does not confirm that it is at fault.
func TestExamineBesideOthers(t *testing.T) {
	t.Parallel()
	for kind, fault := range faults {
		if fault == graph.FaultRaised {
			continue // that is of the graph's own call
		}
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &besides{fault: fault}
				patient := pipeline.Patient(s, pipeline.Patience{Gate: pipeline.NewGate(2)})
				var group errgroup.Group
				group.Go(func() error {
					_, err := patient.Score(t.Context(), line(5))
					return err
				})
				synctest.Wait()
				got, err := patient.Score(t.Context(), line(1))
				if err != nil || len(got.Failed) > 0 {
					t.Errorf("%+v, %v", got, err)
				}
				if err := group.Wait(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
