package remote

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"graphscore/pipeline/graph"
	scoringv1 "graphscore/proto/graphscore/v1"
)

// probe asks one address what it is, over a connection of its own. One goroutine uses it.
type probe struct {
	cfg     Config
	address string
	conn    *grpc.ClientConn
	seen    *observer
	// plainChecked: it was found out whether a server that cannot be understood speaks TLS.
	plainChecked bool

	model *graph.Model // what the server said, nil until it did
	// The memory that it has mapped, and why it has none.
	memory   *scoringv1.SharedMemory
	noMemory string
	last     *Error // why it did not, so far
}

func newProbe(cfg Config, address string) (*probe, error) {
	cfg.Addresses = []string{address}
	seen := new(observer)
	cfg.TLS = seen.watched(cfg.TLS)
	conn, err := dial(cfg, transport{
		dial:        seen.dial,
		credentials: &observedCredentials{TransportCredentials: transportCredentials(cfg), seen: seen},
	})
	if err != nil {
		return nil, err
	}
	conn.Connect()
	return &probe{cfg: cfg, address: address, conn: conn, seen: seen}, nil
}

func (p *probe) close() { _ = p.conn.Close() } // a connection that nobody needs any more

// reason says why the server has not answered so far.
func (p *probe) reason() string {
	if p.last == nil {
		return "it was not asked"
	}
	return p.last.Message
}

// attempt asks once and waits some time. It sets p.model or p.last; an error is final.
func (p *probe) attempt(ctx context.Context, patience time.Duration) error {
	asking, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	m, err := p.ask(asking)
	if err == nil {
		p.model = m
		return nil
	}
	var e *Error
	if !errors.As(err, &e) || e.Code == codes.DeadlineExceeded {
		// The time of this attempt, or of all, is over. What was seen before says more.
		if p.last == nil {
			p.last = &Error{Kind: Unavailable, Code: codes.DeadlineExceeded, Message: "no response"}
		}
		return p.mistake(ctx)
	}
	if e.Kind != Unavailable {
		e.Address = p.address
		return e
	}
	p.last = e
	return p.mistake(ctx)
}

// ask checks health and gets the description.
func (p *probe) ask(ctx context.Context) (*graph.Model, error) {
	c := newCall(p.cfg.Protocol, p.cfg.Deadline)
	health, err := healthpb.NewHealthClient(p.conn).Check(ctx, new(healthpb.HealthCheckRequest))
	switch code := status.Code(err); {
	case code == codes.Unimplemented || code == codes.NotFound: // a server that does not report health
	case err != nil:
		return nil, callError(ctx, err, c)
	case health.GetStatus() != healthpb.HealthCheckResponse_SERVING:
		return nil, &Error{Kind: Unavailable, retry: true, Message: "it says that it is busy, draining or not ready: " + health.GetStatus().String()}
	}
	if t := TraitsOf(p.cfg.Protocol); !t.Describes {
		m := t.Assumed(p.cfg.ModelVersion, nil)
		m.MaxMessageBytes = int64(p.cfg.MaxMessageBytes)
		return m, nil
	}
	r, err := scoringv1.NewScoringServiceClient(p.conn).GetModel(ctx, new(scoringv1.GetModelRequest))
	if err != nil {
		return nil, callError(ctx, err, c)
	}
	p.memory, p.noMemory = r.GetMemory(), r.GetNoMemory()
	return described(r, p.address)
}

// mistake finds out whether TLS settings are why the server cannot be reached: gRPC calls that Unavailable too.
func (p *probe) mistake(ctx context.Context) error {
	if err := p.seen.mistake(); err != nil {
		return &Error{
			Kind: Auth, Address: p.address, Code: codes.Unavailable,
			Message: fmt.Sprintf("TLS fails: %s; %s", sentence(err.Error()), remedy(err)),
		}
	}
	if p.cfg.TLS != nil || p.plainChecked || !p.seen.reached() {
		return nil
	}
	p.plainChecked = true
	if !speaksTLS(ctx, p.address) {
		return nil
	}
	return &Error{
		Kind: Auth, Address: p.address, Code: codes.Unavailable,
		Message: "it requires TLS, but the run has no TLS settings; add them",
	}
}
