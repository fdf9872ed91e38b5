package observe

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc"
	grpccodes "google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"graphscore/pipeline/graph"
)

func TestWhichCallsAreChosen(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		calls, slow string
		share       float64
		time        time.Duration
		fails       bool
	}{
		{"", "", 0.01, time.Second, false},
		{"0", "0s", 0, 0, false},
		{"1", "1m30s", 1, 90 * time.Second, false},
		{"2.5%", "", 0.025, time.Second, false},
		{"1.1", "", 0, 0, true},
		{"-1%", "", 0, 0, true},
		{"NaN", "", 0, 0, true},
		{"some", "", 0, 0, true},
		{"", "5", 0, 0, true},
		{"", "-1s", 0, 0, true},
	} {
		c, err := newChoice(environment(map[string]string{CallsVariable: tt.calls, SlowVariable: tt.slow}))
		if (err != nil) != tt.fails || err == nil && (c.share != tt.share || c.slow != tt.time) {
			t.Errorf("%q, %q: %v, %v, %v", tt.calls, tt.slow, c.share, c.slow, err)
		}
	}
}

func TestShareIsDrawnEvenlyFromTheFirstCall(t *testing.T) {
	t.Parallel()
	for share, want := range map[string][]int{"0": nil, "1%": {1, 100, 200, 300}, "100%": nil} {
		c, err := newChoice(environment(map[string]string{CallsVariable: share}))
		if err != nil {
			t.Fatal(err)
		}
		var drawn []int
		for n := 1; n <= 300; n++ {
			if c.sampled() {
				drawn = append(drawn, n)
			}
		}
		if share == "100%" && len(drawn) != 300 || share != "100%" && !slices.Equal(drawn, want) {
			t.Errorf("%s: %v", share, drawn)
		}
	}
}

// A call that is not sampled carries its trace on as such, and is not exported unless it fails.
func TestCallsThatAreKept(t *testing.T) {
	t.Parallel()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(worthKeeping{sdktrace.NewSimpleSpanProcessor(exporter)}))
	c, err := newChoice(environment(map[string]string{CallsVariable: "0", SlowVariable: "1h"}))
	if err != nil {
		t.Fatal(err)
	}
	traces := &Traces{provider: provider, tracer: provider.Tracer("test"), choice: c}
	traces.Label("graphscore.job", "nightly")
	ctx, end := traces.Command(t.Context(), "run")
	scoring := context.WithValue(ctx, batchKey{}, &graph.Batch{NodeOffsets: []uint32{0}, EdgeOffsets: []uint32{0}})
	call := func(ctx context.Context, method string, fails error) (sent metadata.MD) {
		err := traces.Around()(ctx, method, nil, nil, nil, func(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
			sent, _ = metadata.FromOutgoingContext(ctx)
			return fails
		})
		if !errors.Is(err, fails) {
			t.Errorf("%s: %v", method, err)
		}
		return sent
	}
	sent := call(scoring, "/a.Service/Score", nil)
	if parent := sent.Get("traceparent"); len(parent) != 1 || parent[0][len(parent[0])-3:] != "-00" || !slices.Equal(sent.Get("tracestate"), []string{"graphscore=late"}) {
		t.Errorf("the call carries %v", sent)
	}
	call(scoring, "/a.Service/Score", status.Error(grpccodes.DeadlineExceeded, "too late"))
	sent = call(ctx, "/a.Service/GetModel", nil)
	if parent := sent.Get("traceparent"); len(parent) != 1 || parent[0][len(parent[0])-3:] != "-01" || sent.Get("tracestate") != nil {
		t.Errorf("the call carries %v", sent)
	}
	call(ctx, "/grpc.health.v1.Health/Check", nil)
	end(4, errors.New("a gate failed"))

	spans := exporter.GetSpans()
	var names []string
	for _, s := range spans {
		names = append(names, s.Name)
		if !slices.Contains(s.Attributes, attribute.String("graphscore.job", "nightly")) {
			t.Errorf("%s has no job: %v", s.Name, s.Attributes)
		}
	}
	if !slices.Equal(names, []string{"a.Service/Score", "a.Service/GetModel", "run"}) {
		t.Fatal(names)
	}
	for _, want := range []attribute.KeyValue{
		attribute.String("rpc.system", "grpc"), attribute.String("rpc.service", "a.Service"), attribute.String("rpc.method", "Score"),
		attribute.Int("rpc.grpc.status_code", 4), attribute.String("error.type", "DEADLINE_EXCEEDED"), keptKey.String(keptFailed),
	} {
		if !slices.Contains(spans[0].Attributes, want) {
			t.Errorf("the failed call has no %v: %v", want, spans[0].Attributes)
		}
	}
	if spans[0].Status != (sdktrace.Status{Code: codes.Error, Description: "too late"}) || spans[2].Status.Code != codes.Error {
		t.Errorf("statuses %v, %v", spans[0].Status, spans[2].Status)
	}
	if !slices.Contains(spans[2].Attributes, attribute.Int64("graphscore.calls", 2)) || !slices.Contains(spans[2].Attributes, attribute.Int64("graphscore.calls.failed", 1)) {
		t.Errorf("the run counts %v", spans[2].Attributes)
	}
}

func TestNamesOfStatuses(t *testing.T) {
	t.Parallel()
	for code, want := range map[grpccodes.Code]string{
		grpccodes.OK: "OK", grpccodes.Canceled: "CANCELLED", grpccodes.ResourceExhausted: "RESOURCE_EXHAUSTED", grpccodes.DataLoss: "DATA_LOSS",
	} {
		if got := codeName(code); got != want {
			t.Errorf("%v is %s", code, got)
		}
	}
}
