package observe

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func lastRun() *LastRun {
	return &LastRun{
		Job: "molecules", Ended: time.Unix(1_800_000_000, 0), ExitCode: 3, Success: true, Seconds: 12.5, StartupSeconds: 0.5,
		Scored: 90, Quarantined: 7, Skipped: 3, Codes: map[string]int64{"too_large": 6, "of_the_server": 1},
		FilesRead: 4, FilesRefused: 1, Retries: 2, PeakRun: 1 << 20, PeakWorkers: 2 << 20, GatesFailed: 1,
	}
}

func TestMetricsOfTheLastRunAreWellFormed(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	if err := lastRun().gather(registry, 0); err != nil {
		t.Fatal(err)
	}
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
}

func TestTextfile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.prom")
	last := lastRun()
	write := func() string {
		t.Helper()
		if err := WriteTextfile(path, last); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, want := range []string{
		`graphscore_last_success_timestamp_seconds{job="molecules"} 1.8e+09`,
		`graphscore_last_run_timestamp_seconds{job="molecules"} 1.8e+09`,
		`graphscore_last_run_exit_code{job="molecules"} 3`,
		`graphscore_last_run_duration_seconds{job="molecules"} 12.5`,
		`graphscore_last_run_startup_seconds{job="molecules"} 0.5`,
		`graphscore_last_run_graphs{job="molecules",outcome="scored"} 90`,
		`graphscore_last_run_graphs{job="molecules",outcome="quarantined"} 7`,
		`graphscore_last_run_graphs{job="molecules",outcome="skipped"} 3`,
		`graphscore_last_run_quarantined_graphs{code="too_large",job="molecules"} 6`,
		`graphscore_last_run_quarantined_graphs{code="of_the_server",job="molecules"} 1`,
		`graphscore_last_run_quarantined_graphs{code="null_value",job="molecules"} 0`,
		`graphscore_last_run_files{job="molecules",outcome="read"} 4`,
		`graphscore_last_run_files{job="molecules",outcome="refused"} 1`,
		`graphscore_last_run_retries{job="molecules"} 2`,
		`graphscore_last_run_peak_memory_bytes{job="molecules",process="run"} 1.048576e+06`,
		`graphscore_last_run_peak_memory_bytes{job="molecules",process="workers"} 2.097152e+06`,
		`graphscore_last_run_gates_failed{job="molecules"} 1`,
	} {
		if text := write(); !strings.Contains(text, want+"\n") {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	// A failure leaves the time of the success, also after another failure.
	last.Ended, last.ExitCode, last.Success = time.Unix(1_900_000_000, 0), 69, false
	write()
	text := write()
	for _, want := range []string{
		`graphscore_last_success_timestamp_seconds{job="molecules"} 1.8e+09`,
		`graphscore_last_run_timestamp_seconds{job="molecules"} 1.9e+09`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	// That of another job is not ours.
	last.Job = "other"
	if text := write(); strings.Contains(text, "last_success") {
		t.Error(text)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	if err != nil || len(left) != 1 {
		t.Error(left, err)
	}
}

func TestTextfilePath(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ path, job, want string }{
		{"/prom", "nightly", "/prom/graphscore-nightly.prom"},
		{"/prom/x.prom", "nightly", "/prom/x.prom"},
		{"/prom", "a/b", "/prom/graphscore-a_b-3a8e75c1.prom"},
		{"/prom", "a b", "/prom/graphscore-a_b-10a3f9f2.prom"},
	} {
		if got := TextfilePath(tt.path, tt.job); got != tt.want {
			t.Errorf("%q: %q, expected %q", tt.job, got, tt.want)
		}
	}
}
