package readers

import (
	"context"

	"graphscore/pipeline/graph"
)

// Begun is a shard whose first batch was read to be looked at, before anybody wants its graphs. One goroutine uses it. It must
// be opened or closed: the batch is held until then.
type Begun struct {
	plan     *Plan
	shard    *Shard
	wanted   Wanted
	graphIDs graph.IDKind
	nodeIDs  graph.IDKind
	source   *Source      // nil once it is opened or closed
	first    *graph.Batch // that source returned
	giant    bool         // source took, or has begun to take, the memory of a giant
}

// Begin opens a shard and reads its first batch. Errors are those of [Plan.Open] and [Source.Next], io.EOF where the shard has
// no graphs.
func (p *Plan) Begin(ctx context.Context, s *Shard, w Wanted) (*Begun, error) {
	b := &Begun{plan: p, shard: s, wanted: w, graphIDs: p.GraphIDs, nodeIDs: p.NodeIDs}
	var err error
	if b.source, err = p.Open(ctx, s, w); err != nil {
		return nil, err
	}
	b.source.Announce(func() error { b.giant = true; return nil })
	if b.first, err = b.source.Next(ctx); err != nil {
		b.source.Close()
		return nil, err
	}
	return b, nil
}

// First is the batch, which must only be read. It is nil once the shard is opened or closed.
func (b *Begun) First() *graph.Batch { return b.first }

// Of reports whether it is a shard that is begun.
func (b *Begun) Of(s *Shard) bool { return b != nil && b.source != nil && b.shard == s }

// Giant reports whether memory of a giant is held: see [Source.Announced].
func (b *Begun) Giant() bool { return b.giant }

// Open is [Plan.Open] for the shard, once: the source returns the batch that was read, where it would be read so again. That
// is not so where the file, what is wanted or a kind of ids has changed.
func (b *Begun) Open(ctx context.Context, w Wanted) (*Source, error) {
	p := b.plan
	if err := ctx.Err(); err != nil {
		b.Close()
		return nil, err
	}
	if w != b.wanted || p.GraphIDs != b.graphIDs || p.NodeIDs != b.nodeIDs || !b.source.in.unchanged() {
		b.Close()
		return p.Open(ctx, b.shard, w)
	}
	src := b.source
	src.begun, src.announced = b.first, b.giant
	src.Announce(func() error { return nil })
	b.source, b.first = nil, nil
	return src, nil
}

// Close drops the batch, where the shard was not opened, and closes the file.
func (b *Begun) Close() {
	if b == nil || b.source == nil {
		return
	}
	b.source.Close()
	b.source, b.first = nil, nil
}
