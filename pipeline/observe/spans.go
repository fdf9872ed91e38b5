package observe

import (
	"context"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
	"go.opentelemetry.io/otel/trace"

	"graphscore/pipeline"
	"graphscore/pipeline/exit"
)

// tally counts the scoring calls of a shard, and with it those of its run. It is safe for concurrent use.
type tally struct {
	above                      *tally // nil for a command
	calls, failed, again, slow atomic.Int64
}

type tallyKey struct{}

// tallied returns a context whose calls are counted, beside those of the tally above.
func tallied(ctx context.Context) (context.Context, *tally) {
	above, _ := ctx.Value(tallyKey{}).(*tally)
	n := &tally{above: above}
	return context.WithValue(ctx, tallyKey{}, n), n
}

// add counts one call.
func (n *tally) add(failed, again, slow bool) {
	for ; n != nil; n = n.above {
		n.calls.Add(1)
		for _, c := range []struct {
			is bool
			of *atomic.Int64
		}{{failed, &n.failed}, {again, &n.again}, {slow, &n.slow}} {
			if c.is {
				c.of.Add(1)
			}
		}
	}
}

func (n *tally) attributes() []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.Int64("graphscore.calls", n.calls.Load()), attribute.Int64("graphscore.calls.failed", n.failed.Load()),
		attribute.Int64("graphscore.calls.retried", n.again.Load()), attribute.Int64("graphscore.calls.slow", n.slow.Load()),
	}
}

// Label adds attributes, as key and value in turn, to every span that ends from now on. Nil does nothing.
func (t *Traces) Label(attributes ...string) {
	if t == nil {
		return
	}
	labels := pairs(attributes)
	if before := t.labels.Load(); before != nil {
		labels = append(append([]attribute.KeyValue{}, *before...), labels...)
	}
	t.labels.Store(&labels)
}

// end ends a span.
func (t *Traces) end(span trace.Span) {
	if labels := t.labels.Load(); labels != nil {
		span.SetAttributes(*labels...)
	}
	span.End()
}

// Command begins the span of a command, a run or one date of a backfill. Its end says how that ended: whatever did not come
// to its end, or did so with a failed check, is an error.
func (t *Traces) Command(ctx context.Context, name string, attributes ...string) (context.Context, func(code int, err error)) {
	if t == nil {
		return ctx, func(int, error) {}
	}
	if !trace.SpanContextFromContext(ctx).IsValid() {
		ctx = carrier.Extract(ctx, t.parent)
	}
	ctx, span := t.tracer.Start(ctx, name, trace.WithAttributes(pairs(attributes)...))
	ctx, calls := tallied(ctx)
	return ctx, func(code int, err error) {
		span.SetAttributes(append(calls.attributes(), semconv.ProcessExitCode(code))...)
		if err != nil && code != exit.Done && code != exit.Partly {
			span.SetStatus(codes.Error, err.Error())
		}
		t.end(span)
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
	ctx, calls := tallied(ctx)
	return ctx, func(r pipeline.ShardResult) {
		span.SetAttributes(append(calls.attributes(),
			attribute.String("graphscore.outcome", string(r.Outcome)), attribute.Int64("graphscore.rows", r.Counts.Rows),
			attribute.Int64("graphscore.scored", r.Counts.Scored), attribute.Int64("graphscore.quarantined", r.Counts.Quarantined),
			attribute.Int64("graphscore.nodes", r.Counts.Nodes), attribute.Int64("graphscore.edges", r.Counts.Edges))...)
		if r.Err != nil {
			span.SetStatus(codes.Error, r.Err.Error())
		}
		t.end(span)
	}
}
