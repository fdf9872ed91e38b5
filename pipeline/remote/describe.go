package remote

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"graphscore/pipeline/graph"
	scoringv1 "graphscore/proto/graphscore/v1"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
)

const (
	attemptTimeout = 2 * time.Second       // one question to one server
	attemptPause   = 50 * time.Millisecond // between two rounds of questions
	stragglerGrace = 2 * time.Second       // how long others are waited for once one server has answered
)

// Describe is the preflight. It blocks until servers answer, at most Config.ConnectTimeout: it asks every address
// whether it is healthy and, with ProtocolNative, what it scores with. At least one must answer, and all that do
// must have the same model; the others are warned about. Errors are *Error, or that of ctx. Mistakes in TLS
// settings, credentials or protocol fail at once.
func Describe(ctx context.Context, conn *grpc.ClientConn, cfg Config) (*graph.Model, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	conn.Connect()
	probes := make([]*probe, len(cfg.Addresses))
	for i, address := range cfg.Addresses {
		p, err := newProbe(cfg, address)
		if err != nil {
			return nil, err
		}
		defer p.close()
		probes[i] = p
	}
	waiting, cancel := context.WithTimeout(ctx, cfg.ConnectTimeout)
	defer cancel()
	if err := askAll(waiting, probes); err != nil {
		return nil, firstOf(ctx.Err(), err)
	}
	m, err := agree(cfg, probes)
	if err != nil {
		return nil, firstOf(ctx.Err(), err)
	}
	if err := share(cfg, probes); err != nil {
		return nil, err
	}
	if err := connected(ctx, waiting, conn, cfg); err != nil {
		return nil, err
	}
	return m, nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// askAll asks in rounds until every server has answered, or ctx ends, or one has answered and the others had
// their grace. The connections are made side by side all the while.
func askAll(ctx context.Context, probes []*probe) error {
	var first time.Time
	patience := attemptTimeout
	for {
		answered := 0
		for _, p := range probes {
			if p.model == nil {
				if err := p.attempt(ctx, patience); err != nil {
					return err
				}
			}
			if p.model == nil {
				continue
			}
			if answered++; first.IsZero() {
				first, patience = time.Now(), stragglerGrace
			}
		}
		if answered == len(probes) || answered > 0 && time.Since(first) > stragglerGrace {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(attemptPause):
		}
	}
}

// agree merges what the servers said into one model.
func agree(cfg Config, probes []*probe) (*graph.Model, error) {
	var m *graph.Model
	var from string
	for _, p := range probes {
		switch {
		case p.model == nil:
		case m == nil:
			m, from = p.model, p.address
		case p.model.Digest != m.Digest:
			return nil, broken(p.address, "model_digest is %q, but %q at %s; all servers of a run must have one model",
				p.model.Digest, m.Digest, from)
		case p.model.InFeatures != m.InFeatures || !slices.Equal(p.model.Outputs, m.Outputs):
			return nil, broken(p.address, "in_features %d and outputs %v differ from %d and %v at %s; all servers of a run must have one model",
				p.model.InFeatures, p.model.Outputs, m.InFeatures, m.Outputs, from)
		case p.model.Level != m.Level || p.model.Inputs != m.Inputs:
			return nil, broken(p.address, "level %s and inputs %+v differ from %s and %+v at %s; all servers of a run must have one model",
				p.model.Level, p.model.Inputs, m.Level, m.Inputs, from)
		case len(p.model.Steps) > 0 && len(m.Steps) > 0 && !slices.Equal(p.model.Steps, m.Steps):
			return nil, broken(p.address, "steps %v differ from %v at %s; all servers of a run must have one model", p.model.Steps, m.Steps, from)
		default:
			if len(p.model.Steps) == 0 { // only what all servers know can be asked of them
				m.Steps, m.NoSteps = nil, p.model.NoSteps
			}
			m.MaxMessageBytes = min(m.MaxMessageBytes, p.model.MaxMessageBytes)
			if p.model.Engine != m.Engine || p.model.BLAS != m.BLAS || !maps.Equal(p.model.Versions, m.Versions) {
				cfg.Log.Warn("servers compute with different versions, so scores may differ in their last bits",
					"server", p.address, "blas", p.model.BLAS, "other", from, "other_blas", m.BLAS)
			}
		}
	}
	if m == nil {
		return nil, absent(cfg, probes)
	}
	for _, p := range probes {
		if p.model == nil {
			cfg.Log.Warn("a server does not answer, the run goes on without it until it does",
				"server", p.address, "error", p.reason())
		}
	}
	return m, nil
}

// absent says why nobody answered.
func absent(cfg Config, probes []*probe) *Error {
	e := &Error{Kind: Unavailable, retry: true, Address: probes[0].address}
	reasons := make([]string, 0, len(probes))
	for _, p := range probes {
		reason := p.reason()
		if len(probes) > 1 {
			reason = p.address + ": " + reason
		}
		reasons = append(reasons, reason)
	}
	e.Message = fmt.Sprintf("no answer within %v (%s); start the server or correct its address",
		cfg.ConnectTimeout, strings.Join(reasons, "; "))
	if len(probes) > 1 {
		e.Address = strings.Join(cfg.Addresses, ",")
	}
	if last := probes[0].last; last != nil {
		e.Code = last.Code
	}
	return e
}

// connected waits until the connection of the run can take calls.
func connected(ctx, waiting context.Context, conn *grpc.ClientConn, cfg Config) error {
	conn.ResetConnectBackoff()
	for {
		state := conn.GetState()
		if state == connectivity.Ready {
			return nil
		}
		if state == connectivity.Idle {
			conn.Connect()
		}
		if !conn.WaitForStateChange(waiting, state) {
			return firstOf(ctx.Err(), &Error{
				Kind: Unavailable, retry: true, Address: strings.Join(cfg.Addresses, ","),
				Message: fmt.Sprintf("it answered, but the connection of the run did not come up within %v", cfg.ConnectTimeout),
			})
		}
	}
}

// described returns the model that a server describes, and refuses what no run can work with.
func described(r *scoringv1.GetModelResponse, address string) (*graph.Model, error) {
	level, err := graph.ParseLevel(r.GetLevel())
	if err != nil {
		return nil, broken(address, "%v", err)
	}
	m := &graph.Model{
		Name: r.GetName(), Digest: r.GetDigest(), InFeatures: int(r.GetInFeatures()), Level: level, Outputs: r.GetOutputs(),
		MaxMessageBytes: int64(min(r.GetMaxMessageBytes(), math.MaxInt32)),
		Engine:          r.GetEngine(), Versions: r.GetVersions(), BLAS: r.GetBlas(),
	}
	if err := m.Validate(); err != nil {
		return nil, broken(address, "%v", err)
	}
	if m.MaxMessageBytes < 1<<10 || m.MaxMessageBytes > math.MaxInt32 {
		return nil, broken(address, "max_message_bytes is %d, out of range", m.MaxMessageBytes)
	}
	if m.Inputs, err = inputs(r); err != nil {
		return nil, broken(address, "%v", err)
	}
	if m.Steps, err = steps(r); err != nil {
		return nil, broken(address, "%v", err)
	}
	switch {
	case len(m.Steps) > 0:
	case r.GetNoSteps() == "":
		m.NoSteps = fmt.Sprintf("the server at %s reports no steps, it is older than embeddings: update graphscore there", address)
	default:
		m.NoSteps = sentence(r.GetNoSteps())
	}
	return m, nil
}

// steps are those whose values can be asked for. A server that names none is older than they are, or says why.
func steps(r *scoringv1.GetModelResponse) ([]graph.Step, error) {
	var list []graph.Step
	for _, s := range r.GetSteps() {
		level, err := graph.ParseLevel(s.GetLevel())
		if err != nil || s.GetLevel() == "" || s.GetName() == "" || s.GetWidth() < 1 || s.GetWidth() > math.MaxInt32 {
			return nil, fmt.Errorf("steps has the name %q, level %q and width %d, which is no step",
				sentence(s.GetName()), sentence(s.GetLevel()), s.GetWidth())
		}
		list = append(list, graph.Step{Name: s.GetName(), Level: level, Width: int(s.GetWidth())})
	}
	return list, nil
}

// inputs are the columns that a server names. One that names none is older than they are: it takes edge weights.
func inputs(r *scoringv1.GetModelResponse) (graph.Inputs, error) {
	if len(r.GetInputs()) == 0 {
		return graph.Inputs{Weights: true}, nil
	}
	var in graph.Inputs
	seen := map[string]bool{}
	for _, input := range r.GetInputs() {
		name, width := input.GetName(), int(input.GetWidth())
		switch {
		case seen[name]:
			return in, fmt.Errorf("inputs names %s twice", name)
		case width < 1 || width > math.MaxInt32:
			return in, fmt.Errorf("inputs has %s with the width %d", sentence(name), width)
		case name == "x" && width != int(r.GetInFeatures()):
			return in, fmt.Errorf("inputs has x with the width %d, but in_features is %d", width, r.GetInFeatures())
		}
		seen[name] = true
		switch name {
		case "x":
		case "edge_attr":
			in.EdgeWidth = width
		case "edge_type":
			in.EdgeTypes = width
		case "graph_attr":
			in.GraphWidth = width
		case "edge_weight":
			in.Weights, in.NeedWeights = true, !input.GetOptional()
		default:
			return in, fmt.Errorf("inputs names the column %q, which this version of graphscore does not know: install the one that the server has", sentence(name))
		}
	}
	return in, nil
}
