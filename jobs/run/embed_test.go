package run

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"graphscore/jobs"
	"graphscore/jobs/jobtest"
	"graphscore/pipeline/local"
	"graphscore/writers/record"
)

// Parts with an embedding are compared, and finished, without a worker: nothing compares its width.
func TestEmbeddingNeedsNoWorker(t *testing.T) {
	t.Parallel()
	model := t.TempDir()
	config := `{"format": "graphscore/2", "name": "bonds", "level": "node",
		"inputs": {"x": 2, "edge_attr": 0, "edge_type": 0, "graph_attr": 0, "edge_weight": false},
		"outputs": ["score"], "weights": ["one.safetensors"], "ignored": [], "std": false,
		"steps": [{"name": "h", "op": "linear", "inputs": ["x"], "weight": "w"}]}`
	if err := errors.Join(os.WriteFile(filepath.Join(model, "config.json"), []byte(config), 0o600),
		os.WriteFile(filepath.Join(model, "one.safetensors"), jobtest.Weights("w"), 0o600)); err != nil {
		t.Fatal(err)
	}
	m, err := local.ReadModel(model)
	if err != nil {
		t.Fatal(err)
	}
	cfg := shared(t, serve(t, jobtest.Scorer{
		Protocol: "native", Width: 2, Outputs: []string{"score"}, Digest: m.Digest, Level: "node", Steps: []string{"h=node=3"},
	}))
	cfg.Job.Output.Embed = "h"
	cfg.Task, cfg.Balance = &record.Task{Index: 0, Count: 1}, BalanceNumber
	if ended, err := execute(t, cfg); err != nil || ended.Idle {
		t.Fatal(err, ended.Idle)
	}
	job := *cfg.Job
	job.Model, job.Server = jobs.Model{Path: model}, jobs.Server{Protocol: "native"}
	cfg.Job, cfg.Python = &job, "/bin/false" // which is no interpreter
	if ended, err := execute(t, cfg); err != nil || !ended.Idle {
		t.Errorf("the shard again: %v, idle %v", err, ended.Idle)
	}
	cfg.Task, cfg.Finish = nil, true
	if ended, err := execute(t, cfg); err != nil || ended.Record.Counts.Scored != 12 {
		t.Errorf("finish: %v, %+v", err, ended.Record.Counts)
	}
}
