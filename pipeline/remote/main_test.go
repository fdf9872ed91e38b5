package remote

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"

	"graphscore/pipeline/graph"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is anything of remotetest.
type server interface{ Register(*grpc.Server) }

func newServer(s server, options ...grpc.ServerOption) *grpc.Server {
	g := grpc.NewServer(options...)
	s.Register(g)
	return g
}

func quick(addresses ...string) Config {
	return Config{Addresses: addresses, ConnectTimeout: time.Minute, Deadline: time.Minute}
}

func dialed(t *testing.T, cfg Config) *grpc.ClientConn {
	t.Helper()
	conn, err := Dial(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func native(t *testing.T, cfg Config) *Native {
	t.Helper()
	conn := dialed(t, cfg)
	m, err := Describe(t.Context(), conn, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return NewNative(conn, cfg, m)
}

func describe(t *testing.T, cfg Config) (*graph.Model, error) {
	t.Helper()
	return Describe(t.Context(), dialed(t, cfg), cfg)
}

// shape says what a batch looks like.
type shape struct {
	graphs, width int
	weighted      bool
	nodeIDs       bool
}

// randomBatch makes graphs of 0 to 9 nodes.
func randomBatch(seed uint64, s shape) *graph.Batch {
	random := rand.New(rand.NewPCG(seed, 1))
	cfg := graph.BuilderConfig{Width: s.width, Weighted: s.weighted, GraphIDs: graph.Int64}
	if s.nodeIDs {
		kind := graph.String
		cfg.NodeIDs = &kind
	}
	b := graph.NewBuilder(cfg)
	for i := range s.graphs {
		row := &graph.Row{Row: int64(i), IntID: int64(100 + i), Nodes: random.IntN(10), Width: s.width, NumNodes: -1}
		row.NodeIDs.Kind = graph.String
		for n := range row.Nodes {
			for range s.width {
				row.Features = append(row.Features, float32(random.IntN(64))/8)
			}
			row.NodeIDs.AppendBytes([]byte(strings.Repeat("é", i%3) + string(rune('a'+n))))
		}
		for range random.IntN(20) {
			if row.Nodes > 0 {
				row.Sources = append(row.Sources, int64(random.IntN(row.Nodes)))
				row.Targets = append(row.Targets, int64(random.IntN(row.Nodes)))
				row.Weights = append(row.Weights, float32(random.IntN(8)))
			}
		}
		b.Add(row)
	}
	return b.Batch()
}

// line makes one graph a node, with the features 1, 2, 3, ... and the edge 0 -> n-1 where there are two nodes.
func line(nodes ...int) *graph.Batch {
	b := graph.NewBuilder(graph.BuilderConfig{Width: 1, GraphIDs: graph.Int64})
	for i, n := range nodes {
		row := &graph.Row{Row: int64(i), IntID: int64(i), Nodes: n, Width: 1, NumNodes: -1}
		for v := range n {
			row.Features = append(row.Features, float32(v+1))
		}
		if n > 1 {
			row.Sources, row.Targets = []int64{0}, []int64{int64(n - 1)}
		}
		b.Add(row)
	}
	return b.Batch()
}

// sums is what the model of remotetest.Native gives.
func sums(b *graph.Batch, outputs int) []float32 {
	var out []float32
	edge := 0
	for node := range b.Nodes() {
		var sum float32
		for _, v := range b.Features[node*b.Width : (node+1)*b.Width] {
			sum += v
		}
		for range b.InDegree[node] {
			weight := float32(1)
			if b.Weights != nil {
				weight = b.Weights[edge]
			}
			sum += weight * b.Features[int(b.Sources[edge]-b.NodeOffsets[0])*b.Width]
			edge++
		}
		for k := range outputs {
			out = append(out, float32(k+1)*sum)
		}
	}
	return out
}

// fails checks that an error is an *Error of that kind with that text.
func fails(t *testing.T, err error, kind Kind, text string) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v (%T) is no *Error, want %q", err, err, text)
	}
	if e.Kind != kind || !strings.Contains(e.Error(), text) {
		t.Fatalf("error of kind %v: %v\nwant %v: %s", e.Kind, e, kind, text)
	}
	if strings.ContainsAny(e.Error(), "\n\r") {
		t.Errorf("the error has several lines: %q", e.Error())
	}
	return e
}

func cancelled(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
