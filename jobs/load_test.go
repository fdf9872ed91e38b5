package jobs_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"graphscore/jobs"
	"graphscore/pipeline/graph"
	"graphscore/pipeline/remote"
)

// write puts a job file into a folder of its own.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "job.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadEverything(t *testing.T) {
	t.Parallel()
	path := write(t, `
name: molecules
input:
  path: [{name: a, path: data}, {name: b, path: "/srv/**/*.parquet"}]
  layout: rows
  columns: {features: x, graph_id: id}
  fingerprint: full
  shard_bytes: 128MiB
  require: _SUCCESS
output: {path: out}
model: {version: v7}
server:
  addresses: ["host:9999", "unix:/run/s.sock"]
  protocol: gcn
  tls: {ca: ca.pem, server_name: scorer}
workers: 3
limits: {message_bytes: 32MiB, in_flight_bytes: 1048576, request_bytes: 256KiB, deadline: 1m30s, retry_budget: 10s}
on_change: rescore
`)
	got, err := jobs.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(path)
	want := &jobs.Job{
		Path: path, Name: "molecules",
		Input: jobs.Input{
			Path:   jobs.Paths{{Name: "a", Path: filepath.Join(dir, "data")}, {Name: "b", Path: "/srv/**/*.parquet"}},
			Layout: "rows", Columns: jobs.Columns{ColumnNames: graph.ColumnNames{graph.InputFeatures: "x", graph.InputGraphID: "id"}}, Fingerprint: "full", ShardBytes: 128 << 20, Require: "_SUCCESS",
		},
		Output: jobs.Output{Path: filepath.Join(dir, "out")},
		Model:  jobs.Model{Version: "v7"},
		Server: jobs.Server{
			Addresses: []string{"host:9999", "unix:/run/s.sock"}, Protocol: "gcn",
			TLS: &jobs.TLS{CA: filepath.Join(dir, "ca.pem"), ServerName: "scorer"},
		},
		Workers: 3,
		Limits: jobs.Limits{
			MessageBytes: 32 << 20, InFlightBytes: 1 << 20, RequestBytes: 256 << 10,
			Deadline: jobs.Duration(90 * time.Second), RetryBudget: jobs.Duration(10 * time.Second),
		},
		OnChange: "rescore",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := got.WithDefaults().Validate(); err != nil {
		t.Error(err)
	}
}

func TestLoadSaysWhere(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, want string }{
		"unknown key":   {"name: a\ninputs: {path: x}\n", ":2:1: unknown field \"inputs\""},
		"nested key":    {"input:\n  path: x\n  colums: {}\n", ":3:3: unknown field \"colums\""},
		"key of a path": {"input: {path: [{nme: a, path: x}]}\n", "unknown field \"nme\""},
		"no column":     {"input:\n  columns: {features: x, colour: red}\n", ":2:26: unknown field \"colour\""},
		"column twice":  {"input:\n  columns: {edges: x, edges: y}\n", "\"edges\" already defined"},
		"column's name": {"input:\n  columns: {features: [x]}\n", ":2:23: "},
		"size":          {"input: {path: x, shard_bytes: lots}\n", ":1:31: \"lots\" is not a size: write 1048576, 64MiB or 1GiB"},
		"no size":       {"limits: {message_bytes: 0}\n", ":1:25: \"0\" is not a size"},
		"duration":      {"limits: {deadline: 5 parsecs}\n", ":1:20: \"5 parsecs\" is not a time span: write 60s or 1m30s"},
		"path":          {"input: {path: [[x]]}\n", "a path must be a string or {name: ..., path: ...}"},
		"empty path":    {"input: {path: \"\"}\n", "the path is empty"},
		"type":          {"workers: many\n", ":1:10: "},
		"list":          {"workers: [1, 2]\n", ":1:10: expected a number, got a list"},
		"twice":         {"name: a\nname: b\n", ":2:1: "},
		"no YAML":       {"name: [\n", ":1:"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := write(t, test.text)
			_, err := jobs.Load(path)
			var e *jobs.Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want a *jobs.Error", err)
			}
			first, rest, _ := strings.Cut(err.Error(), "\n")
			if !strings.HasPrefix(first, path+":") || !strings.Contains(first, test.want) {
				t.Errorf("got %q, want %q in it", first, test.want)
			}
			if !strings.Contains(rest, "^") {
				t.Errorf("no caret below the source:\n%s", rest)
			}
		})
	}
}

func TestLoadUnreadable(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{"missing": "/no/such/job.yaml", "folder": t.TempDir()} {
		_, err := jobs.Load(path)
		var e *jobs.Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), path+": the job file cannot be read: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := jobs.Load(write(t, "name: a\n---\nname: b\n")); err == nil || !strings.Contains(err.Error(), "several documents") {
		t.Errorf("two documents: %v", err)
	}
	_, err := jobs.Load(write(t, strings.Repeat("# not a job\n", 1<<15)))
	if err == nil || !strings.Contains(err.Error(), "larger than 256 KiB") {
		t.Errorf("a large file: %v", err)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		spoil func(*jobs.Job)
		want  string
	}{
		"fine":          {func(*jobs.Job) {}, ""},
		"no input":      {func(j *jobs.Job) { j.Input.Path = nil }, "input.path is missing"},
		"no output":     {func(j *jobs.Job) { j.Output.Path = "" }, "output.path is missing"},
		"no model":      {func(j *jobs.Job) { j.Model.Path = "" }, "model.path is missing"},
		"both":          {func(j *jobs.Job) { j.Server.Addresses = []string{"a:1"} }, "model.path and server.addresses are both set"},
		"no name":       {func(j *jobs.Job) { j.Input.Path = jobs.Paths{{Path: "a"}, {Path: "b"}} }, "input.path[0] has no name"},
		"same name":     {func(j *jobs.Job) { j.Input.Path = jobs.Paths{{Name: "n", Path: "a"}, {Name: "n", Path: "b"}} }, "the name \"n\" is used twice"},
		"layout":        {func(j *jobs.Job) { j.Input.Layout = "tables" }, "input.layout is \"tables\": it must be one of auto, rows"},
		"protocol":      {func(j *jobs.Job) { j.Server.Protocol = "http" }, "server.protocol is \"http\""},
		"fingerprint":   {func(j *jobs.Job) { j.Input.Fingerprint = "md5" }, "input.fingerprint is \"md5\""},
		"on change":     {func(j *jobs.Job) { j.OnChange = "ask" }, "on_change is \"ask\""},
		"version":       {func(j *jobs.Job) { j.Model.Version = "v1" }, "model.version is only for server.protocol gcn"},
		"TLS":           {func(j *jobs.Job) { j.Server.TLS = &jobs.TLS{} }, "server.tls is set, but local workers"},
		"message":       {func(j *jobs.Job) { j.Limits.MessageBytes = 4 << 30 }, "gRPC messages hold less than 2 GiB"},
		"small message": {func(j *jobs.Job) { j.Limits.MessageBytes = 1 }, "limits.message_bytes is 1: it must be at least 65536"},
		"workers":       {func(j *jobs.Job) { j.Workers = -1 }, "workers is -1"},
		"home":          {func(j *jobs.Job) { j.Output.Path = "~/scores" }, "output.path is \"~/scores\": ~ is not expanded here"},
		"many workers":  {func(j *jobs.Job) { j.Workers = 5000 }, "workers is 5000: at most 1024"},
		"half a pair": {func(j *jobs.Job) {
			j.Model.Path, j.Server = "", jobs.Server{Addresses: []string{"a:1"}, Protocol: "native", TLS: &jobs.TLS{Cert: "c"}}
		}, "only one of cert and key"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := jobs.Job{
				Path: "job.yaml", Input: jobs.Input{Path: jobs.Paths{{Path: "data"}}},
				Output: jobs.Output{Path: "out"}, Model: jobs.Model{Path: "model"},
			}.WithDefaults()
			test.spoil(&j)
			err := j.Validate()
			if test.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.HasPrefix(err.Error(), "job.yaml: ") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// TestExamples: every job that is shipped can be loaded.
func TestExamples(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("examples/*/job.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("%v, %v", paths, err)
	}
	for _, path := range paths {
		j, err := jobs.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := j.WithDefaults().Validate(); err != nil {
			t.Error(err)
		}
	}
}

// The protocols that a job may name are those that pipeline/remote speaks.
func TestProtocolsAreSpoken(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"native", "gcn", "http"} {
		j := jobs.Job{Input: jobs.Input{Path: jobs.Paths{{Path: "in"}}}, Output: jobs.Output{Path: "out"}}
		j.Server = jobs.Server{Addresses: []string{"a:1"}, Protocol: protocol}
		err := j.WithDefaults().Validate()
		known := remote.Config{Addresses: []string{"a:1"}, Protocol: protocol}.WithDefaults().Validate() == nil
		if (err == nil) != known {
			t.Errorf("protocol %q: spoken is %v, and a job with it: %v", protocol, known, err)
		}
	}
}

// TestPathsOfElsewhere: a path with a scheme is an error wherever it is, and is no folder of that name beside the job.
func TestPathsOfElsewhere(t *testing.T) {
	t.Parallel()
	const rest = "\nmodel: {path: m}\n"
	for text, want := range map[string]string{
		"input: {path: 's3://b/in'}\noutput: {path: out}" + rest:                                            `input.path[0] is "s3://b/in", and s3:// is not supported`,
		"input: {path: [{name: a, path: in}, {name: b, path: 'abfss://c@h/in'}]}\noutput: {path: o}" + rest: `and abfss:// is not supported`,
		"input: {path: in}\noutput: {path: 'gs://b/out'}" + rest:                                            `output.path is "gs://b/out"`,
		"input: {path: in}\noutput: {path: out}\nmodel: {path: 'hdfs://h/m'}\n":                             `model.path is "hdfs://h/m"`,
		"input: {path: 'FILE:///in'}\noutput: {path: out}" + rest:                                           "write the path alone",
		"input: {path: in, require: a/b}\noutput: {path: out}" + rest:                                       `input.require is "a/b"`,
	} {
		job, err := jobs.Load(write(t, text))
		if err != nil {
			t.Fatal(err)
		}
		var mistake *jobs.Error
		if err := job.WithDefaults().Validate(); !errors.As(err, &mistake) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// A job without a name has that of its file, and one in a job.yaml that of its folder.
func TestNames(t *testing.T) {
	t.Parallel()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/etc/graphscore/molecules.yaml": "molecules", "molecules.yml": "molecules", "": "job",
		"/srv/molecules/job.yaml": "molecules", "molecules/job.yml": "molecules", "./job.yaml": filepath.Base(here), "job.yaml": filepath.Base(here),
		"/job.yaml": "job", "/srv/mol.2/job.yaml": "mol.2", "/srv/molecules/nightly.job": "nightly",
	} {
		if got := (jobs.Job{Path: path}).WithDefaults().Name; got != want {
			t.Errorf("%q: %q, expected %q", path, got, want)
		}
	}
	if got := (jobs.Job{Path: "a/job.yaml", Name: "mine"}).WithDefaults().Name; got != "mine" {
		t.Error(got)
	}
}
