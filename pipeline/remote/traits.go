package remote

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"

	"graphscore/pipeline/graph"
)

// Traits say what a protocol can do. Whoever uses a protocol asks for the trait and never for the name.
type Traits struct {
	// Weights: edge weights travel with a graph. Without it, scores of a graph that has weights would be wrong.
	Weights bool
	// OneGraph: a call carries one graph.
	OneGraph bool
	// Describes: a server says what it scores with (name, digest, width, outputs) and how large a message it takes.
	// Without it, the digest is Config.ModelVersion and the width is that of the first graph.
	Describes bool
	// Outputs are the only outputs that an answer can carry, and they are of nodes: such a request carries nothing beside
	// features and edges. It is nil where the protocol carries every model.
	Outputs []string
	// SharedMemory: columns can go through memory that a server on this machine maps too.
	SharedMemory bool
	// CallsPerWorker is how many calls under way keep one worker busy.
	CallsPerWorker int

	// pingEvery is how often idle connections are checked. A server may cut off who asks more often than it allows.
	pingEvery time.Duration
}

// TraitsOf returns the traits of a protocol: the zero value for a name that [Config.Validate] refuses.
func TraitsOf(protocol string) Traits {
	t, _ := traitsOf(protocol)
	return t
}

func traitsOf(protocol string) (t Traits, known bool) {
	switch protocol {
	case ProtocolNative:
		return Traits{Weights: true, Describes: true, SharedMemory: true, CallsPerWorker: 3, pingEvery: 10 * time.Second}, true
	case ProtocolGCN:
		// One graph a call: many calls hide the way there and back. Servers of this protocol have gRPC's default rules
		// and cut off whoever pings more often than every five minutes.
		return Traits{OneGraph: true, Outputs: []string{"score"}, CallsPerWorker: 32, pingEvery: 5*time.Minute + 10*time.Second}, true
	}
	return Traits{}, false
}

// Lacks says what of a model the protocol cannot carry, as in "2 outputs"; it returns "" where it carries all of it.
func (t Traits) Lacks(m *graph.Model) string {
	switch {
	case t.Outputs == nil:
		return ""
	case m.Level != graph.NodeLevel:
		return fmt.Sprintf("scores of level %s", m.Level)
	case len(m.Outputs) != len(t.Outputs):
		return fmt.Sprintf("%d outputs", len(m.Outputs))
	case m.Inputs.EdgeWidth > 0:
		return "features of edges (edge_attr)"
	case m.Inputs.EdgeTypes > 0:
		return "types of edges (edge_type)"
	case m.Inputs.GraphWidth > 0:
		return "features of graphs (graph_attr)"
	case m.Inputs.NeedWeights:
		return "edge weights (edge_weight)"
	}
	return ""
}

// Assumed returns what is known of the model behind a server that does not describe it: version is its digest,
// the width is 0. m is the model that the server is known to have, nil for none; it is not changed.
func (t Traits) Assumed(version string, m *graph.Model) *graph.Model {
	if m == nil {
		m = new(graph.Model)
	}
	return &graph.Model{
		Name: m.Name, Digest: cmp.Or(version, m.Digest), Outputs: t.Outputs, Inputs: graph.Inputs{Weights: true},
		NoSteps: "the protocol carries scores alone",
	}
}

// Scorer scores over one protocol. It is safe for concurrent use.
type Scorer interface {
	// Score scores a batch in one call or several: see [Native.Score] and [GCN.Score].
	Score(ctx context.Context, b *graph.Batch) (*graph.Scores, error)
	// GraphBytes is what graph g adds to a request or to its answer, whichever is more.
	GraphBytes(b *graph.Batch, g int) int64
	// Limit is the largest sum of GraphBytes that fits into a message.
	Limit() int64
}

// New returns the scorer of the protocol of cfg, for the model that [Describe] found. The connection stays the caller's.
func New(conn grpc.ClientConnInterface, cfg Config, m *graph.Model) Scorer {
	if cfg.Protocol == ProtocolGCN {
		return NewGCN(conn, cfg)
	}
	return NewNative(conn, cfg, m)
}

// Describing returns cfg with a protocol that describes the model, for servers that speak every protocol, as our
// workers do.
func (c Config) Describing() Config {
	c.Protocol = ProtocolNative
	return c
}
