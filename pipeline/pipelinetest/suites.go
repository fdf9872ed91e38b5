package pipelinetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"graphscore/pipeline"
	"graphscore/pipeline/graph"
)

// CheckBatch fails the test where a batch breaks a promise of graph.Batch.
func CheckBatch(t testing.TB, b *graph.Batch) {
	t.Helper()
	graphs, nodes, edges := b.Graphs(), b.Nodes(), b.Edges()
	equal := func(what string, got, want int) {
		t.Helper()
		if got != want {
			t.Fatalf("batch: %s is %d, want %d", what, got, want)
		}
	}
	equal("the number of edge offsets", len(b.EdgeOffsets), len(b.NodeOffsets))
	equal("the number of ids", b.IDs.Len(), graphs)
	equal("the number of row groups", len(b.RowGroups), graphs)
	equal("the number of rows", len(b.Rows), graphs)
	equal("the number of features", len(b.Features), nodes*b.Width)
	if b.NodeIDs != nil {
		equal("the number of node ids", b.NodeIDs.Len(), nodes)
	}
	if b.Weights != nil {
		equal("the number of weights", len(b.Weights), edges)
	}
	if graphs > 0 {
		equal("the nodes of all graphs", int(b.NodeOffsets[graphs]-b.NodeOffsets[0]), nodes)
		equal("the edges of all graphs", int(b.EdgeOffsets[graphs]-b.EdgeOffsets[0]), edges)
	}
	for g := range graphs {
		from, to := b.NodeRange(g)
		first, last := b.EdgeRange(g)
		degree := 0
		for _, d := range b.InDegree[from:to] {
			degree += int(d)
		}
		equal("the sum of in-degrees of a graph", degree, last-first)
		for _, s := range b.Sources[first:last] {
			if s < b.NodeOffsets[g] || s >= b.NodeOffsets[g+1] {
				t.Fatalf("batch: an edge of graph %d comes from node %d, outside %d..%d", g, s, b.NodeOffsets[g], b.NodeOffsets[g+1])
			}
		}
	}
	ascending := slices.IsSortedFunc(b.Rejected, func(x, y graph.Rejection) int { return int(x.Row - y.Row) })
	if !slices.IsSorted(b.Rows) || !ascending {
		t.Fatal("batch: rows do not ascend")
	}
}

// TestSource holds a source to the contract. open opens the same shard anew each time; rows is what it holds.
func TestSource(t *testing.T, open func(t *testing.T) pipeline.Source, rows int64) {
	t.Run("yields every row once in order", func(t *testing.T) {
		s := open(t)
		var got, last int64 = 0, -1
		for {
			b, err := s.Next(t.Context())
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("Next: %v", err)
			}
			CheckBatch(t, b)
			places := slices.Clone(b.Rows)
			for _, r := range b.Rejected {
				places = append(places, r.Row)
			}
			slices.Sort(places)
			for _, row := range places {
				if row <= last {
					t.Fatalf("row %d comes after row %d", row, last)
				}
				last = row
			}
			got += int64(len(places))
		}
		if got != rows {
			t.Errorf("%d rows, want %d", got, rows)
		}
		if _, err := s.Next(t.Context()); err != io.EOF {
			t.Errorf("Next after the end: %v, want io.EOF", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	t.Run("yields the same with batches that come back", func(t *testing.T) {
		read := func(recycle func(s pipeline.Source, b *graph.Batch)) (texts []string) {
			s := open(t)
			for {
				b, err := s.Next(t.Context())
				if err == io.EOF {
					if err := s.Close(); err != nil {
						t.Errorf("Close: %v", err)
					}
					return texts
				}
				if err != nil {
					t.Fatalf("Next: %v", err)
				}
				plain := *b
				plain.NodeIDs = nil // or its address would be printed
				texts = append(texts, fmt.Sprintf("%+v %+v", plain, b.NodeIDs))
				recycle(s, b)
			}
		}
		want := read(func(pipeline.Source, *graph.Batch) {})
		got := read(func(s pipeline.Source, b *graph.Batch) {
			if s, is := s.(pipeline.Recycler); is {
				s.Recycle(b)
			}
		})
		for i := range want {
			if i >= len(got) || got[i] != want[i] {
				t.Fatalf("batch %d of %d and %d differs", i, len(want), len(got))
			}
		}
	})
	t.Run("closes before the end", func(t *testing.T) {
		s := open(t)
		if _, err := s.Next(t.Context()); err != nil && err != io.EOF {
			t.Fatalf("Next: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	t.Run("stops with the context", func(t *testing.T) {
		s := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Next(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Next with a cancelled context: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}

// TestScorer holds a scorer to the contract with a batch that it can score.
func TestScorer(t *testing.T, scorer pipeline.Scorer, b *graph.Batch, outputs int) {
	whole, err := scorer.Score(t.Context(), b)
	if err != nil {
		t.Fatalf("Score: %v", err)
	}
	if whole.Outputs != outputs || len(whole.Values) != b.Nodes()*outputs || len(whole.Failed) != 0 {
		t.Fatalf("Score: %d outputs, %d values, %d failed; want %d, %d, 0",
			whole.Outputs, len(whole.Values), len(whole.Failed), outputs, b.Nodes()*outputs)
	}
	t.Run("a graph alone equals the same graph in a batch", func(t *testing.T) {
		for g := range b.Graphs() {
			alone, err := scorer.Score(t.Context(), b.Slice(g, g+1))
			if err != nil {
				t.Fatalf("Score: %v", err)
			}
			from, to := b.NodeRange(g)
			if !slices.EqualFunc(alone.Values, whole.Values[from*outputs:to*outputs], sameBits) {
				t.Errorf("graph %d: %v alone, %v in a batch", g, alone.Values, whole.Values[from*outputs:to*outputs])
			}
		}
	})
	t.Run("is safe for concurrent use", func(t *testing.T) {
		g, ctx := errgroup.WithContext(t.Context())
		var wrong atomic.Int64
		for range 8 {
			g.Go(func() error {
				s, err := scorer.Score(ctx, b)
				if err == nil && !slices.EqualFunc(s.Values, whole.Values, sameBits) {
					wrong.Add(1)
				}
				return err
			})
		}
		if err := g.Wait(); err != nil || wrong.Load() != 0 {
			t.Errorf("Score: %v, %d answers differ", err, wrong.Load())
		}
	})
	t.Run("stops with the context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := scorer.Score(ctx, b); !errors.Is(err, context.Canceled) {
			t.Errorf("Score with a cancelled context: %v", err)
		}
	})
}

func sameBits(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }

// TestSink holds a sink to the contract. create makes the same part anew each time for the rows of b, of which
// the last is rejected; visible reports whether the part exists under its name, left what else exists.
func TestSink(t *testing.T, create func(t *testing.T) pipeline.Sink, b *graph.Batch, s *graph.Scores, visible func() bool, left func() []string) {
	fill := func(t *testing.T, sink pipeline.Sink) {
		t.Helper()
		last := b.Graphs() - 1
		from, _ := b.NodeRange(last)
		scores := &graph.Scores{Outputs: s.Outputs, Values: s.Values[:from*s.Outputs]}
		if err := sink.Write(t.Context(), b.Slice(0, last), scores); err != nil {
			t.Fatalf("Write: %v", err)
		}
		if err := sink.Reject(t.Context(), b.Reject(last, graph.Refused, "refused")); err != nil {
			t.Fatalf("Reject: %v", err)
		}
	}
	t.Run("close without commit leaves nothing", func(t *testing.T) {
		sink := create(t)
		fill(t, sink)
		if err := sink.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if visible() || len(left()) != 0 {
			t.Errorf("visible: %v, left behind: %v", visible(), left())
		}
	})
	t.Run("commit makes the part visible", func(t *testing.T) {
		sink := create(t)
		fill(t, sink)
		if visible() {
			t.Error("visible before Commit")
		}
		if err := sink.Commit(t.Context()); err != nil {
			t.Fatalf("Commit: %v", err)
		}
		if err := sink.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if !visible() {
			t.Error("not visible after Commit")
		}
	})
}
