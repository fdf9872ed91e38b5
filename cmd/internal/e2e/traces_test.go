//go:build e2e

package e2e

import (
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// One trace goes from the run through its shards and calls into the workers. It sets variables: not beside others.
func TestTraces(t *testing.T) {
	type span struct{ service, name, parent string }
	var mu sync.Mutex
	spans := map[string]span{} // by id
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var sent collectorpb.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &sent)
		}
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, group := range sent.GetResourceSpans() {
			service := ""
			for _, a := range group.GetResource().GetAttributes() {
				if a.GetKey() == "service.name" {
					service = a.GetValue().GetStringValue()
				}
			}
			for _, s := range group.GetScopeSpans()[0].GetSpans() {
				spans[string(s.GetSpanId())] = span{service, s.GetName(), string(s.GetParentSpanId())}
			}
		}
		w.WriteHeader(http.StatusOK)
	}))
	t.Cleanup(collector.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	t.Setenv("GRAPHSCORE_TRACE_SLOW", "10m") // on a busy machine a call may take the second from which one is slow
	run(t, 0, "run", absolute(t, example+"/job.yaml"), "--output", filepath.Join(t.TempDir(), "out"))

	mu.Lock()
	defer mu.Unlock()
	chains := map[[4]string]int{}
	for _, s := range spans {
		if s.service == "graphscore-server" {
			call := spans[s.parent]
			above := spans[call.parent]
			chains[[4]string{s.name, call.service + " " + call.name, above.name, spans[above.parent].name}]++
		}
	}
	const service = "graphscore.v1.ScoringService/"
	scored := chains[[4]string{service + "Score", "graphscore " + service + "Score", "shard", "run"}]
	described := chains[[4]string{service + "GetModel", "graphscore " + service + "GetModel", "run", ""}]
	if scored != 1 || described == 0 || len(chains) != 2 { // of the few calls the first
		t.Errorf("the spans of the workers hang on %v", chains)
	}
}
