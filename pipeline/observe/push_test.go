package observe

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// TestPushgatewayReady: asked with the credentials of a push, and refused for what a push would be.
func TestPushgatewayReady(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		switch {
		case r.URL.Path != "/base/-/ready" || r.Method != http.MethodGet:
			w.WriteHeader(http.StatusNotFound)
		case r.Header.Get("Authorization") != "Bearer token" && (user != "me" || password != "word"):
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(server.Close)
	for want, g := range map[string]Pushgateway{
		"":              {URL: server.URL + "/base/", User: "me", Password: "word"},
		"answered 401":  {URL: server.URL + "/base"},
		"answered 404":  {URL: server.URL, Password: "token"},
		"refused":       {URL: "http://127.0.0.1:1"},
		"missing proto": {URL: "://"},
	} {
		err := g.Ready(t.Context())
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", g, err, want)
		}
	}
	if err := (Pushgateway{URL: server.URL + "/base", Password: "token"}).Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCheckPingURL(t *testing.T) {
	t.Parallel()
	for address, ok := range map[string]bool{"https://hc.example/uuid": true, "http://h:8000": true, "ftp://h/x": false, "hc.example/uuid": false, "http://": false, "http://[": false} {
		if err := CheckPingURL(address); (err == nil) != ok || err != nil && strings.Contains(err.Error(), "uuid") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// gateway is a Pushgateway that shows metrics, and keeps what is pushed.
type gateway struct {
	shows  string
	status int // of /metrics
	pushed string
	path   string
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		w.WriteHeader(g.status)
		_, _ = io.WriteString(w, g.shows)
		return
	}
	g.path = r.URL.Path
	decoder := expfmt.NewDecoder(r.Body, expfmt.ResponseFormat(r.Header))
	var b strings.Builder
	for {
		var family dto.MetricFamily
		if err := decoder.Decode(&family); err != nil {
			break
		}
		_, _ = expfmt.MetricFamilyToText(&b, &family)
	}
	g.pushed = b.String()
}

// What is in the group counts, and is replaced only where it is of the same job.
func TestPush(t *testing.T) {
	t.Parallel()
	const (
		ours     = "graphscore_job_info{file=\"/etc/molecules.yaml\",instance=\"\",job=\"molecules\",output=\"/srv/scores/dt={date}\"} 1\n"
		others   = "graphscore_job_info{file=\"/etc/other.yaml\",instance=\"\",job=\"molecules\",output=\"/srv/other\"} 1\n"
		counter  = "# TYPE graphscore_turned_away_total counter\n"
		counted  = counter + "graphscore_turned_away_total{instance=\"\",job=\"proteins\"} 40\ngraphscore_turned_away_total{instance=\"\",job=\"molecules\"} 4\n"
		dates    = "graphscore_dates_without_success{instance=\"\",job=\"molecules\",reason=\"failed\"} 4\n"
		backfill = "graphscore_backfill_job_info{command=\"backfill\",file=\"/x\",job=\"molecules\",output=\"/y\"} 1\n"
	)
	away := func(l *LastRun) { l.TurnedAway = true }
	for name, tt := range map[string]struct {
		shows   string
		status  int
		change  func(*LastRun)
		path    string // "" where nothing is pushed
		want    string // in what is pushed, or in the error
		without string
		lost    string // in the error of what is pushed
	}{
		"a run":                            {"", 200, func(*LastRun) {}, "/metrics/job/molecules", "graphscore_last_run_exit_code 3\n", "turned_away", ""},
		"turned away":                      {"", 200, away, "/metrics/job/molecules", "graphscore_turned_away_total 1\n", "graphscore_last_run", ""},
		"turned away again":                {ours + counted, 200, away, "/metrics/job/molecules", "graphscore_turned_away_total 5\n", "graphscore_last_run", ""},
		"a gateway that shows nothing":     {others + counted, 403, away, "/metrics/job/molecules", "graphscore_turned_away_total 1\n", "graphscore_last_run", "the group of job molecules at http"},
		"something else":                   {"<html>\n", 200, func(*LastRun) {}, "/metrics/job/molecules", "graphscore_last_run_exit_code 3\n", "turned_away", ""},
		"something else, turned away":      {"<html>\n", 200, away, "/metrics/job/molecules", "graphscore_turned_away_total 1\n", "graphscore_last_run", "(the answer is no metrics): its figures are new"},
		"a failure":                        {ours, 200, func(l *LastRun) { l.Success, l.Output, l.Dates = false, nil, nil }, "/metrics/job/molecules", "graphscore_last_run_exit_code 3\n", "last_success", ""},
		"another job":                      {others, 200, func(*LastRun) {}, "", "the group of job molecules at http://", "", ""},
		"another job that is turned away":  {others, 200, away, "", "delete the group there", "", ""},
		"one date of a window":             {ours + dates, 200, func(l *LastRun) { l.OneDate, l.Dates = true, nil }, "", "moving window", "", ""},
		"a backfill beside another job":    {others, 200, func(l *LastRun) { l.Backfill = true }, "/metrics/job/molecules/command/backfill", "graphscore_last_backfill_exit_code 3\n", "last_run", ""},
		"a backfill of another job":        {ours + backfill, 200, func(l *LastRun) { l.Backfill = true }, "", "another job, \"molecules\" of /x", "", ""},
		"a run beside another's backfills": {ours + backfill, 200, func(*LastRun) {}, "/metrics/job/molecules", "graphscore_last_run_exit_code 3\n", "backfill", ""},
	} {
		g := &gateway{shows: tt.shows, status: tt.status}
		server := httptest.NewServer(g)
		l := lastRun()
		tt.change(l)
		err := Pushgateway{URL: server.URL}.Push(t.Context(), l)
		server.Close()
		got := g.pushed
		var lost *LostError
		if tt.lost != "" && errors.As(err, &lost) && strings.Contains(err.Error(), tt.lost) {
			err = nil
		} else if tt.lost != "" {
			t.Errorf("%s: %v, expected %q", name, err, tt.lost)
		}
		if err != nil {
			got = err.Error()
		}
		if (err != nil) != (tt.path == "") || g.path != tt.path || !strings.Contains(got, tt.want) || tt.without != "" && strings.Contains(got, tt.without) {
			t.Errorf("%s: to %q: %s", name, g.path, got)
		}
	}
}
