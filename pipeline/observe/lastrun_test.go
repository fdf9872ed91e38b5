package observe

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/sync/errgroup"

	"graphscore/pipeline/display"
)

func lastRun() *LastRun {
	return &LastRun{
		Job:   Job{Name: "molecules", File: "/etc/molecules.yaml", Output: "/srv/scores/dt={date}"},
		Ended: time.Unix(1_800_000_000, 0), ExitCode: 3, Success: true, Seconds: 12.5, StartupSeconds: 0.5,
		Scored: 90, Quarantined: 7, Skipped: 3, Retries: 2, PeakRun: 1 << 20, PeakWorkers: 2 << 20,
		Output: &Output{
			Scored: 92, Quarantined: 8, Codes: map[string]int64{"too_large": 6, "of_the_server": 1}, Orphaned: 5,
			FilesRead: 4, FilesRefused: 1, GatesFailed: 1,
		},
		Dates: map[string]int64{Failed: 2, NoInput: 0},
	}
}

func TestMetricsOfTheLastRunAreWellFormed(t *testing.T) {
	t.Parallel()
	away, backfill := lastRun(), lastRun()
	away.TurnedAway, backfill.Backfill = true, true
	for _, l := range []*LastRun{lastRun(), away, backfill} {
		registry := prometheus.NewRegistry()
		if err := l.gather(registry, nil); err != nil {
			t.Fatal(err)
		}
		problems, err := testutil.GatherAndLint(registry)
		if err != nil || len(problems) > 0 {
			t.Error(problems, err)
		}
	}
}

// lines are those of a textfile that are no comments.
func lines(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			found = append(found, strings.TrimSuffix(line, "\n"))
		}
	}
	return found
}

func TestTextfile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.prom")
	if err := WriteTextfile(t.Context(), path, lastRun()); err != nil {
		t.Fatal(err)
	}
	text := lines(t, path)
	for _, want := range []string{
		`graphscore_job_info{file="/etc/molecules.yaml",job="molecules",output="/srv/scores/dt={date}"} 1`,
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
		`graphscore_output_graphs{job="molecules",outcome="scored"} 92`,
		`graphscore_output_graphs{job="molecules",outcome="quarantined"} 8`,
		`graphscore_output_orphaned_parts{job="molecules"} 5`,
		`graphscore_dates_without_success{job="molecules",reason="failed"} 2`,
		`graphscore_dates_without_success{job="molecules",reason="no_input"} 0`,
	} {
		if !slices.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, strings.Join(text, "\n"))
		}
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	if err != nil || len(left) != 1 {
		t.Error(left, err)
	}
}

// What outlives a run: whatever it does not know better.
func TestTextfileKeeps(t *testing.T) {
	t.Parallel()
	later := time.Unix(1_900_000_000, 0)
	for name, tt := range map[string]struct {
		change func(*LastRun)
		times  int
		want   []string // lines that are new
		gone   []string // starts of lines that were there
	}{
		"a failure that knows nothing of the output": {
			func(l *LastRun) {
				*l = LastRun{Job: l.Job, Ended: later, ExitCode: 69}
			}, 2,
			[]string{
				`graphscore_last_run_timestamp_seconds{job="molecules"} 1.9e+09`, `graphscore_last_run_exit_code{job="molecules"} 69`,
				`graphscore_last_run_duration_seconds{job="molecules"} 0`, `graphscore_last_run_startup_seconds{job="molecules"} 0`,
				`graphscore_last_run_graphs{job="molecules",outcome="quarantined"} 0`, `graphscore_last_run_graphs{job="molecules",outcome="scored"} 0`,
				`graphscore_last_run_graphs{job="molecules",outcome="skipped"} 0`, `graphscore_last_run_peak_memory_bytes{job="molecules",process="run"} 0`,
				`graphscore_last_run_peak_memory_bytes{job="molecules",process="workers"} 0`, `graphscore_last_run_retries{job="molecules"} 0`,
			}, nil,
		},
		"turned away, three times": {
			func(l *LastRun) {
				l.Ended, l.ExitCode, l.TurnedAway, l.Scored, l.Dates, l.Output = later, 75, true, 0, map[string]int64{}, &Output{}
			}, 3,
			[]string{`graphscore_last_turned_away_timestamp_seconds{job="molecules"} 1.9e+09`, `graphscore_turned_away_total{job="molecules"} 3`}, nil,
		},
		"a job whose file was edited": {
			func(l *LastRun) { l.Job.Output = "/srv/new" }, 1,
			[]string{`graphscore_job_info{file="/etc/molecules.yaml",job="molecules",output="/srv/new"} 1`}, nil,
		},
		"a job whose file was moved": {
			func(l *LastRun) { l.Job.File = "/etc/new.yaml" }, 1,
			[]string{`graphscore_job_info{file="/etc/new.yaml",job="molecules",output="/srv/scores/dt={date}"} 1`}, nil,
		},
		"no reason any more": {
			func(l *LastRun) { l.Output.Codes = nil }, 1,
			[]string{`graphscore_last_run_quarantined_graphs{code="too_large",job="molecules"} 0`},
			[]string{`graphscore_last_run_quarantined_graphs{code="of_the_server"`},
		},
	} {
		path := filepath.Join(t.TempDir(), "x.prom")
		if err := WriteTextfile(t.Context(), path, lastRun()); err != nil {
			t.Fatal(err)
		}
		before := lines(t, path)
		changed := lastRun()
		tt.change(changed)
		for range tt.times {
			if err := WriteTextfile(t.Context(), path, changed); err != nil {
				t.Fatal(name, err)
			}
		}
		after := lines(t, path)
		var fresh []string
		for _, line := range after {
			if !slices.Contains(before, line) {
				fresh = append(fresh, line)
			}
		}
		slices.Sort(fresh)
		slices.Sort(tt.want)
		if !slices.Equal(fresh, tt.want) {
			t.Errorf("%s: new are\n%s", name, strings.Join(fresh, "\n"))
		}
		series := func(line string) string { return line[:strings.LastIndexByte(line, ' ')] }
		for _, line := range before {
			still := slices.ContainsFunc(after, func(l string) bool { return series(l) == series(line) })
			expected := !slices.ContainsFunc(tt.gone, func(start string) bool { return strings.HasPrefix(line, start) }) &&
				!strings.HasPrefix(line, "graphscore_job_info")
			if !still && expected {
				t.Errorf("%s: %s is gone", name, line)
			}
		}
	}
}

// Figures of another job, or of a window of dates where a run is of one, are not replaced.
func TestTextfileOfAnother(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*LastRun){
		"has the figures of another job, \"molecules\" of /etc/molecules.yaml": func(l *LastRun) { l.Job = Job{Name: "molecules", File: "/home/me/job.yaml", Output: "/home/me/out"} },
		"give one of them another name":                                        func(l *LastRun) { l.Job.Name = "proteins" },
		"with a moving window":                                                 func(l *LastRun) { l.OneDate, l.Dates = true, nil },
		"is gone, remove the file":                                             func(l *LastRun) { l.Job, l.TurnedAway = Job{Name: "molecules", Output: "/o"}, true },
	} {
		path := filepath.Join(t.TempDir(), "x.prom")
		if err := WriteTextfile(t.Context(), path, lastRun()); err != nil {
			t.Fatal(err)
		}
		before := lines(t, path)
		other := lastRun()
		change(other)
		var refused *NotOursError
		if err := WriteTextfile(t.Context(), path, other); !errors.As(err, &refused) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		if !slices.Equal(before, lines(t, path)) {
			t.Errorf("%s: it was replaced", name)
		}
	}
}

// TestTextfileIsHarmless: no name of a job commands a terminal that shows the file, and its figures are found again.
func TestTextfileIsHarmless(t *testing.T) {
	t.Parallel()
	path, l := filepath.Join(t.TempDir(), "a.prom"), lastRun()
	l.Job = Job{Name: "night\x1b[31m\u202e", File: "/a\a\r.yaml", Output: "/out\u009b2J\x7f"}
	for range 2 {
		if err := WriteTextfile(t.Context(), path, l); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(path)
	if text := string(content); err != nil || text != display.Harmless(text) || !strings.Contains(text, `job="night\\x1b[31m\\u202e"`) {
		t.Errorf("%s, %v", text, err)
	}
	other := *l
	other.Job = Job{Name: "night\x1b[31m", File: "/b.yaml", Output: "/elsewhere"}
	var refused *NotOursError
	if err := WriteTextfile(t.Context(), path, &other); !errors.As(err, &refused) {
		t.Errorf("error %v", err)
	}
}

// A file that is empty or no metrics is replaced, which is said with its name, once.
func TestTextfileLost(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"": "x.prom was empty: its figures are new", " \n": "was empty",
		"a letter\n": "x.prom could not be read as metrics (text format parsing error", "graphscore_job_info{": "could not be read as metrics",
	} {
		path := filepath.Join(t.TempDir(), "x.prom")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		var lost *LostError
		for _, err := range []error{CheckTextfile(path, lastRun().Job), WriteTextfile(t.Context(), path, lastRun())} {
			if !errors.As(err, &lost) || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v", content, err)
			}
		}
		if err := WriteTextfile(t.Context(), path, lastRun()); err != nil {
			t.Errorf("%q: %v", content, err)
		}
	}
}

// Commands that end at once: each is counted, and none undoes another.
func TestTextfileAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.prom")
	var g errgroup.Group
	for i := range 20 {
		l := lastRun()
		l.TurnedAway = i > 0
		g.Go(func() error { return WriteTextfile(t.Context(), path, l) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	text := lines(t, path)
	for _, want := range []string{`graphscore_turned_away_total{job="molecules"} 19`, `graphscore_last_run_exit_code{job="molecules"} 3`} {
		if !slices.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, strings.Join(text, "\n"))
		}
	}
}

func TestTextfilePath(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		path, job string
		backfill  bool
		want      string
	}{
		{"/prom", "nightly", false, "/prom/graphscore-nightly.prom"},
		{"/prom", "nightly", true, "/prom/graphscore_backfill-nightly.prom"},
		{"/prom/x.prom", "nightly", false, "/prom/x.prom"},
		{"/prom/x.prom", "nightly", true, "/prom/x_backfill.prom"},
		{"/prom", "a/b", false, "/prom/graphscore-a_b-3a8e75c1.prom"},
		{"/prom", "a b", false, "/prom/graphscore-a_b-10a3f9f2.prom"},
	} {
		if got := TextfilePath(tt.path, tt.job, tt.backfill); got != tt.want {
			t.Errorf("%q: %q, expected %q", tt.job, got, tt.want)
		}
	}
}
