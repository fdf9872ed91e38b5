package remotetest

import (
	"context"
	"math"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	gcnpb "graphscore/proto/gcn"
)

// Layer is a graph convolution, X' = D^-1/2 (A + I) D^-1/2 X W^T + b, as PyTorch Geometric's GCNConv with its
// defaults.
type Layer struct {
	Weight [][]float64 // [out][in]
	Bias   []float64   // [out]
	ReLU   bool
}

// GCN is a server of the older protocol: a plain graph convolution in float64, written as the formula has it and
// without a thought for speed. It shares no code with graphscore.
type GCN struct {
	gcnpb.UnimplementedGCNServiceServer
	Layers []Layer
	// Before runs first in each call: an error is the answer.
	Before func(ctx context.Context, request *gcnpb.GraphData) error
	// Change misrepresents a right answer.
	Change func(request *gcnpb.GraphData, result *gcnpb.GCNResult)
}

// Register adds the service to a server.
func (s *GCN) Register(server *grpc.Server) { gcnpb.RegisterGCNServiceServer(server, s) }

// ProcessGraph scores one graph.
func (s *GCN) ProcessGraph(ctx context.Context, data *gcnpb.GraphData) (*gcnpb.GCNResult, error) {
	if s.Before != nil {
		if err := s.Before(ctx, data); err != nil {
			return nil, err
		}
	}
	place := make(map[string]int)
	x := make([][]float64, len(data.GetNodes()))
	for i, node := range data.GetNodes() {
		if len(node.GetFeatures()) != len(s.Layers[0].Weight[0]) {
			return nil, status.Errorf(codes.InvalidArgument, "node %q has %d features", node.GetId(), len(node.GetFeatures()))
		}
		place[node.GetId()] = i
		for _, v := range node.GetFeatures() {
			x[i] = append(x[i], float64(v))
		}
	}
	var edges [][2]int
	for _, edge := range data.GetEdges() {
		source, there := place[edge.GetSourceId()]
		target, alsoThere := place[edge.GetTargetId()]
		if !there || !alsoThere {
			return nil, status.Errorf(codes.InvalidArgument, "edge %q -> %q names no node", edge.GetSourceId(), edge.GetTargetId())
		}
		edges = append(edges, [2]int{source, target})
	}
	result := &gcnpb.GCNResult{NodeScores: make(map[string]float32)}
	for i, row := range s.Scores(x, edges) {
		result.NodeScores[data.GetNodes()[i].GetId()] = float32(row[0])
	}
	if s.Change != nil {
		s.Change(data, result)
	}
	return result, nil
}

// Scores is the model: features [nodes][in], edges as source and target, scores [nodes][out].
func (s *GCN) Scores(x [][]float64, edges [][2]int) [][]float64 {
	for _, layer := range s.Layers {
		x = layer.apply(x, edges)
	}
	return x
}

func (l Layer) apply(x [][]float64, edges [][2]int) [][]float64 {
	degree := make([]float64, len(x))
	var others [][2]int
	for _, e := range edges {
		if e[0] != e[1] { // every node has a self loop anyway, with weight 1
			others = append(others, e)
		}
	}
	for i := range x {
		others = append(others, [2]int{i, i})
	}
	for _, e := range others {
		degree[e[1]]++
	}
	out := make([][]float64, len(x))
	for i := range out {
		out[i] = append([]float64(nil), l.Bias...)
	}
	for _, e := range others {
		norm := 1 / math.Sqrt(degree[e[0]]*degree[e[1]])
		for k, weights := range l.Weight {
			for j, w := range weights {
				out[e[1]][k] += norm * w * x[e[0]][j]
			}
		}
	}
	if l.ReLU {
		for _, row := range out {
			for k := range row {
				row[k] = max(row[k], 0)
			}
		}
	}
	return out
}
