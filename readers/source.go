package readers

import (
	"context"
	"io"

	"graphscore/pipeline/graph"
	"graphscore/readers/internal/column"
)

// maxGraphs is the most graphs of a batch, however small they are.
const maxGraphs = 1 << 16

// Source reads the graphs of one shard in order. One goroutine uses it.
type Source struct {
	shard   *Shard
	cfg     Config
	in      shardReader
	left    int64 // rows left of the shard
	err     error // first error
	builder *graph.Builder
	used    *spares // batches of all sources of the plan that nobody uses any more

	begun     *graph.Batch // that was read before the source was wanted: see Begun
	announced bool         // it was announced as a giant
	begin     func() error // of Announce
}

// Open opens a shard, of which only what is wanted is read. The source must be closed.
//
// Errors are *FileError, as where the file lacks a column that the model reads, or the context's.
func (p *Plan) Open(ctx context.Context, s *Shard, w Wanted) (*Source, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	src := &Source{shard: s, cfg: p.cfg, left: s.Rows, used: p.used}
	cfg := graph.BuilderConfig{
		Width: w.Width, Weighted: w.Weights && s.File.binding[graph.InputWeights] >= 0,
		EdgeWidth: w.EdgeWidth, Typed: w.EdgeTypes > 0, GraphWidth: w.GraphWidth, EdgeRows: w.EdgeRows,
		Names: s.File.names(), GraphIDs: p.GraphIDs, Reuse: src.reuse,
	}
	if s.File.hasNodeIDs {
		cfg.NodeIDs = &p.NodeIDs
	}
	src.builder = graph.NewBuilder(cfg)
	var err error
	if src.in, err = p.layout.open(p, s, src.builder, &w); err != nil {
		return nil, fileError(s.File.Path, -1, err)
	}
	return src, nil
}

// Next returns the next graphs, at most about Config.BatchBytes of them, and io.EOF at the end. The caller owns the
// batch. Errors are *FileError, or the context's; after one there is no more to be had.
func (s *Source) Next(ctx context.Context) (*graph.Batch, error) {
	if s.begun != nil {
		return s.takeBegun(ctx)
	}
	if s.err == nil {
		s.err = s.fill(ctx)
	}
	if s.err != nil && s.err != io.EOF {
		return nil, s.err
	}
	if s.builder.Len() == 0 {
		return nil, io.EOF
	}
	return s.builder.Batch(), nil
}

// takeBegun returns the batch that was read before.
func (s *Source) takeBegun(ctx context.Context) (*graph.Batch, error) {
	err := ctx.Err()
	if s.announced && err == nil {
		err = s.begin()
	}
	if err != nil {
		return nil, err
	}
	b := s.begun
	s.begun = nil
	return b, nil
}

// Announce implements pipeline.Announcing.
func (s *Source) Announce(begin func() error) {
	s.begin = begin
	s.in.announce(begin)
}

// Announced implements pipeline.Announcing.
func (s *Source) Announced() bool { return s.in.announced() }

// Recycle implements pipeline.Recycler. The memory of a giant graph is not kept.
func (s *Source) Recycle(b *graph.Batch) {
	if b.CapBytes() <= 4*s.cfg.BatchBytes {
		s.used.put(b)
	}
}

func (s *Source) reuse() *graph.Batch {
	return s.used.take()
}

// fill takes rows until the batch is large enough.
func (s *Source) fill(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if s.left == 0 {
			return io.EOF
		}
		room := s.cfg.BatchBytes - s.builder.Bytes()
		if s.builder.Len() > 0 && room < s.cfg.BatchBytes/4 || s.builder.Len() >= maxGraphs {
			return nil
		}
		left := s.left
		if err := column.Guard(func() error {
			rows, err := s.in.block(s.left, int(room))
			s.left -= rows
			return err
		}); err != nil {
			return fileError(s.shard.File.Path, max(s.in.group(), 0), err)
		}
		if s.left == left {
			return nil
		}
	}
}

// Close closes the files of the shard.
func (s *Source) Close() error { return s.in.close() }

// peek reads a shard until done, and returns the numbers of features that it has met.
func (p *Plan) peek(ctx context.Context, s *Shard, want Wanted, done func(widths) bool) (met widths, err error) {
	if s.Rows == 0 {
		return met, nil
	}
	src, err := p.Open(ctx, s, want)
	if err != nil {
		return met, err
	}
	defer src.Close()
	for {
		if err := ctx.Err(); err != nil {
			return met, err
		}
		_, err := src.Next(ctx)
		met = src.in.widths()
		switch {
		case err != nil && err != io.EOF:
			return met, err
		case done(met), err == io.EOF:
			return met, nil
		}
	}
}
