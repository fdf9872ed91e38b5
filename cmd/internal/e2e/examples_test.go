//go:build e2e

package e2e

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const examples = root + "/jobs/examples"

// TestServerExample: jobs/examples/server scores through a running server what the example of local workers scores.
func TestServerExample(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	local, served := filepath.Join(folder, "local"), filepath.Join(folder, "served")
	run(t, 0, "run", absolute(t, example+"/job.yaml"), "--output", local)
	server := serveModel(t, absolute(t, example+"/model"))
	r := run(t, 0, "run", absolute(t, examples+"/server/job.yaml"), "--server", server.address, "--output", served, "--json").record(t)
	if r.Protocol != "native" || len(r.Addresses) != 1 || r.Addresses[0] != server.address {
		t.Errorf("it scored over %s at %q", r.Protocol, r.Addresses)
	}
	whole(t, served, sums(t, local))
}

// The address of the example is that of the command in jobs/examples/README.md.
func TestServerExampleAddress(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(examples + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	job, err := os.ReadFile(examples + "/server/job.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), "--listen ")
	address, _, _ := strings.Cut(rest, " ")
	if !found || !strings.Contains(string(job), `["`+address+`"]`) {
		t.Errorf("the page listens on %q, which is not the address of the job", address)
	}
}

// TestNightlyExample: a date, then a backfill that scores the others which have input, then nothing left to do.
func TestNightlyExample(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	job := filepath.Join(folder, "nightly", "job.yaml")
	copyFile(t, examples+"/nightly/job.yaml", job)
	if err := os.MkdirAll(filepath.Join(folder, "molecules"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(absolute(t, example+"/model"), filepath.Join(folder, "molecules", "model")); err != nil {
		t.Fatal(err)
	}
	for date, name := range map[string]string{"2026-01-30": "train-00000", "2026-01-31": "train-00001"} {
		copyFile(t, example+"/data/"+name+".parquet", filepath.Join(folder, "nightly", "data", "dt="+date, "atoms.parquet"))
	}
	r := run(t, 0, "run", job, "--date", "2026-01-30", "--json").record(t)
	if r.Counts.Scored == 0 || len(r.Gates) != 3 {
		t.Errorf("the first date counts %+v, with gates %+v", r.Counts, r.Gates)
	}
	backfill := []string{"backfill", job, "--since", "2026-01-30", "--until", "2026-02-01"}
	run(t, 0, backfill...)
	out := filepath.Join(folder, "nightly", "out")
	for _, date := range []string{"dt=2026-01-30", "dt=2026-01-31"} {
		if _, err := os.Stat(filepath.Join(out, date, "_SUCCESS")); err != nil {
			t.Error(err)
		}
	}
	done := sums(t, out)
	run(t, 0, backfill...)
	same(t, sums(t, out), done)
	if len(done) != 2 {
		t.Errorf("%d parts, expected 2", len(done))
	}
}

// TestScoresExample: the script reads an output as its users do.
func TestScoresExample(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "out")
	run(t, 0, "run", absolute(t, example+"/job.yaml"), "--output", out)
	printed := pythonWith(t, nil, "../../../../jobs/examples/scores/read.py", out, absolute(t, example+"/data"))
	want := "DuckDB:  78057 scores, R2 on held-back molecules 0.989\nPolars:  78057 scores, their mean -0.053\npyarrow: 78057 scores of 4806 graphs, model molecule-charge\n"
	if printed != want {
		t.Errorf("it prints %q", printed)
	}
}

// TestCitationsExample: the written scores of Cora find the topics of as many papers of test as Kipf and Welling have.
func TestCitationsExample(t *testing.T) {
	t.Parallel()
	output := filepath.Join(t.TempDir(), "out")
	r := run(t, 0, "run", absolute(t, examples+"/citations/job.yaml"), "--output", output, "--json").record(t)
	if r.Name != "citations" || r.Model.Name != "cora-topics" || r.Counts.Scored != 1 || r.Counts.Nodes != 2708 || r.Counts.Edges != 10556 {
		t.Errorf("the record of %q has model %q and counts %+v", r.Name, r.Model.Name, r.Counts)
	}
	var got struct {
		Schema        map[string]string
		Nodes         bool
		Furthest      float64
		Papers, Right int
	}
	report := python(t, "read_topics.py", filepath.Join(output, "cora.parquet"), absolute(t, examples+"/citations/data/cora.parquet"))
	if err := json.Unmarshal([]byte(report), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"graph_id": "string", "node_id": "int64"}
	for _, topic := range []string{"theory", "reinforcement_learning", "genetic_algorithms", "neural_networks", "probabilistic_methods", "case_based", "rule_learning"} {
		want[topic] = "float"
	}
	if !maps.Equal(got.Schema, want) || !got.Nodes || got.Furthest > 1e-6 {
		t.Errorf("the scores have columns %v, papers in order %v, and probabilities that add up to 1 but for %v", got.Schema, got.Nodes, got.Furthest)
	}
	if accuracy := 100 * float64(got.Right) / float64(got.Papers); got.Papers != 1000 || accuracy < 80.5 || accuracy > 82.5 {
		t.Errorf("the topic is right for %.1f %% of %d papers of test, expected 81.5 +- 1 %% of 1000", accuracy, got.Papers)
	}
}
