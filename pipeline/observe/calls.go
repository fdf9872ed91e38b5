package observe

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	grpccodes "google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"graphscore/pipeline"
	"graphscore/pipeline/graph"
)

// The variables that choose, beside the variables of OpenTelemetry, which calls have spans. The workers read them as well.
const (
	// CallsVariable is the share of scoring calls, "0.01" or "1%", that have a span though nothing is the matter with them.
	// Default: one in a hundred, and the first.
	CallsVariable = "GRAPHSCORE_TRACE_CALLS"
	// SlowVariable is the time, "500ms", from which a call is slow and has a span. Default: 1 s.
	SlowVariable = "GRAPHSCORE_TRACE_SLOW"
)

// The defaults of the variables.
const (
	defaultShare = 0.01
	defaultSlow  = time.Second
)

// Why a call has a span: the values of keptKey.
const (
	keptKey     = attribute.Key("graphscore.kept")
	keptSampled = "sampled"
	keptRetried = "retried"
	keptFailed  = "failed"
	keptSlow    = "slow"
	keptSetup   = "setup" // it is no scoring call, such as that of the model
)

// The tracestate of calls whose span is kept only if they turn out slow or failed. Servers of ours decide alike.
const (
	stateKey  = "graphscore"
	stateLate = "late"
)

// choice says which calls have spans. It is safe for concurrent use.
type choice struct {
	share float64
	slow  time.Duration
	calls *atomic.Int64
}

func newChoice(getenv func(string) string) (choice, error) {
	c := choice{defaultShare, defaultSlow, new(atomic.Int64)}
	if text := getenv(CallsVariable); text != "" {
		number, percent := strings.CutSuffix(text, "%")
		share, err := strconv.ParseFloat(number, 64)
		if percent {
			share /= 100
		}
		if err != nil || !(share >= 0 && share <= 1) {
			return c, fmt.Errorf("%s is %q: it must be a share from 0 to 1, as 0.01 or 1%%", CallsVariable, text)
		}
		c.share = share
	}
	if text := getenv(SlowVariable); text != "" {
		slow, err := time.ParseDuration(text)
		if err != nil || slow < 0 {
			return c, fmt.Errorf("%s is %q: it must be a time span, as 500ms or 2s", SlowVariable, text)
		}
		c.slow = slow
	}
	return c, nil
}

// sampled draws the share evenly, beginning with the first call.
func (c choice) sampled() bool {
	n := c.calls.Add(1)
	return c.share > 0 && (n == 1 || int64(float64(n)*c.share) > int64(float64(n-1)*c.share))
}

// worthKeeping leaves out the spans of calls that there is no reason to keep.
type worthKeeping struct{ sdktrace.SpanProcessor }

// OnEnd implements sdktrace.SpanProcessor.
func (k worthKeeping) OnEnd(s sdktrace.ReadOnlySpan) {
	if s.SpanKind() == trace.SpanKindClient {
		kept := false
		for _, a := range s.Attributes() {
			kept = kept || a.Key == keptKey
		}
		if !kept {
			return
		}
	}
	k.SpanProcessor.OnEnd(s)
}

type batchKey struct{}

// Scorer makes known to the spans of the calls of next what they score. Without traces it returns next itself.
func (t *Traces) Scorer(next pipeline.Scorer) pipeline.Scorer {
	if t == nil {
		return next
	}
	return described{next}
}

type described struct{ next pipeline.Scorer }

func (s described) Score(ctx context.Context, b *graph.Batch) (*graph.Scores, error) {
	return s.next.Score(context.WithValue(ctx, batchKey{}, b), b)
}

// Around returns what is put around every call, nil without traces: it counts scoring calls, makes the spans of those that
// were slow, failed, were made again or are sampled, by the conventions of OpenTelemetry for RPC, and adds the trace
// context to the calls as gRPC metadata. Questions of health have no span: they are asked until there is an answer.
func (t *Traces) Around() grpc.UnaryClientInterceptor {
	if t == nil {
		return nil
	}
	return t.call
}

func (t *Traces) call(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	if strings.HasPrefix(method, "/"+healthpb.Health_ServiceDesc.ServiceName+"/") {
		return invoke(ctx, method, request, reply, conn, options...)
	}
	b, scoring := ctx.Value(batchKey{}).(*graph.Batch)
	again := pipeline.Attempt(ctx) > 1
	kept := ""
	switch {
	case !scoring:
		kept = keptSetup
	case again:
		kept = keptRetried
	case t.choice.sampled():
		kept = keptSampled
	}
	name := strings.TrimPrefix(method, "/")
	ctx, span := t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient))
	var to peer.Peer
	began := time.Now()
	err := invoke(carried(ctx, kept == ""), method, request, reply, conn, append(options, grpc.Peer(&to))...)
	slow := time.Since(began) >= t.choice.slow
	if scoring {
		calls, _ := ctx.Value(tallyKey{}).(*tally)
		calls.add(err != nil, again, slow)
	}
	switch {
	case err != nil:
		kept = keptFailed
	case slow && kept != keptRetried:
		kept = keptSlow
	}
	if kept != "" {
		span.SetAttributes(append(callAttributes(name, &to, err), keptKey.String(kept))...)
		if scoring {
			span.SetAttributes(attribute.Int("graphscore.attempt", pipeline.Attempt(ctx)),
				attribute.Int("graphscore.graphs", b.Graphs()), attribute.Int("graphscore.nodes", b.Nodes()),
				attribute.Int("graphscore.edges", b.Edges()), attribute.Int64("graphscore.bytes", b.Bytes()))
		}
		if err != nil {
			span.SetStatus(codes.Error, status.Convert(err).Message())
		}
	}
	t.end(span)
	return err
}

// carried returns the context of a call that carries its trace context. late says that the span of the call may be left
// out: then it is not sampled for others, and our servers decide when they know how it ended.
func carried(ctx context.Context, late bool) context.Context {
	c := trace.SpanContextFromContext(ctx)
	sent := ctx
	if late && c.IsSampled() {
		if state, err := c.TraceState().Insert(stateKey, stateLate); err == nil { // else it is full: of others
			c = c.WithTraceState(state)
		}
		sent = trace.ContextWithSpanContext(ctx, c.WithTraceFlags(c.TraceFlags().WithSampled(false)))
	}
	crossing := propagation.MapCarrier{}
	carrier.Inject(sent, crossing)
	var beside []string
	for key, value := range crossing {
		beside = append(beside, key, value)
	}
	return metadata.AppendToOutgoingContext(ctx, beside...)
}

// callAttributes are those of a call by the conventions: the names up to version 1.37, and where they do not clash the
// status and the system as later versions name them.
func callAttributes(name string, to *peer.Peer, err error) []attribute.KeyValue {
	service, method, _ := strings.Cut(name, "/")
	code := status.Code(err)
	said := codeName(code)
	attributes := []attribute.KeyValue{
		semconv.RPCSystemGRPC, semconv.RPCService(service), semconv.RPCMethod(method), semconv.RPCGRPCStatusCodeKey.Int(int(code)),
		attribute.String("rpc.system.name", "grpc"), attribute.String("rpc.response.status_code", said),
	}
	if err != nil {
		attributes = append(attributes, semconv.ErrorTypeKey.String(said))
	}
	if to.Addr == nil {
		return attributes
	}
	address := to.Addr.String()
	if host, port, err := net.SplitHostPort(address); err == nil && to.Addr.Network() != "unix" {
		address = host
		if n, err := strconv.Atoi(port); err == nil {
			attributes = append(attributes, semconv.ServerPort(n))
		}
	}
	return append(attributes, semconv.ServerAddress(address))
}

// codeName is the name of a status as gRPC specifies it: DEADLINE_EXCEEDED, not DeadlineExceeded.
func codeName(code grpccodes.Code) string {
	if code == grpccodes.Canceled {
		return "CANCELLED"
	}
	var b strings.Builder
	for i, r := range code.String() {
		if i > 0 && r >= 'A' && r <= 'Z' && code != grpccodes.OK {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToUpper(b.String())
}
