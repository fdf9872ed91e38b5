package pipeline_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"graphscore/pipeline"
	"graphscore/pipeline/graph"
	"graphscore/pipeline/pipelinetest"
)

// giants is a source whose batches alternate: small graphs, during whose reading a giant is begun, and that giant.
type giants struct {
	pipelinetest.Source
	begin func() error
	begun *atomic.Int64 // giants of all sources
	large bool
	next  int
}

func (s *giants) Announce(begin func() error) { s.begin = begin }
func (s *giants) Announced() bool             { return s.large }

func (s *giants) Next(ctx context.Context) (*graph.Batch, error) {
	if s.next++; s.next <= len(s.Batches) {
		if s.large = s.next%2 == 1; s.large {
			if err := s.begin(); err != nil {
				return nil, err
			}
			s.begun.Add(1)
		}
	}
	return s.Source.Next(ctx)
}

// TestGiantsAreReadInTurn: with many shards at once, as on a machine with many CPUs, only as many giants are read that are not
// in flight as may be in flight, or one; and all are scored.
func TestGiantsAreReadInTurn(t *testing.T) {
	t.Parallel()
	const shards, each = 32, 6
	small, giant := blob(1, 16), blob(1, 4<<10)
	for name, test := range map[string]struct {
		inFlight, most int64 // bytes
		begun          int64 // giants when nothing more can happen while nothing is scored
	}{
		// One is in flight, one is read, and waits.
		"one":                      {giant.Bytes(), giant.Bytes(), 2},
		"one that is beyond it":    {giant.Bytes() / 2, giant.Bytes(), 2},
		"three, and small ones":    {3*giant.Bytes() + 2*small.Bytes(), giant.Bytes(), 6},
		"limits of graphs are far": {3*giant.Bytes() + 2*small.Bytes(), 1 << 50, 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var begun atomic.Int64
				goOn := make(chan struct{})
				scorer := &pipelinetest.Scorer{Before: func(_ context.Context, b *graph.Batch) error {
					if b.Nodes() > 1 && b.Bytes() >= giant.Bytes() {
						<-goOn
					}
					return nil
				}}
				var list []pipeline.Shard
				for range shards {
					s := &giants{begun: &begun}
					for i := range each {
						b := small.Clone()
						if i%2 == 1 {
							b = giant.Clone()
						}
						b.Rows[0] = int64(i)
						s.Batches = append(s.Batches, b)
					}
					list = append(list, pipeline.Shard{
						Name: "a", Rows: each,
						Open:   func(context.Context) (pipeline.Source, error) { return s, nil },
						Create: func(context.Context) (pipeline.Sink, error) { return &pipelinetest.Sink{}, nil },
					})
				}
				cfg := pipeline.Config{Outputs: 1, ShardsAtOnce: shards, InFlightBytes: test.inFlight, MaxGraphBytes: test.most, Calls: 2 * shards}
				done := make(chan error)
				var result *pipeline.Result
				go func() {
					var err error
					result, err = pipeline.Run(t.Context(), cfg, list, scorer)
					done <- err
				}()
				synctest.Wait()
				if got := begun.Load(); got != test.begun {
					t.Errorf("%d giants were begun while none was scored, expected %d", got, test.begun)
				}
				close(goOn)
				if err := <-done; err != nil || result.Counts.Scored != shards*each {
					t.Errorf("%v, %+v", err, result.Counts)
				}
			})
		})
	}
}

// TestAGiantThatIsHeldHasATurn: what the first shard holds before the run counts as read, until it is in flight or the shard has
// ended.
func TestAGiantThatIsHeldHasATurn(t *testing.T) {
	t.Parallel()
	for name, fails := range map[string]error{"opened": nil, "refused": errors.New("it is gone")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const shards, each = 4, 2
				var begun atomic.Int64
				goOn := make(chan struct{})
				var list []pipeline.Shard
				for k := range shards {
					s := &giants{begun: &begun}
					for i := range each {
						b := blob(1, 4<<10)
						b.Rows[0] = int64(i)
						s.Batches = append(s.Batches, b)
					}
					list = append(list, pipeline.Shard{
						Name: "a", Rows: each, Giant: k == 0,
						Open: func(context.Context) (pipeline.Source, error) {
							if k > 0 {
								return s, nil
							}
							<-goOn
							return s, fails
						},
						Create: func(context.Context) (pipeline.Sink, error) { return &pipelinetest.Sink{}, nil },
					})
				}
				size := list[0].Rows * blob(1, 4<<10).Bytes()
				cfg := pipeline.Config{Outputs: 1, ShardsAtOnce: shards, InFlightBytes: size, MaxGraphBytes: size}
				done := make(chan error)
				var result *pipeline.Result
				go func() {
					var err error
					result, err = pipeline.Run(t.Context(), cfg, list, &pipelinetest.Scorer{})
					done <- err
				}()
				synctest.Wait()
				if got := begun.Load(); got != 0 {
					t.Errorf("%d giants were begun while another was held", got)
				}
				close(goOn)
				want := int64(shards * each)
				if fails != nil {
					want -= each
				}
				if err := <-done; err != nil || result.Counts.Scored != want {
					t.Errorf("%v, %+v", err, result.Counts)
				}
			})
		})
	}
}
