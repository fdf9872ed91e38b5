package remote

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"

	"graphscore/pipeline/graph"
	gcnpb "graphscore/proto/gcn"
)

// GCN scores through GCNService, which takes one graph a call and returns one output, "score". It is safe for
// concurrent use.
type GCN struct {
	client   gcnpb.GCNServiceClient
	deadline time.Duration
	limit    int64
	answered func(address string)
}

// NewGCN makes a scorer. The connection stays the caller's.
func NewGCN(conn grpc.ClientConnInterface, cfg Config) *GCN {
	cfg = cfg.WithDefaults()
	return &GCN{client: gcnpb.NewGCNServiceClient(conn), deadline: cfg.Deadline, limit: int64(cfg.MaxMessageBytes), answered: cfg.Answered}
}

// GraphBytes is the size of the request with graph g, or of its answer, whichever is more.
func (c *GCN) GraphBytes(b *graph.Batch, g int) int64 {
	ids := newNodeNames(b, g)
	from, to := b.NodeRange(g)
	edgeFrom, _ := b.EdgeRange(g)
	features := field(protowire.SizeBytes(4 * b.Width))
	if b.Width == 0 {
		features = 0
	}
	var request, answer int64
	edge := edgeFrom
	for node := range to - from {
		name := ids.size(node)
		request += field(protowire.SizeBytes(int(field(protowire.SizeBytes(name)) + features)))
		answer += field(protowire.SizeBytes(int(field(protowire.SizeBytes(name)) + field(4))))
		for range b.InDegree[from+node] {
			source := ids.size(int(b.Sources[edge] - b.NodeOffsets[g]))
			request += field(protowire.SizeBytes(int(field(protowire.SizeBytes(source)) + field(protowire.SizeBytes(name)))))
			edge++
		}
	}
	return max(request, answer)
}

// field adds the tag of a field with a number below 16.
func field(size int) int64 { return int64(size) + 1 }

// Limit is the largest GraphBytes that fits into a message.
func (c *GCN) Limit() int64 { return c.limit }

// Score sends graph after graph and waits for the answers, each at most the deadline. Graphs without nodes are
// not sent. Graphs that the server refuses with INVALID_ARGUMENT are in Scores.Failed. The batch is only read
// and not kept. Errors are *Error, or that of ctx; nothing was scored then.
func (c *GCN) Score(ctx context.Context, b *graph.Batch) (*graph.Scores, error) {
	scores := &graph.Scores{Outputs: 1, Values: make([]float32, b.Nodes())}
	for g := range b.Graphs() {
		if b.GraphNodes(g) == 0 {
			continue
		}
		from, to := b.NodeRange(g)
		err := c.score(ctx, b, g, scores.Values[from:to], scores)
		if err == nil {
			continue
		}
		var e *Error
		if !errors.As(err, &e) {
			return nil, err
		}
		if code, message, refused := e.Refused(); refused {
			clear(scores.Values[from:to])
			scores.Failed = append(scores.Failed, graph.Failure{Graph: g, Code: code, Message: message})
			continue
		}
		e.Message = fmt.Sprintf("graph %q: %s", b.IDs.Text(nil, g), e.Message)
		return nil, e
	}
	return scores, nil
}

// score fills values with the scores of graph g, and notes in scores who took which time.
func (c *GCN) score(ctx context.Context, b *graph.Batch, g int, values []float32, scores *graph.Scores) error {
	start := time.Now()
	if size := c.GraphBytes(b, g); size > c.limit {
		return tooLarge(size, c.limit)
	}
	ids, err := nodeNames(b, g)
	if err != nil {
		return err
	}
	request := graphData(b, g, ids)
	packed := time.Since(start)

	call := newCall(ProtocolGCN, c.deadline)
	callCtx, cancel, options := call.begin(ctx)
	defer cancel()
	result, callErr := c.client.ProcessGraph(callCtx, request, options...)
	if callErr != nil {
		return callError(ctx, callErr, call)
	}
	start = time.Now()
	if err := take(values, ids, result.GetNodeScores(), call.address()); err != nil {
		return err
	}
	scores.Address = call.address()
	if c.answered != nil {
		c.answered(scores.Address)
	}
	scores.Timing.Pack += packed + call.coding + time.Since(start)
	return nil
}

// take puts the scores in node order and wants exactly one for each id.
func take(values []float32, ids []string, answer map[string]float32, address string) error {
	for i, id := range ids {
		value, there := answer[id]
		if !there {
			return broken(address, "node_scores lacks the node %q", sentence(id))
		}
		values[i] = value
	}
	if len(answer) == len(ids) {
		return nil
	}
	asked := make(map[string]struct{}, len(ids))
	for _, id := range ids {
		asked[id] = struct{}{}
	}
	var extra []string
	for id := range answer {
		if _, there := asked[id]; !there {
			extra = append(extra, id)
		}
	}
	return broken(address, "node_scores has the node %q, which the request has not", sentence(slices.Min(extra)))
}

// graphData makes the message of graph g.
func graphData(b *graph.Batch, g int, ids []string) *gcnpb.GraphData {
	from, _ := b.NodeRange(g)
	edgeFrom, edgeTo := b.EdgeRange(g)
	data := &gcnpb.GraphData{
		Nodes: make([]*gcnpb.Node, len(ids)),
		Edges: make([]*gcnpb.Edge, 0, edgeTo-edgeFrom),
	}
	nodes := make([]gcnpb.Node, len(ids))
	edges := make([]gcnpb.Edge, edgeTo-edgeFrom)
	at := 0
	for i, id := range ids {
		row := (from + i) * b.Width
		nodes[i].Id = id
		nodes[i].Features = b.Features[row : row+b.Width : row+b.Width]
		data.Nodes[i] = &nodes[i]
		for range b.InDegree[from+i] {
			edges[at].SourceId = ids[b.Sources[edgeFrom+at]-b.NodeOffsets[g]]
			edges[at].TargetId = id
			data.Edges = append(data.Edges, &edges[at])
			at++
		}
	}
	return data
}

// nodeNames returns the ids of the nodes of graph g as the protocol has them: text, and '0' to 'n-1' where the
// input has none.
func nodeNames(b *graph.Batch, g int) ([]string, error) {
	names := newNodeNames(b, g)
	ids := make([]string, b.GraphNodes(g))
	var text []byte
	for i := range ids {
		text = names.text(text[:0], i)
		if !utf8.Valid(text) {
			return nil, &Error{
				Kind: Refused, reason: graph.Refused,
				Message: fmt.Sprintf("the id of node %d, %q, is no UTF-8 text, which the gcn protocol needs", i, clip(text)),
			}
		}
		ids[i] = string(text)
	}
	return ids, nil
}

func clip(text []byte) []byte { return text[:min(len(text), 100)] }

// names is the ids of one graph's nodes.
type names struct {
	ids   *graph.IDs // nil: numbers
	first int
}

func newNodeNames(b *graph.Batch, g int) names {
	from, _ := b.NodeRange(g)
	return names{ids: b.NodeIDs, first: from}
}

func (n names) text(dst []byte, i int) []byte {
	if n.ids == nil {
		return strconv.AppendInt(dst, int64(i), 10)
	}
	return n.ids.Text(dst, n.first+i)
}

// size is the length of the text.
func (n names) size(i int) int {
	if n.ids != nil && n.ids.Kind == graph.String {
		return len(n.ids.At(n.first + i))
	}
	v := int64(i)
	if n.ids != nil {
		v = n.ids.Ints[n.first+i]
	}
	return digits(v)
}

func digits(v int64) int {
	if v == math.MinInt64 {
		return 20
	}
	size := 1
	if v < 0 {
		size, v = 2, -v
	}
	for ; v >= 10; v /= 10 {
		size++
	}
	return size
}
