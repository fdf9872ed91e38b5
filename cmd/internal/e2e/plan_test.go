//go:build e2e

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// planned is what these tests need of the report of plan.
type planned struct {
	Model struct{ Digest string }
	Score struct{ Shards, Graphs, Nodes int64 }
	Skip  struct{ Shards, Graphs, Nodes int64 }

	Requests    struct{ Low, Likely, High float64 }
	Calibration *struct {
		Workers      int
		MemoryBytes  struct{ Low, Likely, High float64 } `json:"memory_bytes"`
		OutputBytes  struct{ Low, Likely, High float64 } `json:"output_bytes"`
		Seconds      struct{ Low, Likely, High float64 }
		MemoryKnown  bool `json:"workers_memory_known"`
		Price        struct{ Low, Likely, High float64 }
		PricePerHour float64 `json:"price_per_hour"`
	}
}

func plan(t *testing.T, args ...string) planned {
	t.Helper()
	var p planned
	o := run(t, 0, append([]string{"plan", absolute(t, example+"/job.yaml"), "--format", "json"}, args...)...)
	if err := json.Unmarshal([]byte(o.stdout), &p); err != nil {
		t.Fatalf("%v\n%s", err, o.stdout)
	}
	return p
}

// TestPlanOfTheExample holds what plan tells against what a run does: counts to the graph, estimates within bounds.
func TestPlanOfTheExample(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "out")
	before := plan(t, "--output", out, "--calibrate", "--sample", "2s", "--price-per-hour", "3600")
	if _, err := os.Stat(out); !os.IsNotExist(err) {
		t.Errorf("plan left an output: %v", err)
	}
	run(t, 0, "doctor", absolute(t, example+"/job.yaml"), "--output", out)
	if _, err := os.Stat(out); !os.IsNotExist(err) {
		t.Errorf("doctor left an output: %v", err)
	}
	r := run(t, 0, "run", absolute(t, example+"/job.yaml"), "--output", out, "--json").record(t)
	if before.Model.Digest != r.Model.Digest {
		t.Errorf("plan tells digest %s, the workers %s", before.Model.Digest, r.Model.Digest)
	}
	if before.Score.Graphs != r.Counts.Scored || before.Score.Nodes != r.Counts.Nodes || before.Score.Shards != r.Counts.Shards {
		t.Errorf("plan counts %+v, the run %+v", before.Score, r.Counts)
	}
	if n := float64(r.Counts.Requests); n < before.Requests.Low || n > before.Requests.High {
		t.Errorf("plan expects %+v requests, the run made %v", before.Requests, n)
	}
	c := before.Calibration
	if c == nil || c.Workers != r.Workers || !c.MemoryKnown || c.MemoryBytes.Low <= 0 || c.Seconds.Low <= 0 || c.Price.Likely < c.Seconds.Likely*0.999 {
		t.Fatalf("calibration %+v", c)
	}
	var size float64
	parts, err := filepath.Glob(filepath.Join(out, "*.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range parts {
		info, err := os.Stat(part)
		if err != nil {
			t.Fatal(err)
		}
		size += float64(info.Size())
	}
	if size < c.OutputBytes.Low/1.1 || size > c.OutputBytes.High*1.1 {
		t.Errorf("plan expects an output of %+v, it has %v", c.OutputBytes, size)
	}
	after := plan(t, "--output", out)
	if after.Score.Shards != 0 || after.Skip.Graphs != r.Counts.Scored || after.Skip.Shards != r.Counts.Shards {
		t.Errorf("after the run: %+v", after)
	}
}

// TestPlanOverGCN: local workers behind the older protocol make parts of the same model.
func TestPlanOverGCN(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "out")
	args := []string{"--output", out, "--protocol", "gcn", "--limit", "20"}
	run(t, 0, append([]string{"run", absolute(t, example+"/job.yaml")}, args...)...)
	if p := plan(t, args...); p.Skip.Graphs != 20 || p.Score.Shards != 0 {
		t.Errorf("%+v", p)
	}
}
