package observe

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"graphscore/pipeline"
)

func reading() Live {
	return Live{Restarts: 1, Reading: pipeline.Reading{
		Scored: 90, Quarantined: 7, Skipped: 3, Planned: 200, Nodes: 1000, Edges: 2000, Requests: 5, Retries: 2, Shards: 4,
		InFlight: 1 << 20, Calls: 3, RequestBytes: 65536, Stages: pipeline.Stages{
			Read: time.Second, Pack: 2 * time.Second, Transport: 3 * time.Second, Model: 4 * time.Second, Write: 5 * time.Second,
		},
	}}
}

func TestLiveMetrics(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	registry.MustRegister(newLive("molecules", reading))
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
	w := httptest.NewRecorder()
	handler("molecules", reading).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, want := range []string{
		`graphscore_graphs_total{job="molecules",outcome="scored"} 90`,
		`graphscore_graphs_total{job="molecules",outcome="quarantined"} 7`,
		`graphscore_graphs_total{job="molecules",outcome="skipped"} 3`,
		`graphscore_nodes_total{job="molecules"} 1000`,
		`graphscore_edges_total{job="molecules"} 2000`,
		`graphscore_requests_total{job="molecules"} 5`,
		`graphscore_retries_total{job="molecules"} 2`,
		`graphscore_shards_total{job="molecules"} 4`,
		`graphscore_stage_seconds_total{job="molecules",stage="read"} 1`,
		`graphscore_stage_seconds_total{job="molecules",stage="pack"} 2`,
		`graphscore_stage_seconds_total{job="molecules",stage="transport"} 3`,
		`graphscore_stage_seconds_total{job="molecules",stage="model"} 4`,
		`graphscore_stage_seconds_total{job="molecules",stage="write"} 5`,
		`graphscore_planned_graphs{job="molecules"} 200`,
		`graphscore_worker_restarts_total{job="molecules"} 1`,
		`graphscore_in_flight_bytes{job="molecules"} 1.048576e+06`,
		`graphscore_calls_allowed{job="molecules"} 3`,
		`graphscore_request_bytes_allowed{job="molecules"} 65536`,
	} {
		if !strings.Contains(w.Body.String(), want+"\n") {
			t.Errorf("no %s in\n%s", want, w.Body)
		}
	}
}

// A profile that takes longer than the run has left does not keep it.
func TestServerClosesWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	s, err := Serve(t.Context(), "127.0.0.1:0", "molecules", reading, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	base := strings.TrimSuffix(s.URL(), "/metrics")
	response, err := client.Get(base + "/debug/pprof/trace?seconds=600")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := io.Copy(io.Discard, response.Body); err == nil {
		t.Error("the trace of ten minutes came to its end")
	}
	_ = response.Body.Close()
}
