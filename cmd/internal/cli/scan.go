package cli

import (
	"context"
	"fmt"
	"io"
	"sync"

	"graphscore/pipeline"
	"graphscore/pipeline/graph"
	"graphscore/readers"
)

// scan reads everything that a plan holds, without scoring it, and gives each batch and each rejection to see.
// Batches come from several shards at once, see is called by one goroutine at a time. width is that of the
// features; limits holds what a run would hold a graph against.
func (e *env) scan(ctx context.Context, plan *readers.Plan, width int, limits pipeline.Config, see observer) (*pipeline.Result, error) {
	var mu sync.Mutex
	shards := make([]pipeline.Shard, len(plan.Shards))
	for i := range plan.Shards {
		sh := &plan.Shards[i]
		shards[i] = pipeline.Shard{
			Name: sh.Part, Rows: sh.Rows,
			Open:   func(ctx context.Context) (pipeline.Source, error) { return plan.Open(ctx, sh, width) },
			Create: func(context.Context) (pipeline.Sink, error) { return &scanSink{mu: &mu, see: see, file: sh.File}, nil },
		}
	}
	limits.Outputs, limits.Log = 1, e.log
	return pipeline.Run(ctx, limits, shards, noScorer{})
}

// observer sees what a scan finds. It must not keep a batch, whose memory is filled again.
type observer struct {
	batch  func(*graph.Batch)
	reject func(*readers.File, graph.Rejection)
}

// noScorer gives every node a zero: a scan is a run without a model.
type noScorer struct{}

func (noScorer) Score(_ context.Context, b *graph.Batch) (*graph.Scores, error) {
	return &graph.Scores{Outputs: 1, Values: make([]float32, b.Nodes())}, nil
}

// scanSink hands what it gets to an observer and keeps nothing.
type scanSink struct {
	mu   *sync.Mutex
	see  observer
	file *readers.File
}

func (s *scanSink) Write(_ context.Context, b *graph.Batch, _ *graph.Scores) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.see.batch(b)
	return nil
}

func (s *scanSink) Reject(_ context.Context, r graph.Rejection) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.see.reject(s.file, r)
	return nil
}

func (*scanSink) Commit(context.Context) error { return nil }
func (*scanSink) Close() error                 { return nil }

// sayRefused tells on w which files could not be read, and counts them.
func sayRefused(w io.Writer, plan *readers.Plan, result *pipeline.Result) int {
	seen := map[string]bool{}
	say := func(path string, err error) {
		if !seen[path] {
			seen[path] = true
			fmt.Fprintf(w, "graphscore: refused: %v\n", err)
		}
	}
	for _, f := range plan.Refused {
		say(f.Path, f)
	}
	for i, s := range result.Shards {
		if s.Outcome == pipeline.RefusedInput {
			say(plan.Shards[i].File.Path, s.Err)
		}
	}
	return len(seen)
}
