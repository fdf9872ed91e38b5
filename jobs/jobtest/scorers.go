package jobtest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"graphscore/pipeline/graph"
	"graphscore/pipeline/remote/remotetest"
	gcnpb "graphscore/proto/gcn"
	scoringv1 "graphscore/proto/graphscore/v1"
)

// Scorer is what a server does: it adds up the features of a node, or breaks its contract in one way.
type Scorer struct {
	Protocol string   // native, gcn, or none: a server that knows neither
	Width    int      // features of a node
	Outputs  []string // names of the outputs, of native only
	Digest   string   // of the model, of native only
	Level    string   // of the model, of native only; "" is a server that knows nodes alone
	Inputs   []string // columns that the model reads beside features, as name=width, name?=width where optional, of native only
	Steps    []string // whose values can be had, as name=level=width, of native only
	Fault    string   // "" or a case of misbehave or misbehaveGCN
}

// Register registers the service with a server that does not serve yet.
func (s Scorer) Register(server *grpc.Server) error {
	switch s.Protocol {
	case "native":
		native := remotetest.NewNative(s.Width, s.Outputs...)
		native.Model.Digest, native.Model.Level = s.Digest, s.Level
		if err := errors.Join(s.addInputs(native.Model), s.addSteps(native.Model)); err != nil {
			return err
		}
		native.Register(server)
		return misbehave(native, s.Fault)
	case "gcn":
		gcn := &remotetest.GCN{Layers: []remotetest.Layer{{Weight: [][]float64{ones(s.Width)}, Bias: []float64{0}}}}
		gcn.Register(server)
		return misbehaveGCN(gcn, s.Fault)
	case "none":
		return nil
	default:
		return fmt.Errorf("no protocol %q", s.Protocol)
	}
}

func (s Scorer) addInputs(m *scoringv1.GetModelResponse) error {
	if s.Level == "" {
		return nil
	}
	m.Inputs = []*scoringv1.ModelInput{{Name: "x", Width: uint32(s.Width)}}
	for _, input := range s.Inputs {
		name, text, _ := strings.Cut(input, "=")
		width, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return fmt.Errorf("the input %q is no name=width", input)
		}
		name, optional := strings.CutSuffix(name, "?")
		m.Inputs = append(m.Inputs, &scoringv1.ModelInput{Name: name, Width: uint32(width), Optional: optional})
	}
	return nil
}

func (s Scorer) addSteps(m *scoringv1.GetModelResponse) error {
	for _, step := range s.Steps {
		parts := strings.Split(step, "=")
		if len(parts) != 3 {
			return fmt.Errorf("the step %q is no name=level=width", step)
		}
		width, err := strconv.ParseUint(parts[2], 10, 32)
		if err != nil {
			return fmt.Errorf("the step %q is no name=level=width", step)
		}
		m.Steps = append(m.Steps, &scoringv1.ModelStep{Name: parts[0], Level: parts[1], Width: uint32(width)})
	}
	return nil
}

// misbehave makes a native server break its contract in one way.
func misbehave(n *remotetest.Native, fault string) error {
	switch fault {
	case "":
	case "digest": // another model answers
		n.Change = func(_ *scoringv1.ScoreRequest, r *scoringv1.ScoreResponse) {
			r.ModelDigest = "sha256:" + strings.Repeat("0", 64)
		}
	case "short": // a score too few, and the counts agree with it
		n.Change = func(_ *scoringv1.ScoreRequest, r *scoringv1.ScoreResponse) { r.Nodes--; r.Scores = r.Scores[4:] }
	case "bytes": // a score too few in the column only
		n.Change = func(_ *scoringv1.ScoreRequest, r *scoringv1.ScoreResponse) { r.Scores = r.Scores[4:] }
	case "embedding": // a value of the embedding too few
		n.Change = func(_ *scoringv1.ScoreRequest, r *scoringv1.ScoreResponse) { r.Embedding = r.Embedding[4:] }
	case "unembedded": // it does not know what is asked of it
		n.Change = func(_ *scoringv1.ScoreRequest, r *scoringv1.ScoreResponse) { r.EmbeddingWidth, r.Embedding = 0, nil }
	case "embeddingnan": // the second value of the embedding of every answer is no number
		n.Change = func(_ *scoringv1.ScoreRequest, r *scoringv1.ScoreResponse) {
			copy(r.Embedding[4:], []byte{0, 0, 0xc0, 0x7f})
		}
	case "embeddingdrift": // the first value of the embedding of every answer is a quarter more
		n.Change = func(_ *scoringv1.ScoreRequest, r *scoringv1.ScoreResponse) {
			copy(r.Embedding, float32bytes(math.Float32frombits(binary.LittleEndian.Uint32(r.Embedding))+0.25))
		}
	case "outputs":
		n.Change = func(_ *scoringv1.ScoreRequest, r *scoringv1.ScoreResponse) { r.Outputs++ }
	case "graph": // it complains about a graph that is not there
		n.Change = func(q *scoringv1.ScoreRequest, r *scoringv1.ScoreResponse) {
			r.Errors = append(r.Errors, &scoringv1.GraphError{Graph: q.GetGraphs(), Code: "refused", Message: "no"})
		}
	case "nan": // the first score of every answer is no number
		n.Change = func(_ *scoringv1.ScoreRequest, r *scoringv1.ScoreResponse) {
			copy(r.Scores, []byte{0, 0, 0xc0, 0x7f})
		}
	case "drift": // the first score of every answer is a quarter more
		n.Change = func(_ *scoringv1.ScoreRequest, r *scoringv1.ScoreResponse) {
			score := math.Float32frombits(binary.LittleEndian.Uint32(r.Scores)) + 0.25
			copy(r.Scores, float32bytes(score))
		}
	case "refuses": // every request with a feature of 3: the graph with the number 3
		n.Before = func(_ context.Context, q *scoringv1.ScoreRequest) error {
			for i := 0; i+4 <= len(q.GetFeatures()); i += 8 {
				if bytes.Equal(q.GetFeatures()[i:i+4], float32bytes(3)) {
					return status.Error(codes.InvalidArgument, "no threes, please")
				}
			}
			return nil
		}
	case "crashes": // over the graph with the number 3, whose neighbours are scored
		n.Change = func(q *scoringv1.ScoreRequest, r *scoringv1.ScoreResponse) {
			node := 0
			for g := range int(q.GetGraphs()) {
				if bytes.Equal(q.GetFeatures()[4*node*int(q.GetFeatureWidth()):][:4], float32bytes(3)) {
					r.Errors = append(r.Errors, &scoringv1.GraphError{Graph: uint32(g), Code: string(graph.ScorerCrashed), Message: "its worker was killed by SIGSEGV"})
				}
				node += int(binary.LittleEndian.Uint32(q.GetNodeCounts()[4*g:]))
			}
		}
	case "secret":
		n.Before = func(context.Context, *scoringv1.ScoreRequest) error {
			return status.Error(codes.Unauthenticated, "no token")
		}
	case "hang":
		n.Before = func(ctx context.Context, _ *scoringv1.ScoreRequest) error { <-ctx.Done(); return ctx.Err() }
	case "slow": // long enough for a bar to move, on a busy machine too
		n.Before = func(context.Context, *scoringv1.ScoreRequest) error { time.Sleep(3 * time.Second); return nil }
	case "full":
		n.Before = func(context.Context, *scoringv1.ScoreRequest) error {
			return status.Error(codes.ResourceExhausted, "queue is full")
		}
	case "internal":
		n.Before = func(context.Context, *scoringv1.ScoreRequest) error { return status.Error(codes.Internal, "it broke") }
	case "flaky": // the first call fails, as when a worker dies
		n.Before = func(context.Context, *scoringv1.ScoreRequest) error {
			if n.Calls() == 1 {
				return status.Error(codes.Unavailable, "restarting")
			}
			return nil
		}
	default:
		return fmt.Errorf("no fault %q", fault)
	}
	return nil
}

func float32bytes(v float32) []byte {
	bits := math.Float32bits(v)
	return []byte{byte(bits), byte(bits >> 8), byte(bits >> 16), byte(bits >> 24)}
}

// misbehaveGCN makes a server of the older protocol do so.
func misbehaveGCN(g *remotetest.GCN, fault string) error {
	switch fault {
	case "":
	case "missing":
		g.Change = func(q *gcnpb.GraphData, r *gcnpb.GCNResult) { delete(r.NodeScores, q.GetNodes()[0].GetId()) }
	case "extra":
		g.Change = func(_ *gcnpb.GraphData, r *gcnpb.GCNResult) { r.NodeScores["ghost"] = 1 }
	default:
		return fmt.Errorf("no fault %q", fault)
	}
	return nil
}

func ones(n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = 1
	}
	return out
}
