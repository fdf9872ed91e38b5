package pipeline_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"graphscore/pipeline"
	"graphscore/pipeline/graph"
	"graphscore/pipeline/pipelinetest"
)

// TestStoppedWhileItFails: where a run is stopped during a call that fails, the error is that it was stopped.
func TestStoppedWhileItFails(t *testing.T) {
	t.Parallel()
	for _, fault := range []graph.Fault{graph.NoFault, graph.FaultRaised, graph.FaultCrashed, graph.FaultMemory, graph.FaultHung, graph.FaultPressure} {
		for last := 1; last <= 6; last++ {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				calls := 0
				scorer := &pipelinetest.Scorer{Before: func(context.Context, *graph.Batch) error {
					if calls++; calls == last {
						cancel()
					}
					return failed(fault, "it fails", 0)
				}}
				_, err := pipeline.Patient(scorer, pipeline.Patience{}).Score(ctx, blob(2, 256))
				if !errors.Is(err, context.Canceled) || calls != last {
					t.Errorf("fault %d, stopped in call %d of %d: %v", fault, last, calls, err)
				}
			})
		}
	}
}
