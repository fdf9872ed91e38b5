package run

import (
	"context"
	"errors"
	"sync"

	"graphscore/pipeline"
	"graphscore/pipeline/graph"
	"graphscore/readers"
)

// Observer sees what a scan finds. Its functions are called by one goroutine at a time. They must not keep a batch,
// whose memory is filled again.
type Observer struct {
	Batch  func(*graph.Batch)
	Reject func(*readers.File, graph.Rejection)
}

// Scanned is what a scan found.
type Scanned struct {
	Result *pipeline.Result // one entry for each shard of the plan
	// Hint is a likely reason for which graphs could not be scored, "" for none.
	Hint string
}

// Scan reads the whole plan without scoring it, and passes each batch and each rejection to see. wanted is what is
// read; limits holds what a run would refuse a graph for.
func (in *Input) Scan(ctx context.Context, wanted readers.Wanted, limits pipeline.Config, see Observer) (*Scanned, error) {
	var mu sync.Mutex
	var numbering numbering
	shards := make([]pipeline.Shard, len(in.Plan.Shards))
	for i := range in.Plan.Shards {
		sh := &in.Plan.Shards[i]
		shards[i] = pipeline.Shard{
			Name: sh.Part, Rows: sh.Rows,
			Open: func(ctx context.Context) (pipeline.Source, error) { return in.Plan.Open(ctx, sh, wanted) },
			Create: func(context.Context) (pipeline.Sink, error) {
				return numbering.of(sh.File, &scanSink{mu: &mu, see: see, file: sh.File}), nil
			},
		}
	}
	limits.Outputs, limits.Log = 1, in.Log
	result, err := pipeline.Run(ctx, limits, shards, noScorer{})
	in.WarnUndecided(ctx)
	return &Scanned{Result: result, Hint: numbering.hint()}, err
}

// noScorer scores every node with zero: a scan is a run without a model.
type noScorer struct{}

func (noScorer) Score(_ context.Context, b *graph.Batch) (*graph.Scores, error) {
	return &graph.Scores{Outputs: 1, Values: make([]float32, b.Nodes())}, nil
}

// scanSink passes what it gets to an observer and keeps nothing.
type scanSink struct {
	mu   *sync.Mutex
	see  Observer
	file *readers.File
}

func (s *scanSink) Write(_ context.Context, b *graph.Batch, _ *graph.Scores) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.see.Batch(b)
	return nil
}

func (s *scanSink) Reject(_ context.Context, r graph.Rejection) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.see.Reject(s.file, r)
	return nil
}

func (*scanSink) Commit(context.Context) error { return nil }
func (*scanSink) Close() error                 { return nil }

// Expect returns what a run would compare graphs with: what the model reads of them, where the first graph decides of how
// many features a node is if the job names nothing that scores, and the size of a message. It starts one worker for a
// job with a model.
func (in *Input) Expect(ctx context.Context) (wanted readers.Wanted, limits pipeline.Config, err error) {
	wanted = Served{}.Wanted(0)
	if in.Job.Model.Path != "" || len(in.Job.Server.Addresses) > 0 {
		s, err := Connect(ctx, in.Config, 1)
		if err != nil {
			return wanted, limits, err
		}
		wanted = s.Wanted(s.Model.InFeatures)
		scorer := s.Scorer(wanted.Width)
		limits.MaxGraphBytes, limits.GraphBytes = scorer.Limit(), scorer.GraphBytes
		if err := errors.Join(in.lack(&s.Model, wanted.Inputs), s.Close()); err != nil {
			return wanted, limits, err
		}
	}
	if wanted.Width == 0 && len(in.Plan.Shards) > 0 {
		wanted.Width, err = in.Plan.Width(ctx)
		var file *readers.FileError
		if errors.As(err, &file) {
			wanted.Width = 0
			return wanted, limits, nil // the scan will say so
		}
	}
	return wanted, limits, err
}
