package pipelinetest

import (
	"context"
	"fmt"
	"io"
	"slices"

	"graphscore/pipeline"
	"graphscore/pipeline/graph"
)

// Source yields copies of given batches, and spoils those that it gets back.
type Source struct {
	Batches []*graph.Batch
	// Err comes after the batches instead of io.EOF.
	Err    error
	Closed bool
	at     int
}

// Next implements pipeline.Source.
func (s *Source) Next(ctx context.Context) (*graph.Batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.at == len(s.Batches) {
		if s.Err != nil {
			return nil, s.Err
		}
		return nil, io.EOF
	}
	s.at++
	return s.Batches[s.at-1].Clone(), nil
}

// Recycle implements pipeline.Recycler: whoever still looks at the batch sees what is no graph of the input.
func (s *Source) Recycle(b *graph.Batch) { Spoil(b) }

// Spoil overwrites the columns of a batch.
func Spoil(b *graph.Batch) {
	const wrong = 1 << 30
	for _, v := range [][]uint32{b.InDegree, b.Sources, b.NodeOffsets, b.EdgeOffsets} {
		for i := range v {
			v[i] = wrong
		}
	}
	for _, v := range [][]float32{b.Features, b.Weights} {
		for i := range v {
			v[i] = wrong
		}
	}
	clear(b.Rows)
	clear(b.Rejected)
	clear(b.IDs.Ints)
	clear(b.IDs.Bytes)
}

// Close implements pipeline.Source.
func (s *Source) Close() error {
	s.Closed = true
	return nil
}

// Rows counts graphs and rejections of batches.
func Rows(batches []*graph.Batch) int64 {
	var n int64
	for _, b := range batches {
		n += int64(b.Graphs() + len(b.Rejected))
	}
	return n
}

// Scorer scores every node with the sum of its features and, with half the weight, of those of its sources: a
// function of the graph alone, which differs when nodes, edges, weights or their order do. At level edge an edge has
// twice the score of its source and that of its target, at level graph a graph has the sum of its nodes.
type Scorer struct {
	// Before is called first; its error is the call's.
	Before func(ctx context.Context, b *graph.Batch) error
	// Outputs is the number of outputs; 0 means 1.
	Outputs int
	// Level is what a row of scores belongs to.
	Level graph.Level
}

// Score implements pipeline.Scorer.
func (f *Scorer) Score(ctx context.Context, b *graph.Batch) (*graph.Scores, error) {
	if f.Before != nil {
		if err := f.Before(ctx, b); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	k := max(f.Outputs, 1)
	s := &graph.Scores{Level: f.Level, Outputs: k, Values: make([]float32, b.ScoreRows(f.Level)*k)}
	for i, v := range rows(b, f.Level) {
		for o := range k {
			s.Values[i*k+o] = v + float32(o)
		}
	}
	return s, nil
}

// rows is what each row of scores begins with.
func rows(b *graph.Batch, level graph.Level) []float32 {
	nodes := nodeRows(b)
	switch level {
	case graph.EdgeLevel:
		values, edge := make([]float32, 0, b.Edges()), 0
		for target, degree := range b.InDegree {
			for range degree {
				values = append(values, 2*nodes[b.Sources[edge]-b.NodeOffsets[0]]+nodes[target])
				edge++
			}
		}
		return values
	case graph.GraphLevel:
		values := make([]float32, b.Graphs())
		for g := range values {
			from, to := b.NodeRange(g)
			for _, v := range nodes[from:to] {
				values[g] += v
			}
		}
		return values
	default:
		return nodes
	}
}

func nodeRows(b *graph.Batch) []float32 {
	values := make([]float32, b.Nodes())
	base := 0
	if b.Graphs() > 0 {
		base = int(b.NodeOffsets[0])
	}
	edge := 0
	for n := range b.Nodes() {
		v := sum(b.Features[n*b.Width : (n+1)*b.Width])
		for range b.InDegree[n] {
			from := int(b.Sources[edge]) - base
			w := float32(1)
			if b.Weights != nil {
				w = b.Weights[edge]
			}
			v = v/2 + w*sum(b.Features[from*b.Width:(from+1)*b.Width])
			edge++
		}
		values[n] = v
	}
	return values
}

func sum(v []float32) float32 {
	var s float32
	for i, x := range v {
		s += x * float32(i+1)
	}
	return s
}

// Line is one row of a Sink.
type Line struct {
	GraphID any
	// NodeID is the id of the node, the place of the edge in its graph's input, or nil at level graph.
	NodeID any
	Scores []float32
}

// Sink keeps what it is given.
type Sink struct {
	Lines     []Line
	Rejected  []graph.Rejection
	Committed bool
	Closed    bool
	// WriteErr and CommitErr are what the calls answer.
	WriteErr, CommitErr error
}

// Write implements pipeline.Sink.
func (s *Sink) Write(_ context.Context, b *graph.Batch, scores *graph.Scores) error {
	if s.WriteErr != nil {
		return s.WriteErr
	}
	if rows := b.ScoreRows(scores.Level); len(scores.Values) != rows*scores.Outputs || b.Graphs() > 0 && scores.Outputs == 0 {
		return fmt.Errorf("%d values of %d outputs for %d rows", len(scores.Values), scores.Outputs, rows)
	}
	failed := scores.Failed
	for g := range b.Graphs() {
		if len(failed) > 0 && failed[0].Graph == g {
			failed = failed[1:]
			continue
		}
		from, to := b.ScoreRange(scores.Level, g)
		if b.GraphNodes(g) == 0 {
			continue
		}
		for n := from; n < to; n++ {
			var id any
			switch {
			case scores.Level == graph.GraphLevel:
			case scores.Level == graph.EdgeLevel:
				id = int64(b.EdgeRow(n))
			case b.NodeIDs != nil:
				id = b.NodeIDs.Value(n)
			default:
				id = int64(n - from)
			}
			s.Lines = append(s.Lines, Line{
				GraphID: b.IDs.Value(g), NodeID: id,
				Scores: slices.Clone(scores.Values[n*scores.Outputs : (n+1)*scores.Outputs]),
			})
		}
	}
	return nil
}

// Reject implements pipeline.Sink.
func (s *Sink) Reject(_ context.Context, r graph.Rejection) error {
	s.Rejected = append(s.Rejected, r)
	return nil
}

// Commit implements pipeline.Sink.
func (s *Sink) Commit(context.Context) error {
	if s.CommitErr != nil {
		return s.CommitErr
	}
	s.Committed = true
	return nil
}

// Close implements pipeline.Sink.
func (s *Sink) Close() error {
	s.Closed = true
	return nil
}

var (
	_ pipeline.Source = (*Source)(nil)
	_ pipeline.Scorer = (*Scorer)(nil)
	_ pipeline.Sink   = (*Sink)(nil)
)
