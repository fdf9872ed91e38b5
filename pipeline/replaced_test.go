package pipeline_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"graphscore/pipeline"
	"graphscore/pipeline/graph"
	"graphscore/pipeline/pipelinetest"
)

// replaced is a process that is ended again and again for what no call had a part in.
type replaced struct{}

func (replaced) Ended(context.Context, string) (string, graph.Fault) {
	return "was replaced", graph.NoFault
}
func (replaced) Hung(context.Context, string, time.Time) {}
func (replaced) Excuse(bool)                             {}

// TestReplacedForOthers: a graph whose worker is replaced under it, however often, is not at fault.
func TestReplacedForOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const losses = 6
		one, lost := blob(1, 256), 0
		scorer := &pipelinetest.Scorer{Before: func(_ context.Context, b *graph.Batch) error {
			if b == one && lost < losses {
				lost++
				return failed(graph.FaultCrashed, "the connection was lost", 0)
			}
			return nil
		}}
		patient := pipeline.Patient(scorer, pipeline.Patience{Workers: replaced{}})
		if s, err := patient.Score(t.Context(), one); err != nil || len(s.Failed) > 0 || lost != losses {
			t.Errorf("%+v, %v, after %d losses", s, err, lost)
		}
	})
}
