package observe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"graphscore/pipeline"
	"graphscore/pipeline/display"
	"graphscore/pipeline/graph"
)

// tracesPatience is how long Close waits for spans that are not delivered yet.
const tracesPatience = 3 * time.Second

// TracesConfig says what the spans of a command are labelled with. Where they go, and which, say the variables of
// OpenTelemetry, which its own packages read.
type TracesConfig struct {
	// Version is that of graphscore.
	Version string
	// Getenv reads the environment.
	Getenv func(string) string
	// Log takes the one warning. Default: none.
	Log *slog.Logger
}

// Traces makes the spans of a command and sends them to a collector. Nil makes none.
type Traces struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	parent   propagation.MapCarrier
	giveUp   context.CancelFunc // ends deliveries that are under way
	log      *slog.Logger
	warn     sync.Once
}

// carrier is the form in which spans cross processes: traceparent and tracestate.
var carrier propagation.TraceContext

// NewTraces begins to trace where the environment asks for it: OTEL_EXPORTER_OTLP_ENDPOINT or
// OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set, or OTEL_TRACES_EXPORTER is otlp, and OTEL_SDK_DISABLED is not true.
// Else, and where it cannot, which is a warning, it returns nil: nothing is dialed and no goroutine started.
// The spans belong to what TRACEPARENT names, if it is set.
func NewTraces(ctx context.Context, cfg TracesConfig) *Traces {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	asked, err := wanted(cfg.Getenv)
	if !asked && err == nil {
		return nil
	}
	t := &Traces{log: cfg.Log, parent: propagation.MapCarrier{
		"traceparent": cfg.Getenv("TRACEPARENT"), "tracestate": cfg.Getenv("TRACESTATE"),
	}}
	var exporter sdktrace.SpanExporter
	if err == nil {
		// The packages of OpenTelemetry report errors to the process as a whole, and in full: a header that they
		// cannot read, which may be a secret, too.
		otel.SetLogger(logr.Discard())
		otel.SetErrorHandler(otel.ErrorHandlerFunc(t.fail))
		exporter, err = newExporter(ctx, cfg.Getenv)
	}
	if err != nil {
		cfg.Log.WarnContext(ctx, "no traces are sent", "error", undelivered(err))
		return nil
	}
	var end context.Context
	end, t.giveUp = context.WithCancel(context.WithoutCancel(ctx))
	exporter = &delivery{SpanExporter: exporter, until: func(cancel context.CancelFunc) func() bool {
		return context.AfterFunc(end, cancel)
	}}
	t.provider = sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about(ctx, cfg.Version)))
	t.tracer = t.provider.Tracer("graphscore")
	return t
}

// wanted says whether the environment asks for traces.
func wanted(getenv func(string) string) (bool, error) {
	if strings.EqualFold(strings.TrimSpace(getenv("OTEL_SDK_DISABLED")), "true") {
		return false, nil
	}
	switch exporter := getenv("OTEL_TRACES_EXPORTER"); exporter {
	case "none":
		return false, nil
	case "otlp":
		return true, nil
	case "":
		return getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != "", nil
	default:
		return false, fmt.Errorf("OTEL_TRACES_EXPORTER is %q: it must be otlp or none", exporter)
	}
}

func newExporter(ctx context.Context, getenv func(string) string) (sdktrace.SpanExporter, error) {
	protocol := getenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
	if protocol == "" {
		protocol = getenv("OTEL_EXPORTER_OTLP_PROTOCOL")
	}
	switch protocol {
	case "", "http/protobuf":
		return otlptracehttp.New(ctx)
	case "grpc":
		return otlptracegrpc.New(ctx)
	default:
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL is %q: it must be http/protobuf or grpc", protocol)
	}
}

// about is what all spans have in common. The environment may name another service.
func about(ctx context.Context, version string) *resource.Resource {
	r, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "graphscore"), attribute.String("service.version", version)),
		resource.WithTelemetrySDK(), resource.WithHost(), resource.WithFromEnv())
	if err != nil && r == nil {
		return resource.Empty()
	}
	return r // what could be found
}

// fail takes an error of delivery, once.
func (t *Traces) fail(err error) {
	t.warn.Do(func() {
		t.log.Warn("could not send traces; the run is not affected", "error", undelivered(err))
	})
}

// undelivered says what went wrong without addresses that may hold secrets.
func undelivered(err error) string {
	var answer interface{ GRPCStatus() *status.Status }
	if errors.As(err, &answer) {
		return display.WithoutUser(answer.GRPCStatus().Message())
	}
	return display.WithoutUser(unaddressed(err))
}

// Close sends what is not sent yet, 3 s at most.
func (t *Traces) Close(ctx context.Context) {
	if t == nil {
		return
	}
	last := time.AfterFunc(tracesPatience, t.giveUp)
	defer last.Stop()
	defer t.giveUp()
	if err := t.provider.Shutdown(context.WithoutCancel(ctx)); err != nil {
		t.fail(err)
	}
}

// delivery is an exporter whose calls can be ended from outside: the batch processor would leave one that hangs
// behind.
type delivery struct {
	sdktrace.SpanExporter
	until func(context.CancelFunc) (stop func() bool)
}

// ExportSpans implements sdktrace.SpanExporter.
func (d *delivery) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer d.until(cancel)()
	return d.SpanExporter.ExportSpans(ctx, spans)
}

// Command begins the span of a command, a run or one date of a backfill. Its end says how that ended.
func (t *Traces) Command(ctx context.Context, name string, attributes ...string) (context.Context, func(code int, err error)) {
	if t == nil {
		return ctx, func(int, error) {}
	}
	if !trace.SpanContextFromContext(ctx).IsValid() {
		ctx = carrier.Extract(ctx, t.parent)
	}
	ctx, span := t.tracer.Start(ctx, name, trace.WithAttributes(pairs(attributes)...))
	return ctx, func(code int, err error) {
		span.SetAttributes(attribute.Int("process.exit.code", code))
		if err != nil {
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
	}
}

func pairs(list []string) []attribute.KeyValue {
	var out []attribute.KeyValue
	for i := 0; i+1 < len(list); i += 2 {
		out = append(out, attribute.String(list[i], list[i+1]))
	}
	return out
}

// TraceID names the trace of ctx, empty where there is none.
func TraceID(ctx context.Context) string {
	if c := trace.SpanContextFromContext(ctx); c.IsValid() {
		return c.TraceID().String()
	}
	return ""
}

// Shard begins the span of a shard; its end is that of pipeline.Config.Begin.
func (t *Traces) Shard(ctx context.Context, shard string) (context.Context, func(pipeline.ShardResult)) {
	if t == nil {
		return ctx, func(pipeline.ShardResult) {}
	}
	ctx, span := t.tracer.Start(ctx, "shard", trace.WithAttributes(attribute.String("graphscore.shard", shard)))
	return ctx, func(r pipeline.ShardResult) {
		span.SetAttributes(
			attribute.String("graphscore.outcome", string(r.Outcome)), attribute.Int64("graphscore.rows", r.Counts.Rows),
			attribute.Int64("graphscore.scored", r.Counts.Scored), attribute.Int64("graphscore.quarantined", r.Counts.Quarantined))
		if r.Err != nil {
			span.SetStatus(codes.Error, r.Err.Error())
		}
		span.End()
	}
}

// Scorer puts a span around each call of next, and adds its trace context to the call as gRPC metadata. Without
// traces it returns next itself.
func (t *Traces) Scorer(next pipeline.Scorer) pipeline.Scorer {
	if t == nil {
		return next
	}
	return &tracedScorer{next: next, tracer: t.tracer}
}

type tracedScorer struct {
	next   pipeline.Scorer
	tracer trace.Tracer
}

func (s *tracedScorer) Score(ctx context.Context, b *graph.Batch) (*graph.Scores, error) {
	ctx, span := s.tracer.Start(ctx, "score", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.Int("graphscore.graphs", b.Graphs()), attribute.Int("graphscore.nodes", b.Nodes()),
		attribute.Int("graphscore.edges", b.Edges()), attribute.Int64("graphscore.bytes", b.Bytes())))
	defer span.End()
	crossing := propagation.MapCarrier{}
	carrier.Inject(ctx, crossing)
	var beside []string
	for key, value := range crossing {
		beside = append(beside, key, value)
	}
	ctx = metadata.AppendToOutgoingContext(ctx, beside...)
	scores, err := s.next.Score(ctx, b)
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	return scores, err
}
