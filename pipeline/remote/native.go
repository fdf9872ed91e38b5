package remote

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"graphscore/pipeline/graph"
	"graphscore/pipeline/slots"
	scoringv1 "graphscore/proto/graphscore/v1"
)

// messageOverhead is more than the tags, lengths, counts and the digest of a request or an answer take.
const messageOverhead = 256

// Native scores batches through graphscore.v1.ScoringService: one call a batch, as columns. It is safe for
// concurrent use.
type Native struct {
	client   scoringv1.ScoringServiceClient
	deadline time.Duration
	limit    int64
	level    graph.Level
	outputs  int
	embed    string // the step whose values are asked for, "" for none ...
	width    int    // ... and how many a row has
	digest   string
	code     *regexp.Regexp
	portable bool
	answered func(address string)
	scratch  sync.Pool // *scratch

	memory     *slots.Memory // nil where columns go inline
	memoryOnly bool
	log        *slog.Logger
}

// scratch holds the columns of a request that are not in the batch as they go over the wire.
type scratch struct{ counts, sources []uint32 }

// NewNative makes a scorer for the model that Describe found. The connection stays the caller's.
func NewNative(conn grpc.ClientConnInterface, cfg Config, m *graph.Model) *Native {
	cfg = cfg.WithDefaults()
	limit := int64(cfg.MaxMessageBytes)
	if m.MaxMessageBytes > 0 {
		limit = min(limit, m.MaxMessageBytes)
	}
	return &Native{
		client:   scoringv1.NewScoringServiceClient(conn),
		deadline: cfg.Deadline,
		limit:    limit,
		level:    m.Level,
		outputs:  len(m.Outputs),
		embed:    m.Embedding.Name,
		width:    m.Embedding.Width,
		digest:   m.Digest,
		code:     regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`),
		portable: !littleEndian(),
		answered: cfg.Answered,
		scratch:  sync.Pool{New: func() any { return new(scratch) }},

		memory: cfg.Memory, memoryOnly: cfg.MemoryOnly, log: cfg.Log,
	}
}

// GraphBytes is what graph g adds to a request or to its answer, whichever is more.
func (n *Native) GraphBytes(b *graph.Batch, g int) int64 {
	from, to := b.ScoreRange(n.level, g)
	return max(b.GraphBytes(g), n.answerBytes(to-from))
}

// answerBytes is the size of so many rows of scores, with their embedding.
func (n *Native) answerBytes(rows int) int64 { return 4 * int64(rows) * int64(n.outputs+n.width) }

// Limit is the largest sum of GraphBytes that fits into one message.
func (n *Native) Limit() int64 { return n.limit - messageOverhead }

// Score sends the batch in one call and waits for the answer, at most the deadline. Nothing is sent where the
// batch has no node, or no message can hold it. The batch is only read and not kept. Errors are *Error, or that
// of ctx.
func (n *Native) Score(ctx context.Context, b *graph.Batch) (*graph.Scores, error) {
	if b.Nodes() == 0 {
		rows := b.ScoreRows(n.level)
		return &graph.Scores{
			Level: n.level, Outputs: n.outputs, Values: make([]float32, rows*n.outputs),
			EmbeddingWidth: n.width, Embedding: graph.NoEmbedding(rows, n.width),
		}, nil
	}
	if size := max(b.Bytes(), n.answerBytes(b.ScoreRows(n.level))); size > n.Limit() {
		return nil, tooLarge(size, n.Limit())
	}
	s := n.scratch.Get().(*scratch)
	defer n.scratch.Put(s)
	if err := n.refused(); err != nil {
		return nil, err
	}
	scores, inline, err := n.exchange(ctx, b, s, n.pack)
	if inline {
		scores, _, err = n.exchange(ctx, b, s, func(*graph.Batch, *scoringv1.ScoreRequest) *parcel { return nil })
	}
	return scores, err
}

// exchange makes one call. pack may take the columns out of the request; inline reports that they are to be sent once
// more, in the message.
func (n *Native) exchange(ctx context.Context, b *graph.Batch, s *scratch, pack func(*graph.Batch, *scoringv1.ScoreRequest) *parcel) (
	scores *graph.Scores, inline bool, err error,
) {
	start := time.Now()
	request := n.request(b, s)
	p := pack(b, request)
	packed := time.Since(start)

	c := newCall(ProtocolNative, n.deadline)
	callCtx, cancel, options := c.begin(ctx)
	defer cancel()
	if p != nil {
		defer p.end(ctx)
		callCtx = context.WithValue(callCtx, useKey{}, p.use)
	}
	response, err := n.client.Score(callCtx, request, options...)
	if err != nil {
		return n.fail(ctx, err, c, p)
	}
	start = time.Now()
	scores, broken := n.receive(b, response, c, p)
	if broken != nil {
		return nil, false, broken
	}
	scores.Address = c.address()
	if n.answered != nil {
		n.answered(scores.Address)
	}
	scores.Timing = graph.Timing{
		Pack:  packed + c.coding + time.Since(start),
		Model: time.Duration(min(response.GetModelNanos(), uint64(c.deadline))),
	}
	return scores, false, nil
}

// fail says what the failure of a call means: see exchange and callError.
func (n *Native) fail(ctx context.Context, err error, c *call, p *parcel) (_ *graph.Scores, inline bool, _ error) {
	if p == nil {
		return nil, false, callError(ctx, err, c)
	}
	inline, refused := n.failed(p, c, status.Convert(err))
	switch {
	case ctx.Err() != nil:
		return nil, false, ctx.Err()
	case refused != nil:
		return nil, false, refused
	case inline:
		return nil, true, nil
	}
	return nil, false, callError(ctx, err, c)
}

// receive takes the answer, out of the slot where the columns went there.
func (n *Native) receive(b *graph.Batch, r *scoringv1.ScoreResponse, c *call, p *parcel) (*graph.Scores, *Error) {
	if p != nil {
		if err := p.unpack(r, c); err != nil {
			return nil, err
		}
	} else if r.GetSlotNumber() != 0 {
		return nil, broken(c.address(), "slot_number is %d, but the columns are in the request", r.GetSlotNumber())
	}
	return n.scores(b, r, c.address())
}

// request shares the memory of b and s. gRPC copies it before the call returns.
func (n *Native) request(b *graph.Batch, s *scratch) *scoringv1.ScoreRequest {
	s.counts = slices.Grow(s.counts[:0], b.Graphs())[:b.Graphs()]
	for g := range s.counts {
		s.counts[g] = b.NodeOffsets[g+1] - b.NodeOffsets[g]
	}
	sources := b.Sources
	if first := b.NodeOffsets[0]; first != 0 {
		s.sources = slices.Grow(s.sources[:0], len(sources))[:len(sources)]
		for i, v := range sources {
			s.sources[i] = v - first
		}
		sources = s.sources
	}
	return &scoringv1.ScoreRequest{
		Graphs:       uint32(b.Graphs()),
		Nodes:        uint32(b.Nodes()),
		Edges:        uint32(b.Edges()),
		FeatureWidth: uint32(b.Width),
		NodeCounts:   column(s.counts, n.portable),
		Features:     column(b.Features, n.portable),
		InDegrees:    column(b.InDegree, n.portable),
		Sources:      column(sources, n.portable),
		EdgeWeights:  column(b.Weights, n.portable),

		EdgeFeatureWidth:  uint32(b.EdgeWidth),
		EdgeFeatures:      column(b.EdgeFeatures, n.portable),
		EdgeTypes:         column(b.EdgeTypes, n.portable),
		GraphFeatureWidth: uint32(b.GraphWidth),
		GraphFeatures:     column(b.GraphFeatures, n.portable),

		Embed: n.embed,
	}
}

// scores checks the answer and takes over its memory.
func (n *Native) scores(b *graph.Batch, r *scoringv1.ScoreResponse, address string) (*graph.Scores, *Error) {
	if r.GetModelDigest() != n.digest {
		return nil, broken(address, "model_digest is %q, but the run began with %q", sentence(r.GetModelDigest()), n.digest)
	}
	rows := b.ScoreRows(n.level)
	if err := n.checkRows(b, r, rows, address); err != nil {
		return nil, err
	}
	if int64(r.GetOutputs()) != int64(n.outputs) {
		return nil, broken(address, "outputs is %d, but the model has %d outputs", r.GetOutputs(), n.outputs)
	}
	if want := 4 * int64(rows) * int64(n.outputs); int64(len(r.GetScores())) != want {
		return nil, broken(address, "scores has %d bytes, but %d %ss with %d outputs take %d",
			len(r.GetScores()), rows, n.level, n.outputs, want)
	}
	if err := n.checkEmbedding(r, rows, address); err != nil {
		return nil, err
	}
	failed, err := n.failures(b, r.GetErrors(), address)
	if err != nil {
		return nil, err
	}
	return &graph.Scores{
		Level: n.level, Outputs: n.outputs, Values: floats(r.GetScores(), n.portable), Failed: failed,
		EmbeddingWidth: n.width, Embedding: floats(r.GetEmbedding(), n.portable),
	}, nil
}

// checkEmbedding compares the sizes of the embedding with those that the server described, which are 0 where no step is
// asked for. A server that knows no embedding leaves both out.
func (n *Native) checkEmbedding(r *scoringv1.ScoreResponse, rows int, address string) *Error {
	if int64(r.GetEmbeddingWidth()) != int64(n.width) {
		return broken(address, "embedding_width is %d, but %s", r.GetEmbeddingWidth(), n.wanted())
	}
	if want := 4 * int64(rows) * int64(n.width); int64(len(r.GetEmbedding())) != want {
		return broken(address, "embedding has %d bytes, but %d %ss take %d, as %s", len(r.GetEmbedding()), rows, n.level, want, n.wanted())
	}
	return nil
}

// wanted says what was asked for.
func (n *Native) wanted() string {
	if n.embed == "" {
		return "no step was asked for"
	}
	return fmt.Sprintf("step %q has %d values", n.embed, n.width)
}

// checkRows compares the counts of an answer with those of the request. A server that knows level node alone counts nodes,
// and no rows.
func (n *Native) checkRows(b *graph.Batch, r *scoringv1.ScoreResponse, rows int, address string) *Error {
	switch {
	case n.level == graph.NodeLevel && int64(r.GetNodes()) != int64(b.Nodes()):
		return broken(address, "nodes is %d, but the request has %d nodes", r.GetNodes(), b.Nodes())
	case n.level != graph.NodeLevel && r.GetNodes() != 0:
		return broken(address, "nodes is %d, but scores of level %s count none", r.GetNodes(), n.level)
	}
	if old := n.level == graph.NodeLevel && r.GetRows() == 0; !old && int64(r.GetRows()) != int64(rows) {
		return broken(address, "rows is %d, but the request has %d %ss", r.GetRows(), rows, n.level)
	}
	return nil
}

func (n *Native) failures(b *graph.Batch, errors []*scoringv1.GraphError, address string) ([]graph.Failure, *Error) {
	if len(errors) == 0 {
		return nil, nil
	}
	failed := make([]graph.Failure, len(errors))
	for i, e := range errors {
		if int64(e.GetGraph()) >= int64(b.Graphs()) {
			return nil, broken(address, "errors names graph %d of %d graphs", e.GetGraph(), b.Graphs())
		}
		if i > 0 && e.GetGraph() <= errors[i-1].GetGraph() {
			return nil, broken(address, "errors names graph %d after graph %d, but they must ascend",
				e.GetGraph(), errors[i-1].GetGraph())
		}
		if !n.code.MatchString(e.GetCode()) {
			return nil, broken(address, "errors gives graph %d the code %q, which is no lower-case word",
				e.GetGraph(), sentence(e.GetCode()))
		}
		failed[i] = graph.Failure{
			Graph: int(e.GetGraph()), Code: graph.Code(e.GetCode()), Message: sentence(e.GetMessage()),
		}
	}
	return failed, nil
}
