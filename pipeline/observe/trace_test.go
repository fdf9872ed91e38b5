package observe

import (
	"context"
	"errors"
	"testing"

	"graphscore/pipeline"
	"graphscore/pipeline/pipelinetest"
)

func environment(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func TestWhetherTracesAreWanted(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		env    map[string]string
		wanted bool
	}{
		{"nothing is set", nil, false},
		{"an endpoint", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, true},
		{"an endpoint for traces", map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, true},
		{"an endpoint for metrics", map[string]string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c:4318"}, false},
		{"an exporter", map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}, true},
		{"no exporter", map[string]string{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, false},
		{"turned off", map[string]string{"OTEL_SDK_DISABLED": "TRUE", "OTEL_TRACES_EXPORTER": "otlp"}, false},
		{"turned off by something else", map[string]string{"OTEL_SDK_DISABLED": "1", "OTEL_TRACES_EXPORTER": "otlp"}, true},
	} {
		got, err := wanted(environment(tt.env))
		if got != tt.wanted || err != nil {
			t.Errorf("%s: %v, %v", tt.name, got, err)
		}
	}
	if _, err := wanted(environment(map[string]string{"OTEL_TRACES_EXPORTER": "zipkin"})); err == nil {
		t.Error("zipkin is taken")
	}
}

// Without traces there is nothing in the way of a call.
func TestNoTraces(t *testing.T) {
	t.Parallel()
	none := NewTraces(t.Context(), TracesConfig{Getenv: environment(nil)})
	if none != nil {
		t.Fatal("traces without being asked")
	}
	scorer := &pipelinetest.Scorer{}
	if got := none.Scorer(scorer); got != pipeline.Scorer(scorer) {
		t.Errorf("the scorer is wrapped: %T", got)
	}
	ctx, end := none.Command(t.Context(), "run")
	end(1, errors.New("broken"))
	shard, endShard := none.Shard(ctx, "a.parquet")
	endShard(pipeline.ShardResult{})
	if shard != t.Context() || TraceID(shard) != "" {
		t.Error("the context is another")
	}
	none.Close(context.Background())
}
