package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"graphscore/pipeline/graph"
)

// Run scores all shards and returns what became of each. The result is never nil.
//
// The error is that of the scorer, of a sink or of ctx that ended the run; parts that are committed by then
// stay. Shards whose input is refused are no error of the run: see ShardResult.Err.
func Run(ctx context.Context, cfg Config, shards []Shard, scorer Scorer) (*Result, error) {
	cfg = cfg.WithDefaults()
	result := &Result{Shards: make([]ShardResult, len(shards))}
	for i := range shards {
		result.Shards[i] = ShardResult{Index: i, Name: shards[i].Name, Outcome: Failed}
	}
	if err := cfg.Validate(); err != nil {
		return result, err
	}
	r := &runner{
		cfg: &cfg, scorer: scorer,
		giants:  semaphore.NewWeighted(max(1, cfg.InFlightBytes/min(cfg.MaxGraphBytes, cfg.InFlightBytes))),
		reading: semaphore.NewWeighted(int64(cfg.ShardsAtOnce)),
		bytes:   semaphore.NewWeighted(cfg.InFlightBytes),
		calls:   semaphore.NewWeighted(int64(cfg.Calls)),
	}
	r.asking.Store(int64(len(shards)))
	cfg.Progress.configured(int64(cfg.Calls), cfg.RequestBytes)
	defer since(&cfg.Progress.elapsed, time.Now())
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(2 * cfg.ShardsAtOnce)
	for i := range shards {
		// The next shard is read while those before it are still scored and committed, or the scorer would wait
		// at the end of each.
		if r.reading.Acquire(gctx, 1) != nil {
			break
		}
		giant := &turn{of: r.giants, have: i == 0 && shards[i].Giant && r.giants.TryAcquire(1)}
		g.Go(func() error { return r.shard(gctx, &shards[i], &result.Shards[i], giant) })
	}
	err := g.Wait()
	if err == nil {
		err = ctx.Err()
	}
	for i := range result.Shards {
		if s := &result.Shards[i]; s.Outcome == Scored {
			result.Counts.Add(&s.Counts)
		}
	}
	return result, err
}

// runner is what the goroutines of a run share. All of it is safe for concurrent use.
type runner struct {
	cfg     *Config
	scorer  Scorer
	reading *semaphore.Weighted // shards that are not yet read to the end
	bytes   *semaphore.Weighted // bytes in flight
	calls   *semaphore.Weighted // calls under way
	asking  atomic.Int64        // shards for which the scorer may still be called
	giants  *semaphore.Weighted // giants that are read and not yet in flight: as many as may be in flight, or one
}

// sourceError marks an error that refuses a shard's input instead of ending the run.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

// shard works on one shard and fills result. Its error ends the run. It releases the place among those that are
// read, and the turn.
func (r *runner) shard(ctx context.Context, sh *Shard, result *ShardResult, giant *turn) error {
	defer giant.end()
	start := time.Now()
	ctx, end := r.cfg.Begin(context.WithValue(ctx, shardKey{}, sh.Name), sh.Name)
	done := sync.OnceFunc(func() { r.reading.Release(1) })
	defer done()
	answered := sync.OnceFunc(func() {
		if r.asking.Add(-1) == 0 {
			r.cfg.Answered()
		}
	})
	defer answered()
	err := protect(func() error { return r.commit(ctx, sh, &result.Counts, giant, done, answered) })
	result.Elapsed = time.Since(start)
	if err != nil {
		result.Counts = Counts{}
	}
	var refused *sourceError
	switch {
	case err == nil:
		result.Outcome = Scored
	case ctx.Err() == nil && errors.As(err, &refused):
		result.Outcome, result.Err = RefusedInput, refused.err
		r.cfg.Log.WarnContext(ctx, "input refused", "shard", sh.Name, "error", refused.err)
		for cause := errors.Unwrap(refused.err); cause != nil; cause = errors.Unwrap(cause) {
			r.cfg.Log.DebugContext(ctx, "refused because of", "shard", sh.Name, "cause", cause)
		}
		err = nil
	default:
		result.Err = err
	}
	r.cfg.Progress.Shards.Add(1)
	end(*result)
	return err
}

// shardKey is that of the name of the shard in the contexts of its calls.
type shardKey struct{}

// shardName is the name of the shard that a call belongs to, empty where it belongs to none.
func shardName(ctx context.Context) string {
	name, _ := ctx.Value(shardKey{}).(string)
	return name
}

// commit streams a shard from its source into its sink and commits it. It calls read when the source is at its end, and
// answered when all of it is scored.
func (r *runner) commit(ctx context.Context, sh *Shard, counts *Counts, giant *turn, read, answered func()) (err error) {
	source, err := sh.Open(ctx)
	if err != nil {
		return &sourceError{err}
	}
	defer func() {
		if e := source.Close(); err == nil && e != nil {
			err = &sourceError{e}
		}
	}()
	sink, err := sh.Create(ctx)
	if err != nil {
		return fmt.Errorf("creating the part of %s: %w", sh.Name, err)
	}
	defer func() { err = errors.Join(err, sink.Close()) }()
	if err := r.stream(ctx, source, sink, counts, giant, read); err != nil {
		return err
	}
	answered()
	if counts.Rows != sh.Rows {
		return &CountError{Shard: sh.Name, Got: counts.Rows, Want: sh.Rows}
	}
	defer since(&r.cfg.Progress.write, time.Now())
	return sink.Commit(ctx)
}

// stream runs the goroutines of one shard until the source is at its end and everything is in the sink. One
// goroutine reads, one collects, and every request has one while it is scored.
func (r *runner) stream(ctx context.Context, source Source, sink Sink, counts *Counts, giant *turn, read func()) error {
	g, ctx := errgroup.WithContext(ctx)
	// Requests in the order of the input. There is room for all calls that can be under way and for the ends of
	// their batches, or a slow head of the line would keep the reader from starting the next ones.
	queue := make(chan *request, 2*r.cfg.Calls)
	g.Go(func() error {
		defer close(queue)
		defer read()
		return protect(func() error { return r.read(ctx, g, source, giant, queue) })
	})
	g.Go(func() error {
		return protect(func() error {
			c := collector{runner: r, sink: sink, counts: counts, recycle: func(*graph.Batch) {}}
			if source, is := source.(Recycler); is {
				c.recycle = source.Recycle
			}
			return c.collect(ctx, queue)
		})
	})
	err := g.Wait()
	for q := range queue { // what the collector left behind on an error: other shards wait for these bytes
		r.release(q)
	}
	return err
}

// read cuts what the source yields and starts the scoring of every request. giant is the turn of the shard to hold one.
func (r *runner) read(ctx context.Context, g *errgroup.Group, source Source, giant *turn, queue chan<- *request) error {
	defer giant.end()
	announcing, announces := source.(Announcing)
	if announces {
		announcing.Announce(func() error { return giant.begin(ctx) })
	}
	for {
		start := time.Now()
		b, err := source.Next(ctx)
		since(&r.cfg.Progress.read, start)
		switch {
		case err == io.EOF: // not errors.Is: a cut file may wrap it
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return &sourceError{err}
		}
		if err := r.dispatch(ctx, g, b, queue); err != nil {
			return err
		}
		if announces && !announcing.Announced() {
			giant.end()
		}
	}
}

// turn is a place of a semaphore, or none. One goroutine uses it.
type turn struct {
	of   *semaphore.Weighted
	have bool
}

// begin blocks until there is a place, or ctx has ended.
func (t *turn) begin(ctx context.Context) error {
	if t.have {
		return nil
	}
	if err := t.of.Acquire(ctx, 1); err != nil {
		return err
	}
	t.have = true
	return nil
}

func (t *turn) end() {
	if t.have {
		t.of.Release(1)
		t.have = false
	}
}

// dispatch starts the scoring of a batch, request by request.
func (r *runner) dispatch(ctx context.Context, g *errgroup.Group, b *graph.Batch, queue chan<- *request) error {
	begun := time.Now()
	var waited time.Duration
	err := cutter{r.cfg}.cut(b, func(q *request) error {
		start := time.Now()
		defer func() { waited += time.Since(start) }()
		return r.launch(ctx, g, q, queue)
	})
	r.cfg.Progress.cut.Add(int64(time.Since(begun) - waited))
	r.cfg.Progress.readWait.Add(int64(waited))
	return err
}

// launch waits for room and starts the scoring of a request.
func (r *runner) launch(ctx context.Context, g *errgroup.Group, q *request, queue chan<- *request) error {
	if q.batch != nil {
		// A request beyond the bound may go alone: it would wait for ever for more than there is.
		q.bytes = min(q.bytes, r.cfg.InFlightBytes)
		if err := r.bytes.Acquire(ctx, q.bytes); err != nil {
			return err
		}
		r.cfg.Progress.InFlight.Add(q.bytes)
		if err := r.calls.Acquire(ctx, 1); err != nil {
			r.release(q)
			return err
		}
		g.Go(func() error {
			defer r.calls.Release(1)
			err := protect(func() error { return r.score(ctx, q) })
			q.done <- err
			return err
		})
	}
	select {
	case queue <- q:
		return nil
	case <-ctx.Done():
		r.release(q)
		return ctx.Err()
	}
}

// release releases what a request holds of the bytes in flight.
func (r *runner) release(q *request) {
	r.cfg.Progress.InFlight.Add(-q.bytes)
	r.bytes.Release(q.bytes)
}

// score fills q.scores. The values are checked here, so that no scorer can write what is not a score.
func (r *runner) score(ctx context.Context, q *request) error {
	b, p := q.batch, r.cfg.Progress
	p.begin()
	if b.Nodes() == 0 { // graphs without nodes are scored by saying so
		q.scores = r.noScores(b)
		return nil
	}
	start := time.Now()
	s, err := r.scorer.Score(ctx, b)
	if err != nil {
		return err
	}
	p.Requests.Add(1)
	p.pack.Add(int64(s.Timing.Pack))
	p.model.Add(int64(s.Timing.Model))
	p.transport.Add(int64(time.Since(start) - s.Timing.Pack - s.Timing.Model))
	if len(s.Failed) == b.Graphs() { // nothing was scored: whatever the scorer made of the values, none counts
		q.scores = r.noScores(b)
		q.scores.Failed = s.Failed
		return nil
	}
	if s.Level != r.cfg.Level {
		return &ContractError{Field: "the level of the scores", Got: int(s.Level), Want: int(r.cfg.Level)}
	}
	if s.Outputs != r.cfg.Outputs {
		return &ContractError{Field: "the number of outputs", Got: s.Outputs, Want: r.cfg.Outputs}
	}
	if want := b.ScoreRows(s.Level) * s.Outputs; len(s.Values) != want {
		return &ContractError{Field: "the number of scores", Got: len(s.Values), Want: want}
	}
	if s.EmbeddingWidth != r.cfg.Embedding {
		return &ContractError{Field: "the width of the embedding", Got: s.EmbeddingWidth, Want: r.cfg.Embedding}
	}
	if want := b.ScoreRows(s.Level) * s.EmbeddingWidth; len(s.Embedding) != want {
		return &ContractError{Field: "the number of values of the embedding", Got: len(s.Embedding), Want: want}
	}
	s.FailNonFinite(b)
	q.scores = s
	return nil
}

// noScores returns rows of scores that mean nothing.
func (r *runner) noScores(b *graph.Batch) *graph.Scores {
	rows := b.ScoreRows(r.cfg.Level)
	return &graph.Scores{
		Level: r.cfg.Level, Outputs: r.cfg.Outputs, Values: make([]float32, rows*r.cfg.Outputs),
		EmbeddingWidth: r.cfg.Embedding, Embedding: graph.NoEmbedding(rows, r.cfg.Embedding),
	}
}

// collector hands the answers of one shard to its sink, in the order of the input.
type collector struct {
	*runner
	sink     Sink
	counts   *Counts
	recycle  func(*graph.Batch)
	rejected []graph.Rejection // of the batch that is being collected
}

func (c *collector) collect(ctx context.Context, queue <-chan *request) error {
	for {
		start := time.Now()
		select {
		case q, open := <-queue:
			since(&c.cfg.Progress.writeWait, start)
			if !open {
				return nil
			}
			if err := c.take(ctx, q); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (c *collector) take(ctx context.Context, q *request) error {
	if q.batch != nil {
		defer c.release(q)
		start := time.Now()
		select {
		case err := <-q.done:
			since(&c.cfg.Progress.writeWait, start)
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer since(&c.cfg.Progress.write, time.Now())
	if q.batch != nil {
		if err := c.sink.Write(ctx, q.batch, q.scores); err != nil {
			return err
		}
		c.count(q)
	}
	c.rejected = append(c.rejected, q.rejected...)
	if q.whole == nil {
		return nil
	}
	c.recycle(q.whole) // all its requests were before this one
	return c.reject(ctx)
}

func (c *collector) count(q *request) {
	b, failed := q.batch, q.scores.Failed
	nodes, edges := b.Nodes(), b.Edges()
	for _, f := range failed {
		c.rejected = append(c.rejected, b.Reject(f.Graph, f.Code, f.Message))
		nodes -= b.GraphNodes(f.Graph)
		edges -= b.GraphEdges(f.Graph)
	}
	scored := int64(b.Graphs() - len(failed))
	c.counts.Rows += scored
	c.counts.Scored += scored
	c.counts.Nodes += int64(nodes)
	c.counts.Edges += int64(edges)
	c.cfg.Progress.Scored.Add(scored)
	c.cfg.Progress.Nodes.Add(int64(nodes))
	c.cfg.Progress.Edges.Add(int64(edges))
}

// reject hands over what was rejected of one batch, by reader, cutter and scorer, ascending by row.
func (c *collector) reject(ctx context.Context) error {
	slices.SortStableFunc(c.rejected, func(a, b graph.Rejection) int { return int(a.Row - b.Row) })
	for _, r := range c.rejected {
		if err := c.sink.Reject(ctx, r); err != nil {
			return err
		}
		c.counts.reject(r.Code)
	}
	c.cfg.Progress.Quarantined.Add(int64(len(c.rejected)))
	c.rejected = c.rejected[:0]
	return nil
}

// protect turns a panic of work into a PanicError.
func protect(work func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return work()
}
