package preflight

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"graphscore/jobs"
	"graphscore/jobs/jobtest"
	"graphscore/jobs/run"
	"graphscore/pipeline/exit"
	"graphscore/writers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is a file of graphs whose nodes have 3 features.
const fixture = "../../readers/testdata/good/plain_v1.parquet"

// situation is a job over a folder of its own.
type situation struct {
	*testing.T
	dir string
	job jobs.Job
}

// situated has one input file, no output yet, and a server that nobody is.
func situated(t *testing.T) *situation {
	t.Helper()
	dir := t.TempDir()
	s := &situation{T: t, dir: dir, job: jobs.Job{
		Path: "job.yaml", Input: jobs.Input{Path: jobs.Paths{{Path: filepath.Join(dir, "in")}}},
		Output: jobs.Output{Path: filepath.Join(dir, "out")},
		Server: jobs.Server{Addresses: []string{"127.0.0.1:1"}},
		Limits: jobs.Limits{RetryBudget: jobs.Duration(200 * time.Millisecond)},
	}}
	content, err := os.ReadFile(fixture)
	if err != nil {
		t.Fatal(err)
	}
	s.write("in/a.parquet", content)
	return s
}

func (s *situation) write(name string, content []byte) {
	s.Helper()
	path := filepath.Join(s.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, content, 0o600)); err != nil {
		s.Fatal(err)
	}
}

// holds lets a run hold the output until the test ends.
func (s *situation) holds() {
	s.Helper()
	out, err := writers.Open(context.Background(), writers.Config{Dir: s.job.Output.Path, RunID: "r", Version: "v", Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = out.Close() })
}

// local names a model folder in place of the server, with a model of so many features.
func (s *situation) local(features int) {
	s.job.Server, s.job.Model.Path, s.job.Workers = jobs.Server{}, filepath.Join(s.dir, "model"), 1
	s.write("model/config.json", fmt.Appendf(nil, `{"name": "m", "in_features": %d, "outputs": ["score"], "layers": ["w"]}`, features))
	s.write("model/model.safetensors", jobtest.Weights("w"))
}

func (s *situation) config() run.Config {
	job := s.job.WithDefaults()
	return run.Config{Job: &job, Start: time.Now(), Now: time.Now, Log: slog.New(slog.DiscardHandler)}
}

// listens takes a port until the test ends.
func (s *situation) listens() string {
	s.Helper()
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// firstWrong are things that are wrong, in the order in which a run meets them, with the codes that it ends with.
func firstWrong() []wrong {
	return []wrong{
		{"job", "job", exit.Config, func(s *situation) { s.job.Limits.RequestBytes = -1 }},
		{"input", "input", exit.NotThere, func(s *situation) { s.job.Input.Path[0].Path = filepath.Join(s.dir, "absent") }},
		{"lock", "lock", exit.Locked, (*situation).holds},
		{"port", "watch", exit.Config, func(s *situation) { s.job.Metrics.Listen = s.listens() }},
		{"tls", "tls", exit.Auth, func(s *situation) { s.job.Server.TLS = &jobs.TLS{CA: filepath.Join(s.dir, "absent.pem")} }},
		{"server", "scorer", exit.NoScorer, func(*situation) {}},
	}
}

type wrong struct {
	name, check string
	code        int
	make        func(*situation)
}

// TestFirstMet: where several things are wrong, plan and doctor end with the one that a run meets first.
func TestFirstMet(t *testing.T) {
	t.Parallel()
	all := firstWrong()
	for i, w := range all {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			s := situated(t)
			for _, also := range all[i:] {
				also.make(s)
			}
			found, err := Check(t.Context(), s.config(), nil)
			if err != nil {
				t.Fatal(err)
			}
			at := slices.IndexFunc(found.Checks, func(f Finding) bool { return f.Check == w.check })
			if found.ExitCode != w.code || found.Checks[at].err != found.Ends || run.ExitCode(found.Ends) != w.code {
				t.Errorf("doctor: %d, %+v", found.ExitCode, found.Checks)
			}
			if _, err := Plan(t.Context(), s.config(), PlanOptions{}); run.ExitCode(err) != w.code {
				t.Errorf("plan: %d, %v", run.ExitCode(err), err)
			}
		})
	}
}

// TestForecastUnderLock: who holds the output is how a run would end, and nothing else is missing for it.
func TestForecastUnderLock(t *testing.T) {
	t.Parallel()
	s := situated(t)
	s.local(3)
	f, err := Plan(t.Context(), s.config(), PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s.holds()
	locked, err := Plan(t.Context(), s.config(), PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var held *writers.LockedError
	if !errors.As(locked.Ends, &held) || held.PID != os.Getpid() || locked.ExitCode != exit.Locked || locked.Starts() {
		t.Errorf("%d: %v", locked.ExitCode, locked.Ends)
	}
	locked.ExitCode, locked.Error, locked.Ends, locked.OutputThere = f.ExitCode, f.Error, f.Ends, f.OutputThere
	if d := cmp.Diff(f, locked, cmp.Comparer(func(a, b error) bool { return a == b }), cmpopts.IgnoreFields(Forecast{}, "Contract")); d != "" {
		t.Error(d)
	}
}

// TestNoInput: a run without input ends before it needs an output or a scorer: with 66, or where the job says that no
// input is no mistake, with 0, or with 4 where a gate wants graphs.
func TestNoInput(t *testing.T) {
	t.Parallel()
	s := situated(t)
	s.holds()
	s.job.Input.Path[0].Path = filepath.Join(s.dir, "in", "*.feather")
	for name, c := range map[string]struct {
		optional, required bool
		graphs             int64
		code               int
	}{
		"by default":             {code: exit.NotThere},
		"with a gate":            {graphs: 1, code: exit.NotThere},
		"optional":               {optional: true, code: exit.Done},
		"optional, with a gate":  {optional: true, graphs: 1, code: exit.CheckFailed},
		"optional, by flag not":  {optional: true, required: true, code: exit.NotThere},
		"required as by default": {required: true, code: exit.NotThere},
	} {
		for _, date := range []string{"", "2026-01-31"} {
			cfg := s.config()
			job := *cfg.Job
			job.Input.Optional, job.Gates.MinGraphs = c.optional, c.graphs
			cfg.Job, cfg.Date, cfg.RequireInput = &job, date, c.required
			f, err := Plan(t.Context(), cfg, PlanOptions{})
			if f != nil {
				err = f.Ends
				if len(f.Orphaned) > 0 || !f.OutputThere {
					t.Errorf("%s: %+v", name, f)
				}
			}
			if run.ExitCode(err) != c.code {
				t.Errorf("plan %s %s: %v", name, date, err)
			}
			found, err := Check(t.Context(), cfg, nil)
			if err != nil || found.ExitCode != c.code {
				t.Errorf("doctor %s %s: %v, %+v", name, date, err, found)
			}
		}
	}
}

// TestModelFolder: a plan reads the folder and starts no worker; what is wrong with the output comes before it.
func TestModelFolder(t *testing.T) {
	t.Parallel()
	s := situated(t)
	s.local(3)
	f, err := Plan(t.Context(), s.config(), PlanOptions{})
	if err != nil || f.ExitCode != exit.Done || !f.Starts() || f.Score.Graphs != 12 || f.Model.InFeatures != 3 {
		t.Errorf("%v, %+v", err, f)
	}
	lost := s.config()
	lost.Python = "/nowhere/python"
	if _, err := Plan(t.Context(), lost, PlanOptions{}); run.ExitCode(err) != exit.NoScorer {
		t.Errorf("no interpreter: %v", err)
	}
	s.write("model/config.json", nil)
	if _, err := Plan(t.Context(), s.config(), PlanOptions{}); run.ExitCode(err) != exit.NoInput {
		t.Errorf("no model: %v", err)
	}
	s.write("out", nil)
	if _, err := Plan(t.Context(), s.config(), PlanOptions{}); run.ExitCode(err) != exit.CannotCreate {
		t.Errorf("no folder: %v", err)
	}
}

// TestChecksWithoutJob: every check has its finding, and what cannot be looked at is said.
func TestChecksWithoutJob(t *testing.T) {
	t.Parallel()
	wrong := &jobs.Error{Path: "job.yaml", Reason: "is odd"}
	found, err := Check(t.Context(), run.Config{Now: time.Now}, wrong)
	if err != nil || found.Ends != wrong || found.ExitCode != exit.Config {
		t.Fatalf("%v, %+v", err, found)
	}
	var got []string
	for _, f := range found.Checks {
		got = append(got, f.Check+" "+string(f.Severity))
		if f.Severity == Warn && !strings.HasPrefix(f.Text, "not checked: ") {
			t.Errorf("%s: %q", f.Check, f.Text)
		}
	}
	want := []string{
		"job FAIL", "watch warn", "paths warn", "input warn", "output warn", "lock warn", "tls warn", "scorer warn", "model warn",
		"messages warn", "parts warn", "gates warn", "space warn", "memory warn", "clock ok",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	text, err := json.Marshal(found.Checks[0])
	if want := `{"check":"job","mark":"FAIL","text":"job.yaml: is odd","exit_code":78}`; string(text) != want {
		t.Errorf("%s, %v", text, err)
	}
}

// TestPhases: the error is that of the first failure that a run meets, wherever it is listed.
func TestPhases(t *testing.T) {
	t.Parallel()
	locked, unwritable, full := errors.New("locked"), errors.New("unwritable"), errors.New("full")
	gate, refused := errors.New("gate"), errors.New("refused")
	findings := []Finding{
		{Severity: OK}, {err: refused, phase: ending}, {err: gate, phase: gating}, {err: full, phase: scoring},
		{err: unwritable, phase: preflight}, {err: locked, phase: opening},
	}
	for _, want := range []error{locked, unwritable, full, gate, refused} {
		if err := firstMet(findings); err != want {
			t.Errorf("%v, want %v", err, want)
		}
		findings = findings[:len(findings)-1]
	}
	if err := firstMet(findings); err != nil {
		t.Error(err)
	}
}

// Where the model does not fit, footers do not say how many nodes there are.
func TestPlanOfAMisfitCountsNoNodes(t *testing.T) {
	t.Parallel()
	for features, known := range map[int]bool{3: true, 16: false, 6: false} {
		s := situated(t)
		s.local(features)
		f, err := Plan(t.Context(), s.config(), PlanOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if (f.All.Nodes >= 0) != known || (f.ExitCode == exit.Config) == known || f.All.Graphs == 0 {
			t.Errorf("%d features: %+v, exit %d", features, f.All, f.ExitCode)
		}
	}
}
