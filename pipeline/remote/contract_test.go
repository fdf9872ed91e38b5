package remote

import (
	"testing"

	"graphscore/pipeline/pipelinetest"
	"graphscore/pipeline/remote/remotetest"
)

// Both scorers keep the contract of pipeline.Scorer.
func TestScorerContract(t *testing.T) {
	t.Parallel()
	t.Run("native", func(t *testing.T) {
		t.Parallel()
		served := newServer(remotetest.NewNative(3, "a", "b"))
		n := native(t, quick(remotetest.ServeUnix(t, served)))
		pipelinetest.TestScorer(t, n, randomBatch(1, shape{graphs: 20, width: 3, weighted: true}), 2)
	})
	t.Run("gcn", func(t *testing.T) {
		t.Parallel()
		plain := &remotetest.GCN{Layers: []remotetest.Layer{{Weight: [][]float64{{1, -2, 3}}, Bias: []float64{0.5}}}}
		g := gcn(t, quick(remotetest.Serve(t, newServer(plain))))
		pipelinetest.TestScorer(t, g, randomBatch(2, shape{graphs: 20, width: 3}), 1)
	})
}
