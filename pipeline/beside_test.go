package pipeline_test

import (
	"context"
	"fmt"
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
// holds the only thread of the process, takes its memory, or ends it. Some times it fails while no other is.
type besides struct {
	pipelinetest.Scorer
	fault graph.Fault
	alone int

	mu     sync.Mutex
	raised bool
	calls  int
	failed int // while no other was under way
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
	case suspect && s.failed < s.alone:
		s.failed++
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

// TestExamineBesideOthers: what a graph meets because of another call does not speak against it, nor does it together with
// one failure that comes from outside while the graph is alone. Two of these in a row do.
func TestExamineBesideOthers(t *testing.T) {
	t.Parallel()
	for kind, fault := range faults {
		if fault == graph.FaultRaised {
			continue // that is of the graph's own call
		}
		for alone := range 3 {
			if fault == graph.FaultPressure && alone > 0 || fault == graph.FaultHung && alone > 1 {
				continue // that takes twenty; and who hangs must have had the time that it takes
			}
			t.Run(fmt.Sprint(kind, " and alone ", alone), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := &besides{fault: fault, alone: alone}
					patient := pipeline.Patient(s, pipeline.Patience{Gate: pipeline.NewGate(2)})
					var group errgroup.Group
					group.Go(func() error {
						_, err := patient.Score(t.Context(), line(5))
						return err
					})
					synctest.Wait()
					got, err := patient.Score(t.Context(), line(1))
					if err != nil || len(got.Failed) != alone/2 || s.failed != alone {
						t.Errorf("%+v, %v, failed %d times", got, err, s.failed)
					}
					if err := group.Wait(); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}

// TestExamineDeaths: how many processes a graph ends until it is found to be at fault, of a request of so many. Other calls
// are under way all the time.
func TestExamineDeaths(t *testing.T) {
	t.Parallel()
	for graphs, deaths := range map[int]int{1: 3, 2: 4, 64: 9} { // in the request, its halves, and twice alone
		for _, workers := range []int{1, 2, 4} {
			t.Run(fmt.Sprint(graphs, " graphs, workers ", workers), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					c := &pipelinetest.Cluster{Faults: map[int64]graph.Fault{0: graph.FaultCrashed}, Workers: workers, Takes: time.Second, Restart: time.Second}
					patient := patientWith(c, pipeline.Patience{Gate: pipeline.NewGate(workers)})
					var group errgroup.Group
					group.Go(func() error {
						for range 100 {
							if _, err := patient.Score(t.Context(), line(8).Slice(1, 8)); err != nil {
								return err
							}
							time.Sleep(time.Millisecond)
						}
						return nil
					})
					got, err := patient.Score(t.Context(), line(graphs))
					if counts := c.Counts(); err != nil || len(got.Failed) != 1 || counts.Excused+counts.Unexcused != deaths {
						t.Errorf("%+v, %v, %+v", got, err, counts)
					}
					if err := group.Wait(); err != nil {
						t.Error(err)
					}
				})
			})
		}
	}
}
