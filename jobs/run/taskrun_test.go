package run

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"graphscore/jobs"
	"graphscore/jobs/jobtest"
	"graphscore/pipeline/local"
	"graphscore/writers"
	"graphscore/writers/record"
)

// scorerAt serves the scorer of a model.
func scorerAt(t *testing.T, digest string) string {
	t.Helper()
	return serve(t, jobtest.Scorer{Protocol: "native", Width: 2, Outputs: []string{"score"}, Digest: digest})
}

// serve serves a scorer for the rest of a test, and returns its address.
func serve(t *testing.T, scorer jobtest.Scorer) string {
	t.Helper()
	server := grpc.NewServer()
	if err := scorer.Register(server); err != nil {
		t.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var g errgroup.Group
	g.Go(func() error { return server.Serve(listener) })
	t.Cleanup(func() {
		server.Stop()
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

// shared is a job over four files that several tasks work on.
func shared(t *testing.T, server string) Config {
	t.Helper()
	in := prepared(t, 2, 2, 2, 2)
	job := *in.Job
	job.Model, job.Server = jobs.Model{}, jobs.Server{Addresses: []string{server}, Protocol: "native"}
	cfg := in.Config
	cfg.Job, cfg.ID = &job, NewID(time.Now())
	return cfg
}

// execute runs a configuration with a session of its own.
func execute(t *testing.T, cfg Config) (Ended, error) {
	t.Helper()
	in, err := Prepare(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return Execute(t.Context(), in, Options{Lender: Own(cfg, func(*Session) {})})
}

// nobody lends no session.
type nobody struct{ t *testing.T }

func (n nobody) Borrow(context.Context) (*Session, error) {
	n.t.Error("something that scores was asked for")
	return nil, errors.New("nobody scores")
}

func (nobody) Leave(*Session) {}

func (nobody) Return(*Session) error { return nil }

// A task whose parts exist starts no worker, takes no lock and writes nothing: the model folder has the digest that the
// footers have.
func TestIdleTask(t *testing.T) {
	t.Parallel()
	model := t.TempDir()
	config := `{"format": "graphscore/1", "name": "sum", "in_features": 2, "outputs": ["score"], "layers": [], "output_activation": "none"}`
	for name, content := range map[string][]byte{"config.json": []byte(config), "model.safetensors": jobtest.Weights()} {
		if err := os.WriteFile(filepath.Join(model, name), content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	m, err := local.ReadModel(model)
	if err != nil {
		t.Fatal(err)
	}
	cfg := shared(t, scorerAt(t, m.Digest))
	if _, err := execute(t, cfg); err != nil {
		t.Fatal(err)
	}
	before := listing(t, cfg.Job.Output.Path)
	job := *cfg.Job
	job.Model, job.Server = jobs.Model{Path: model}, jobs.Server{Protocol: "native"}
	cfg.Job, cfg.Task, cfg.Balance = &job, &record.Task{Index: 1, Count: 2}, BalanceNumber
	in, err := Prepare(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ended, err := Execute(t.Context(), in, Options{Lender: nobody{t}})
	if err != nil || !ended.Idle || ended.Record.Counts.Skipped != 6 {
		t.Errorf("%v, idle %v, %+v", err, ended.Idle, ended.Record.Counts)
	}
	if after := listing(t, cfg.Job.Output.Path); after != before {
		t.Errorf("files\n%s\nwere\n%s", after, before)
	}
	if left, err := in.all().Pending(t.Context(), served2(m.Digest), 2, BalanceNumber); err != nil || len(left) > 0 {
		t.Errorf("pending %v, %v", left, err)
	}
	if err := os.Remove(filepath.Join(cfg.Job.Output.Path, "c.parquet")); err != nil {
		t.Fatal(err)
	}
	if left, err := in.all().Pending(t.Context(), served2(m.Digest), 2, BalanceNumber); err != nil || len(left) != 1 || left[0] != 0 {
		t.Errorf("pending %v, %v", left, err)
	}
}

// served2 is what Describe returns for the model of TestIdleTask.
func served2(digest string) Served {
	s := served(2)
	s.Model.Digest, s.MessageBytes = digest, 64<<20
	return s
}

// listing is every file below a folder with its size and time.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			b.WriteString(path + " " + info.ModTime().String() + "\n")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Who finishes joins what the tasks say, and says where they were of several kinds.
func TestFinishJoins(t *testing.T) {
	t.Parallel()
	cfg := shared(t, scorerAt(t, "sha256:"+strings.Repeat("0", 64)))
	var log strings.Builder
	cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	for i := range 2 {
		task := cfg
		task.Task, task.Balance, task.ID = &record.Task{Index: i, Count: 2}, BalanceNumber, NewID(time.Now())
		if ended, err := execute(t, task); err != nil || ended.Idle || ended.Record.Counts.Scored != 6 {
			t.Fatalf("task %d: %v, %+v", i, err, ended.Record.Counts)
		}
	}
	dir := cfg.Job.Output.Path
	const began = "2001-01-01T00:00:00Z"
	editTask(t, dir, record.Task{Index: 1, Count: 2}, func(rec *record.TaskRun) {
		rec.Model.BLAS, rec.Started = "another kernel", began
		rec.Attempts[0].Model.BLAS, rec.Attempts[0].Machine.CPUs = "another kernel", 99
	})
	cfg.Finish = true
	ended, err := execute(t, cfg)
	if err != nil {
		t.Fatal(err)
	}
	r := &ended.Record
	if c := r.Counts; c.Scored != 12 || c.Skipped != 0 || c.RowsIn != 12 || c.ShardsSkipped != 0 || c.Requests < 2 {
		t.Errorf("counts %+v", c)
	}
	if len(r.Array) != 2 || r.Array[1].BLAS != "another kernel" || r.Started != began || r.Machine != (record.Machine{}) ||
		!strings.Contains(r.Model.BLAS, "another kernel") || !strings.Contains(log.String(), "several BLAS kernels") {
		t.Errorf("record %+v", r)
	}
	if done, err := writers.NewView(dir).Succeeded(); !done || err != nil {
		t.Errorf("succeeded %v, %v", done, err)
	}
	if tasks, err := record.Tasks(dir); len(tasks) > 0 || err != nil {
		t.Errorf("tasks %v, %v", tasks, err)
	}
}

// editTask changes the record of a task.
func editTask(t *testing.T, dir string, task record.Task, edit func(*record.TaskRun)) {
	t.Helper()
	rec, err := record.ReadTask(dir, task)
	if err != nil {
		t.Fatal(err)
	}
	edit(rec)
	output, err := writers.OpenTask(t.Context(), writers.Config{Dir: dir}, task)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(output.WriteTaskRecord(rec), output.Close()); err != nil {
		t.Fatal(err)
	}
}

// The kernel of parts that a run made beside the tasks comes from its record.
func TestKernelOfARun(t *testing.T) {
	t.Parallel()
	cfg := shared(t, scorerAt(t, "sha256:"+strings.Repeat("0", 64)))
	var log strings.Builder
	cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	alone, dir := cfg, cfg.Job.Output.Path
	alone.ID = NewID(time.Now())
	if _, err := execute(t, alone); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(filepath.Join(dir, "a.parquet")), os.Remove(filepath.Join(dir, "c.parquet"))); err != nil {
		t.Fatal(err)
	}
	task := cfg
	task.Task, task.Balance, task.ID = &record.Task{Index: 0, Count: 2}, BalanceNumber, NewID(time.Now())
	if _, err := execute(t, task); err != nil {
		t.Fatal(err)
	}
	editTask(t, dir, *task.Task, func(rec *record.TaskRun) { rec.Attempts[0].Model.BLAS = "another kernel" })
	cfg.Finish = true
	if _, err := execute(t, cfg); err != nil {
		t.Fatal(err)
	}
	if said := "another kernel (shard 0/2) none (run " + alone.ID + ")"; !strings.Contains(log.String(), said) {
		t.Errorf("%q is not in\n%s", said, log.String())
	}
}

// A process of a task keeps what earlier ones of it have made, and with which kernel; who finishes joins all of it, though
// the last attempt scored nothing.
func TestTaskAgain(t *testing.T) {
	t.Parallel()
	cfg := shared(t, scorerAt(t, "sha256:"+strings.Repeat("0", 64)))
	var log strings.Builder
	cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
	dir, only := cfg.Job.Output.Path, record.Task{Index: 0, Count: 1}
	task := cfg
	task.Task, task.Balance = &only, BalanceNumber
	again := func() error {
		task.ID = NewID(time.Now())
		_, err := execute(t, task)
		return err
	}
	if err := again(); err != nil {
		t.Fatal(err)
	}
	editTask(t, dir, only, func(rec *record.TaskRun) { rec.Attempts[0].Model.BLAS = "another kernel" })
	if err := os.Remove(filepath.Join(dir, "c.parquet")); err != nil {
		t.Fatal(err)
	}
	if err := again(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "b.parquet")); err != nil {
		t.Fatal(err)
	}
	job := *task.Job
	job.Server.Addresses, job.Limits.RetryBudget = []string{"127.0.0.1:1"}, jobs.Duration(time.Millisecond)
	task.Job = &job
	if err := again(); ExitCode(err) != 69 {
		t.Fatalf("no server: %v", err)
	}
	rec, err := record.ReadTask(dir, only)
	if err != nil {
		t.Fatal(err)
	}
	var made []string
	for _, a := range rec.Attempts {
		for _, m := range a.Made {
			made = append(made, m.Part+" by "+a.Model.BLAS)
		}
	}
	if got, want := strings.Join(made, ", "), "a.parquet by another kernel, b.parquet by another kernel, d.parquet by another kernel, c.parquet by none"; got != want {
		t.Errorf("made %s, want %s", got, want)
	}
	cfg.Finish = true
	ended, err := execute(t, cfg)
	if ExitCode(err) != 3 || len(ended.Missing) != 1 {
		t.Errorf("missing %v, %v", ended.Missing, err)
	}
	r := &ended.Record
	if r.Counts.Scored != 9 || r.Counts.Skipped != 0 || !strings.Contains(r.Model.BLAS, "another kernel") || r.Machine == (record.Machine{}) ||
		!strings.Contains(log.String(), "several BLAS kernels") {
		t.Errorf("record %+v, log %s", r, log.String())
	}
}

// What a task said of a file before it was mended is not said of it again, and withdraws no part of it.
func TestFinishForgetsMended(t *testing.T) {
	t.Parallel()
	cfg := shared(t, scorerAt(t, "sha256:"+strings.Repeat("0", 64)))
	dir := cfg.Job.Output.Path
	for i := range 2 {
		task := cfg
		task.Task, task.Balance, task.ID = &record.Task{Index: i, Count: 2}, BalanceNumber, NewID(time.Now())
		if _, err := execute(t, task); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "b.parquet")); err != nil {
		t.Fatal(err)
	}
	refuse := func(of func(fingerprint string) string) {
		editTask(t, dir, record.Task{Index: 1, Count: 2}, func(rec *record.TaskRun) {
			for k := range rec.Attempts[0].Made {
				if m := &rec.Attempts[0].Made[k]; m.Part == "b.parquet" {
					m.Outcome, m.Reason, m.Fingerprint = "refused", "it is damaged", of(m.Fingerprint)
				}
			}
		})
	}
	cfg.Finish = true
	refuse(func(same string) string { return same })
	if ended, err := execute(t, cfg); ExitCode(err) != 3 || len(ended.Missing) != 0 || len(ended.Record.Refused) != 1 {
		t.Errorf("damaged: %v, missing %v, refused %v", err, ended.Missing, ended.Record.Refused)
	}
	refuse(func(string) string { return "fast:damaged" })
	ended, err := execute(t, cfg)
	if ExitCode(err) != 3 || len(ended.Missing) != 1 || len(ended.Record.Refused) != 0 {
		t.Errorf("mended: %v, missing %v, refused %v", err, ended.Missing, ended.Record.Refused)
	}
}

// A run that has the output alone, and ends with all parts, leaves nothing of tasks that the next ones could be joined with.
func TestRunForgetsTasks(t *testing.T) {
	t.Parallel()
	cfg := shared(t, scorerAt(t, "sha256:"+strings.Repeat("0", 64)))
	dir := cfg.Job.Output.Path
	task := cfg
	task.Task, task.Balance = &record.Task{Index: 0, Count: 2}, BalanceNumber
	if _, err := execute(t, task); err != nil {
		t.Fatal(err)
	}
	left := func() int {
		t.Helper()
		tasks, err := record.Tasks(dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(tasks)
	}
	some := cfg
	job := *cfg.Job
	job.Server.Addresses, job.Limits.RetryBudget = []string{"127.0.0.1:1"}, jobs.Duration(time.Millisecond)
	some.Job = &job
	if _, err := execute(t, some); ExitCode(err) != 69 || left() != 1 {
		t.Errorf("a run that scored nothing: %v, %d records", err, left())
	}
	if _, err := execute(t, cfg); err != nil || left() != 0 {
		t.Errorf("a run of all parts: %v, %d records", err, left())
	}
	if entries, err := os.ReadDir(filepath.Join(dir, "_locks")); err != nil || len(entries) > 0 {
		t.Errorf("locks %v, %v", entries, err)
	}
}
