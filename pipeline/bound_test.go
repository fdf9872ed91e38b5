package pipeline_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"graphscore/pipeline"
	"graphscore/pipeline/graph"
	"graphscore/pipeline/pipelinetest"
)

// held counts the bytes of batches that were read and are not given back, and the most that there were at once.
type held struct{ now, most atomic.Int64 }

func (h *held) add(bytes int64) {
	now := h.now.Add(bytes)
	for most := h.most.Load(); now > most && !h.most.CompareAndSwap(most, now); most = h.most.Load() {
	}
}

// slowly makes a source, a scorer and a sink that take so long each time.
type slowly struct {
	*pipelinetest.Source
	*pipelinetest.Sink
	held               *held
	read, score, write time.Duration
	scorer             pipelinetest.Scorer
}

func (s *slowly) Next(ctx context.Context) (*graph.Batch, error) {
	time.Sleep(s.read)
	b, err := s.Source.Next(ctx)
	if err == nil {
		s.held.add(b.Bytes())
	}
	return b, err
}

func (s *slowly) Recycle(b *graph.Batch) {
	s.held.add(-b.Bytes())
	s.Source.Recycle(b)
}

func (s *slowly) Score(ctx context.Context, b *graph.Batch) (*graph.Scores, error) {
	time.Sleep(s.score)
	return s.scorer.Score(ctx, b)
}

func (s *slowly) Write(ctx context.Context, b *graph.Batch, scores *graph.Scores) error {
	time.Sleep(s.write)
	return s.Sink.Write(ctx, b, scores)
}

func (s *slowly) Close() error { return nil }

// TestMemoryIsBounded: whichever stage is slow, no more is read than the bound, and what is cut or written at the time.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	tests := map[string]slowly{
		"disk of the input": {read: time.Second}, "worker": {score: time.Second}, "disk of the output": {write: time.Second},
		"all": {read: time.Second, score: 3 * time.Second, write: 2 * time.Second}, "none": {},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const shards, each, atOnce = 6, 40, 2
				batch := blob(16, 4<<10)
				bound := 4 * batch.Bytes()
				progress := &pipeline.Progress{}
				cfg := pipeline.Config{
					Outputs: 1, ShardsAtOnce: atOnce, InFlightBytes: bound, RequestBytes: batch.Bytes() / 3, Progress: progress,
				}
				batches := make([]*graph.Batch, each)
				for i := range batches {
					batches[i] = batch.Clone()
					for g := range batches[i].Rows {
						batches[i].Rows[g] += int64(i * batch.Graphs())
					}
				}
				held := &held{}
				var list []pipeline.Shard
				for range shards {
					s := test
					s.Source, s.Sink, s.held = &pipelinetest.Source{Batches: batches}, &pipelinetest.Sink{}, held
					list = append(list, pipeline.Shard{
						Name: "a", Rows: int64(each * batch.Graphs()),
						Open:   func(context.Context) (pipeline.Source, error) { return &s, nil },
						Create: func(context.Context) (pipeline.Sink, error) { return &s, nil },
					})
				}
				result, err := pipeline.Run(t.Context(), cfg, list, pipeline.Patient(&test, pipeline.Patience{}))
				if err != nil || result.Counts.Scored != shards*each*int64(batch.Graphs()) {
					t.Fatalf("%v, %+v", err, result.Counts)
				}
				// Of each shard one batch is being cut, and one is partly written.
				if most := bound + 2*2*atOnce*batch.Bytes(); held.most.Load() > most || held.now.Load() != 0 || progress.InFlight.Load() != 0 {
					t.Errorf("%d bytes were held, at most %d are due; %d are left", held.most.Load(), most, held.now.Load())
				}
			})
		})
	}
}
