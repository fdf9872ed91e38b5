package remotetest

import (
	"context"
	"encoding/binary"
	"math"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"graphscore/pipeline/slots"
	scoringv1 "graphscore/proto/graphscore/v1"
)

// Digest is that of the model of Native.
const Digest = "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

// Native is a server of the native protocol. Its model computes output k of a node as
// (k+1) * (the sum of its features + the sum of weight times first feature over its in-edges, in float32). At level edge
// the value of an edge is that of its source, twice, and of its target, and its features and type; at level graph that of
// a graph is the sum of its features and of its nodes. Value k of a row of an embedding is that of output 0 less k.
// Fields are set before it serves; it is safe for concurrent use.
type Native struct {
	scoringv1.UnimplementedScoringServiceServer
	// Model is what GetModel returns; NewNative fills it as a server does that knows level node alone.
	Model *scoringv1.GetModelResponse
	// Before runs first in each call of Score: an error, or a context that ends, is the answer.
	Before func(ctx context.Context, request *scoringv1.ScoreRequest) error
	// Memory is that of the client, for requests whose columns lie in a slot. Columns are read after Before, and scores are
	// written between Scored and Change, whatever the header of the slot says by then: as by a worker that was stopped
	// meanwhile.
	Memory *slots.Memory
	// Scored runs once the scores are computed, before they are written: an error is the answer.
	Scored func(ctx context.Context, request *scoringv1.ScoreRequest) error
	// Change misrepresents a right answer.
	Change func(request *scoringv1.ScoreRequest, response *scoringv1.ScoreResponse)

	calls atomic.Int64
}

// NewNative makes a server that behaves.
func NewNative(inFeatures int, outputs ...string) *Native {
	return &Native{Model: &scoringv1.GetModelResponse{
		Name: "sum", Digest: Digest, InFeatures: uint32(inFeatures), Outputs: outputs, MaxMessageBytes: 64 << 20,
		Engine: "go", Versions: map[string]string{"go": "1"}, Blas: "none",
	}}
}

// Register adds the service to a server.
func (n *Native) Register(server *grpc.Server) { scoringv1.RegisterScoringServiceServer(server, n) }

// Calls is how often Score was called.
func (n *Native) Calls() int { return int(n.calls.Load()) }

// GetModel describes the model.
func (n *Native) GetModel(context.Context, *scoringv1.GetModelRequest) (*scoringv1.GetModelResponse, error) {
	return n.Model, nil
}

// Score scores, after Before and before Change.
func (n *Native) Score(ctx context.Context, r *scoringv1.ScoreRequest) (*scoringv1.ScoreResponse, error) {
	n.calls.Add(1)
	if n.Before != nil {
		if err := n.Before(ctx, r); err != nil {
			return nil, err
		}
	}
	whole, err := n.Unpacked(r)
	if err != nil {
		return nil, err
	}
	if err := n.check(whole); err != nil {
		return nil, err
	}
	response, err := n.score(whole)
	if err != nil {
		return nil, err
	}
	if n.Scored != nil {
		if err := n.Scored(ctx, r); err != nil {
			return nil, err
		}
	}
	if err := n.pack(r, response); err != nil {
		return nil, err
	}
	if n.Change != nil {
		n.Change(r, response)
	}
	return response, nil
}

func (n *Native) check(r *scoringv1.ScoreRequest) error {
	for name, lengths := range map[string][2]int{
		"node_counts": {len(r.GetNodeCounts()), 4 * int(r.GetGraphs())},
		"features":    {len(r.GetFeatures()), 4 * int(r.GetNodes()) * int(r.GetFeatureWidth())},
		"in_degrees":  {len(r.GetInDegrees()), 4 * int(r.GetNodes())},
		"sources":     {len(r.GetSources()), 4 * int(r.GetEdges())},

		"edge_features":  {len(r.GetEdgeFeatures()), 4 * int(r.GetEdges()) * int(r.GetEdgeFeatureWidth())},
		"graph_features": {len(r.GetGraphFeatures()), 4 * int(r.GetGraphs()) * int(r.GetGraphFeatureWidth())},
	} {
		if lengths[0] != lengths[1] {
			return status.Errorf(codes.InvalidArgument, "%s has %d bytes, not %d", name, lengths[0], lengths[1])
		}
	}
	for name, length := range map[string]int{"edge_weights": len(r.GetEdgeWeights()), "edge_types": len(r.GetEdgeTypes())} {
		if length != 0 && length != 4*int(r.GetEdges()) {
			return status.Errorf(codes.InvalidArgument, "%s has %d bytes", name, length)
		}
	}
	if r.GetFeatureWidth() != n.Model.GetInFeatures() {
		return status.Errorf(codes.InvalidArgument, "feature_width is %d", r.GetFeatureWidth())
	}
	var nodes, edges uint32
	for i := range int(r.GetGraphs()) {
		nodes += word(r.GetNodeCounts(), i)
	}
	for i := range int(r.GetNodes()) {
		edges += word(r.GetInDegrees(), i)
	}
	if nodes != r.GetNodes() || edges != r.GetEdges() {
		return status.Errorf(codes.InvalidArgument, "%d nodes and %d edges, not as counted", nodes, edges)
	}
	for i := range int(r.GetEdges()) {
		if s := word(r.GetSources(), i); s >= r.GetNodes() {
			return status.Errorf(codes.InvalidArgument, "source %d of %d nodes", s, r.GetNodes())
		}
	}
	return nil
}

func (n *Native) score(r *scoringv1.ScoreRequest) (*scoringv1.ScoreResponse, error) {
	response := &scoringv1.ScoreResponse{
		Nodes: r.GetNodes(), Outputs: uint32(len(n.Model.GetOutputs())), ModelDigest: n.Model.GetDigest(), ModelNanos: 1000,
	}
	rows := nodeValues(r)
	switch n.Model.GetLevel() {
	case "edge":
		rows, response.Nodes = edgeValues(r, rows), 0
	case "graph":
		rows, response.Nodes = graphValues(r, rows), 0
	}
	if n.Model.GetLevel() != "" {
		response.Rows = uint32(len(rows))
	}
	for _, v := range rows {
		for k := range response.GetOutputs() {
			response.Scores = binary.LittleEndian.AppendUint32(response.Scores, math.Float32bits(float32(k+1)*v))
		}
	}
	if r.GetEmbed() == "" {
		return response, nil
	}
	for _, step := range n.Model.GetSteps() {
		if step.GetName() == r.GetEmbed() {
			response.EmbeddingWidth = step.GetWidth()
		}
	}
	if response.EmbeddingWidth == 0 {
		return nil, status.Errorf(codes.InvalidArgument, "there is no step %q", r.GetEmbed())
	}
	for _, v := range rows {
		for k := range response.GetEmbeddingWidth() {
			response.Embedding = binary.LittleEndian.AppendUint32(response.Embedding, math.Float32bits(v-float32(k)))
		}
	}
	return response, nil
}

func nodeValues(r *scoringv1.ScoreRequest) []float32 {
	width := int(r.GetFeatureWidth())
	values := make([]float32, r.GetNodes())
	edge := 0
	for node := range values {
		values[node] = sum(r.GetFeatures(), node, width)
		for range word(r.GetInDegrees(), node) {
			weight := float32(1)
			if len(r.GetEdgeWeights()) > 0 {
				weight = float(r.GetEdgeWeights(), edge)
			}
			values[node] += weight * float(r.GetFeatures(), int(word(r.GetSources(), edge))*width)
			edge++
		}
	}
	return values
}

func edgeValues(r *scoringv1.ScoreRequest, nodes []float32) []float32 {
	values := make([]float32, 0, r.GetEdges())
	for target := range nodes {
		for range word(r.GetInDegrees(), target) {
			edge := len(values)
			v := 2*nodes[word(r.GetSources(), edge)] + nodes[target] + sum(r.GetEdgeFeatures(), edge, int(r.GetEdgeFeatureWidth()))
			if len(r.GetEdgeTypes()) > 0 {
				v += float32(word(r.GetEdgeTypes(), edge))
			}
			values = append(values, v)
		}
	}
	return values
}

func graphValues(r *scoringv1.ScoreRequest, nodes []float32) []float32 {
	values := make([]float32, r.GetGraphs())
	for g := range values {
		values[g] = sum(r.GetGraphFeatures(), g, int(r.GetGraphFeatureWidth()))
		count := word(r.GetNodeCounts(), g)
		for _, v := range nodes[:count] {
			values[g] += v
		}
		nodes = nodes[count:]
	}
	return values
}

// sum adds the values of one row of a column.
func sum(column []byte, row, width int) float32 {
	var s float32
	for i := range width {
		s += float(column, row*width+i)
	}
	return s
}

func word(column []byte, i int) uint32 { return binary.LittleEndian.Uint32(column[4*i:]) }

func float(column []byte, i int) float32 { return math.Float32frombits(word(column, i)) }
