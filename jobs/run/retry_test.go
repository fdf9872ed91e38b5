package run

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"graphscore/jobs"
	"graphscore/writers/part"
	"graphscore/writers/record"
)

// ran is the record of a run of the input now, which made a part.
func ran(in *Input, s Served) record.Run {
	c := in.circumstances(s)
	return record.Run{
		RunID: NewID(in.Now()), Model: c.model, Machine: c.machine, Limits: c.limits, Workers: c.workers, Addresses: c.addresses,
		Shards: []record.Shard{{Part: "a.parquet", Outcome: "scored"}, {Part: "b.parquet", Outcome: "failed"}},
	}
}

func keep(t *testing.T, in *Input, id string, rec record.Run) {
	t.Helper()
	name := filepath.Join(in.Job.Output.Path, record.Dir, id+".json")
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(name)
	if err == nil {
		err = rec.Encode(f)
	}
	if err != nil || f.Close() != nil {
		t.Fatal(err)
	}
}

// keepRuns keeps the record of a run, changed unless change is nil, between two that say nothing of its part.
func keepRuns(t *testing.T, in *Input, known Served, change func(*record.Run)) {
	t.Helper()
	rec := ran(in, known)
	if change != nil {
		change(&rec)
	}
	older := ran(in, known)
	older.Workers += 7 // the newest run of the part counts
	keep(t, in, "20260101T000000Z-00000001", older)
	keep(t, in, "20260102T000000Z-00000001", rec)
	later := ran(in, known) // one that did not make the part does not
	later.Shards[0].Outcome, later.Workers = "skipped", 99
	keep(t, in, "20260103T000000Z-00000001", later)
}

// A graph that is in quarantine for a reason of the moment is tried again once something differs that it depends on.
func TestRetryOfTheMoment(t *testing.T) {
	t.Parallel()
	moment := map[string]int64{"out_of_memory": 1, "null_value": 3}
	server := func(in *Input) {
		in.Job.Model.Path, in.Job.Server.Addresses = "", []string{"a:1", "b:1"}
	}
	known := served(2)
	known.Model.Engine, known.Model.BLAS, known.Model.Versions = "numpy", "openblas Haswell", map[string]string{"numpy": "2.0"}
	for name, test := range map[string]struct {
		codes  map[string]int64
		of     string
		before func(*Input)      // the recorded run
		change func(*record.Run) // its record
		served Served
		want   bool
	}{
		"nothing differs":         {codes: moment, served: known},
		"versions are not known":  {codes: moment, served: served(2)},
		"of the graph":            {codes: map[string]int64{"scorer_failed": 1, "too_large": 1}, served: known, change: func(r *record.Run) { r.Machine.CPUs++ }},
		"none of the moment":      {codes: map[string]int64{"out_of_memory": 0}, served: known, change: func(r *record.Run) { r.Machine.CPUs++ }},
		"processors":              {codes: moment, served: known, change: func(r *record.Run) { r.Machine.CPUs++ }, want: true},
		"memory":                  {codes: moment, served: known, change: func(r *record.Run) { r.Machine.Memory++ }, want: true},
		"memory of the cgroup":    {codes: moment, served: known, change: func(r *record.Run) { r.Machine.MemoryLimit = 1 << 20 }, want: true},
		"deadline":                {codes: moment, served: known, change: func(r *record.Run) { r.Limits.Deadline /= 2 }, want: true},
		"workers":                 {codes: moment, served: known, change: func(r *record.Run) { r.Workers++ }, want: true},
		"engine":                  {codes: moment, served: known, change: func(r *record.Run) { r.Model.Engine = "torch" }, want: true},
		"BLAS":                    {codes: moment, served: known, change: func(r *record.Run) { r.Model.BLAS = "openblas Zen" }, want: true},
		"a version":               {codes: moment, served: known, change: func(r *record.Run) { r.Model.Versions = map[string]string{"numpy": "2.1"} }, want: true},
		"an old record":           {codes: moment, served: known, change: func(r *record.Run) { r.Machine, r.Limits = record.Machine{}, record.Limits{} }, want: true},
		"no record of the part":   {codes: moment, served: known, of: "b.parquet", want: true},
		"servers":                 {codes: moment, served: known, before: server},
		"other servers":           {codes: moment, served: known, before: server, change: func(r *record.Run) { r.Addresses = []string{"a:1", "c:1"} }, want: true},
		"servers, now workers":    {codes: moment, served: known, change: func(r *record.Run) { r.Addresses = []string{"a:1", "b:1"} }, want: true},
		"workers, now servers":    {codes: moment, served: known, before: server, change: func(r *record.Run) { r.Addresses = []string{"unix:/x/0.sock", "unix:/x/1.sock"} }, want: true},
		"the machine of a client": {codes: moment, served: known, before: server, change: func(r *record.Run) { r.Machine.CPUs++ }},
	} {
		in := prepared(t, 2)
		in.Job.Workers = 2
		if test.before != nil {
			test.before(in)
		}
		keepRuns(t, in, known, test.change)
		of := "a.parquet"
		if test.of != "" {
			of = test.of
		}
		f := part.NewFooter(part.Spec{Part: of}, part.Settings{})
		f.Codes = test.codes
		got, err := in.retry(test.served)(&f)
		if err != nil || got != test.want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		in.RetryQuarantined = true
		if got, err := in.retry(test.served)(&f); !got || err != nil {
			t.Errorf("%s: on demand: %v, %v", name, got, err)
		}
	}
}

// Records that cannot be seen are an error: whether the part was tried already is not known.
func TestRetryWithoutSight(t *testing.T) {
	t.Parallel()
	in := prepared(t, 2)
	if err := os.MkdirAll(in.Job.Output.Path, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(in.Job.Output.Path, record.Dir), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	f := part.NewFooter(part.Spec{Part: "a.parquet"}, part.Settings{})
	f.Codes["scorer_crashed"] = 1
	if _, err := in.retry(served(2))(&f); ExitCode(err) != 74 {
		t.Errorf("exit code %d of %v", ExitCode(err), err)
	}
}

// The end of its time is the cause of a run's end; without run_deadline there is none.
func TestWithin(t *testing.T) {
	t.Parallel()
	job := &jobs.Job{}
	ctx, stop := Within(t.Context(), job)
	stop()
	if ctx.Err() != nil {
		t.Error("a job without run_deadline has ended")
	}
	job.Limits.RunDeadline = jobs.Duration(time.Millisecond)
	ctx, stop = Within(t.Context(), job)
	defer stop()
	<-ctx.Done()
	err := Stopped(ctx, ctx.Err())
	if ExitCode(err) != 75 || err.Error() != "stopped after limits.run_deadline = 1ms; what is committed stays, the same command continues" {
		t.Errorf("%d: %v", ExitCode(err), err)
	}
	job.Limits.RunDeadline = jobs.Duration(time.Hour)
	ctx, stop = Within(t.Context(), job)
	stop()
	if err := Stopped(ctx, ctx.Err()); IsStopped(err) {
		t.Errorf("a run that has ended before: %v", err)
	}
}
