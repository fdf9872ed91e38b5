package remotetest

import (
	"context"
	"encoding/binary"
	"math"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	scoringv1 "graphscore/proto/graphscore/v1"
)

// Digest is that of the model of Native.
const Digest = "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

// Native is a server of the native protocol. Its model computes output k of a node as
// (k+1) * (the sum of its features + the sum of weight times first feature over its in-edges, in float32).
// Fields are set before it serves; it is safe for concurrent use.
type Native struct {
	scoringv1.UnimplementedScoringServiceServer
	// Model is what GetModel returns; NewNative fills it.
	Model *scoringv1.GetModelResponse
	// Before runs first in each call of Score: an error, or a context that ends, is the answer.
	Before func(ctx context.Context, request *scoringv1.ScoreRequest) error
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
	if err := n.check(r); err != nil {
		return nil, err
	}
	response := n.score(r)
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
	} {
		if lengths[0] != lengths[1] {
			return status.Errorf(codes.InvalidArgument, "%s has %d bytes, not %d", name, lengths[0], lengths[1])
		}
	}
	if w := len(r.GetEdgeWeights()); w != 0 && w != 4*int(r.GetEdges()) {
		return status.Errorf(codes.InvalidArgument, "edge_weights has %d bytes", w)
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

func (n *Native) score(r *scoringv1.ScoreRequest) *scoringv1.ScoreResponse {
	outputs, width := len(n.Model.GetOutputs()), int(r.GetFeatureWidth())
	scores := make([]byte, 0, 4*int(r.GetNodes())*outputs)
	edge := 0
	for node := range int(r.GetNodes()) {
		var sum float32
		for i := range width {
			sum += float(r.GetFeatures(), node*width+i)
		}
		for range word(r.GetInDegrees(), node) {
			weight := float32(1)
			if len(r.GetEdgeWeights()) > 0 {
				weight = float(r.GetEdgeWeights(), edge)
			}
			sum += weight * float(r.GetFeatures(), int(word(r.GetSources(), edge))*width)
			edge++
		}
		for k := range outputs {
			scores = binary.LittleEndian.AppendUint32(scores, math.Float32bits(float32(k+1)*sum))
		}
	}
	return &scoringv1.ScoreResponse{
		Nodes: r.GetNodes(), Outputs: uint32(outputs), Scores: scores, ModelDigest: n.Model.GetDigest(), ModelNanos: 1000,
	}
}

func word(column []byte, i int) uint32 { return binary.LittleEndian.Uint32(column[4*i:]) }

func float(column []byte, i int) float32 { return math.Float32frombits(word(column, i)) }
