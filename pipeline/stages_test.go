package pipeline_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"graphscore/pipeline"
	"graphscore/pipeline/graph"
	"graphscore/pipeline/pipelinetest"
)

// slow stages of a run: each takes its time for a batch, a call or a write, and nothing else takes any.
type slow struct{ read, transport, model, write time.Duration }

type slowSource struct {
	*pipelinetest.Source
	each time.Duration
}

func (s slowSource) Next(ctx context.Context) (*graph.Batch, error) {
	time.Sleep(s.each)
	return s.Source.Next(ctx)
}

type slowScorer struct {
	pipelinetest.Scorer
	slow
}

func (s *slowScorer) Score(ctx context.Context, b *graph.Batch) (*graph.Scores, error) {
	time.Sleep(s.transport + s.model)
	scores, err := s.Scorer.Score(ctx, b)
	if err == nil {
		scores.Timing.Model = s.model
	}
	return scores, err
}

type slowSink struct {
	*pipelinetest.Sink
	each time.Duration
}

func (s slowSink) Write(ctx context.Context, b *graph.Batch, scores *graph.Scores) error {
	time.Sleep(s.each)
	return s.Sink.Write(ctx, b, scores)
}

// staged runs one shard of 20 batches, a request each, with two calls at once. It must be in a bubble of synctest.
func staged(t *testing.T, s slow) pipeline.StageReport {
	t.Helper()
	var batches []*graph.Batch
	for range 20 {
		batches = append(batches, line(3))
	}
	progress := &pipeline.Progress{}
	shard := pipeline.Shard{
		Name: "s", Rows: 60,
		Open: func(context.Context) (pipeline.Source, error) {
			return slowSource{&pipelinetest.Source{Batches: batches}, s.read}, nil
		},
		Create: func(context.Context) (pipeline.Sink, error) { return slowSink{&pipelinetest.Sink{}, s.write}, nil },
	}
	cfg := pipeline.Config{Outputs: 1, Calls: 2, Progress: progress}
	if _, err := pipeline.Run(t.Context(), cfg, []pipeline.Shard{shard}, &slowScorer{slow: s}); err != nil {
		t.Fatal(err)
	}
	return pipeline.StageReport{Stages: progress.Stages(), Calls: 2, Workers: 2}
}

func TestStageReportNamesTheBottleneck(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		slow slow
		want pipeline.Bottleneck
	}{
		"reading":   {slow{10 * ms, ms, ms, ms}, pipeline.BottleneckReading},
		"the way":   {slow{ms, 10 * ms, 2 * ms, ms}, pipeline.BottleneckCalls},
		"the model": {slow{ms, ms, 20 * ms, ms}, pipeline.BottleneckModel},
		"writing":   {slow{ms, ms, ms, 10 * ms}, pipeline.BottleneckWriting},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				if got := staged(t, c.slow); got.Bottleneck() != c.want {
					t.Errorf("%q of %+v, want %q", got.Bottleneck(), got, c.want)
				}
			})
		})
	}
}

// TestTraceAddsUp: in a world where only stages take time, each waits while the slowest works.
func TestStageReportAddsUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const ms = time.Millisecond
		got := staged(t, slow{read: ms, model: 10 * ms})
		// The first call begins at 1 ms, the second at 2; then one of each kind every 10 ms. The last begins at 92
		// and ends at 102; the reader finds the end of its input at 93, of which it read for 21.
		want := pipeline.Stages{Read: 21 * ms, Model: 200 * ms, Elapsed: 102 * ms, ReadWait: 72 * ms, WriteWait: 102 * ms}
		if d := cmp.Diff(want, got.Stages); d != "" {
			t.Error(d)
		}
	})
}

func TestStageReportOfNothing(t *testing.T) {
	t.Parallel()
	if got := (pipeline.StageReport{}).Bottleneck(); got != pipeline.NoBottleneck {
		t.Error(got)
	}
}
