package observe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/status"

	"graphscore/pipeline/display"
)

// tracesPatience is how long Close waits for spans that are not delivered yet.
const tracesPatience = 3 * time.Second

// TracesConfig says what the spans of a command are labelled with. Where they go, and whether there are any, say the
// variables of OpenTelemetry, which its own packages read; which calls have spans, CallsVariable and SlowVariable.
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
	choice   choice
	labels   atomic.Pointer[[]attribute.KeyValue] // of every span that ends from now on
	giveUp   context.CancelFunc                   // ends deliveries that are under way
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
		t.choice, err = newChoice(cfg.Getenv)
	}
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
	t.provider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(worthKeeping{sdktrace.NewBatchSpanProcessor(exporter)}),
		sdktrace.WithResource(about(ctx, cfg.Version)))
	t.tracer = t.provider.Tracer("graphscore", trace.WithInstrumentationVersion(cfg.Version), trace.WithSchemaURL(semconv.SchemaURL))
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
		resource.WithAttributes(semconv.ServiceName("graphscore"), semconv.ServiceVersion(version)),
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
