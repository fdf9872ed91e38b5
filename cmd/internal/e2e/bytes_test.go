//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"graphscore/pipeline/faulttest"
)

// spoiled makes a folder of the example with some bad graphs in the middle of one file, so that there is quarantine.
func spoiled(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "in")
	for _, name := range []string{"held-back", "train-00000", "train-00001", "train-00002"} {
		copyFile(t, example+"/data/"+name+".parquet", filepath.Join(folder, name+".parquet"))
	}
	bad := filepath.Join(folder, "train-00001.parquet")
	python(t, "spoil.py", bad, bad, "7=nan", "100=edge", "101=width", "102=count", "500=null", "900=huge")
	return folder
}

// Invariant 2: the bytes of parts and quarantine files do not depend on workers, requests, memory or order.
func TestBytes(t *testing.T) {
	t.Parallel()
	input, folder := spoiled(t), t.TempDir()
	job := func(name, limits string) string {
		return write(t, filepath.Join(folder, name+".yaml"), fmt.Sprintf(
			"input: {path: %s}\noutput: {path: out-%s}\nmodel: {path: %s}\nlimits: %s\n", input, name, absolute(t, example+"/model"), limits))
	}
	run(t, 3, "run", job("plain", "{}"), "--workers", "1")
	want := sums(t, filepath.Join(folder, "out-plain"))
	if len(want) != 5 {
		t.Fatalf("%d parts and quarantine files, expected 4 and 1", len(want))
	}
	graphs := graphsOf(t, filepath.Join(folder, "out-plain"))
	for _, test := range []struct {
		name, limits, workers string
	}{
		{"two workers", "{}", "2"},
		{"inline", "{transport: inline}", "2"},
		{"shared", "{transport: shared}", "2"},
		{"inline and one graph a request", "{transport: inline, request_bytes: 1}", "2"},
		{"shared and one graph a request", "{transport: shared, request_bytes: 1}", "2"},
		{"four workers", "{}", "4"},
		{"inline and four workers", "{transport: inline}", "4"},
		{"some graphs a request", "{request_bytes: 20000, in_flight_bytes: 64KiB}", "4"},
		{"inline and some graphs a request", "{transport: inline, request_bytes: 20000, in_flight_bytes: 64KiB}", "4"},
		{"as large as a message", "{request_bytes: 64MiB}", "1"},
		{"inline and as large as a message", "{transport: inline, request_bytes: 64MiB}", "1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := run(t, 3, "run", job(test.name, test.limits), "--workers", test.workers, "--json").record(t)
			if fmt.Sprint(r.Workers) != test.workers {
				t.Errorf("%d workers ran, expected %s", r.Workers, test.workers)
			}
			if strings.Contains(test.limits, "request_bytes: 1}") && r.Counts.Requests != 4801 { // 5 graphs fail before
				t.Errorf("%d requests, expected one a graph", r.Counts.Requests)
			}
			whole(t, filepath.Join(folder, "out-"+test.name), want)
			faulttest.Report(t, faulttest.Row{Case: "P2", How: "one, two and four workers; one graph, some graphs and all in a request; shared memory and messages",
				Outcome: "3, the same bytes", Times: 1, Tally: faulttest.Compare(graphsOf(t, filepath.Join(folder, "out-"+test.name)), graphs)})
		})
	}
	t.Run("file by file, backwards", func(t *testing.T) {
		output := filepath.Join(folder, "backwards")
		for _, name := range []string{"train-00002", "train-00001", "train-00000", "held-back"} {
			o := start(t, "run", "--input", filepath.Join(input, name+".parquet"), "--output", output, "--model", absolute(t, example+"/model")).wait()
			if name == "train-00001" && o.code != 3 {
				t.Errorf("exit code %d", o.code)
			}
		}
		run(t, 3, "run", "--input", input, "--output", output, "--model", absolute(t, example+"/model"))
		whole(t, output, want)
	})
}

// Invariants 1 and 2: shards of another size are other parts, with the same rows in the same order.
func TestShards(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	python(t, "repeat.py", example+"/data", filepath.Join(folder, "in"), "2", "1")
	model := writeModel(t, filepath.Join(folder, "model"), layers(16, 32, 1))
	var want scores
	for _, shard := range []string{"256MiB", "300KiB", "1"} {
		output := filepath.Join(folder, "out-"+shard)
		run(t, 0, "run", "--input", filepath.Join(folder, "in"), "--output", output, "--model", model, "--shard-bytes", shard)
		parts, err := filepath.Glob(output + "/*.parquet")
		if err != nil {
			t.Fatal(err)
		}
		if (len(parts) > 1) != (shard != "256MiB") {
			t.Errorf("%d parts of shards of %s", len(parts), shard)
		}
		got := scores{}
		for _, part := range parts {
			for key, score := range readScores(t, part, "score") {
				got[key] = score
			}
		}
		if want == nil {
			want = got
		}
		for key, score := range want {
			if got[key] != score {
				t.Fatalf("shards of %s: %v has score %v, expected %v", shard, key, got[key], score)
			}
		}
		if len(got) != 2*78057 {
			t.Errorf("shards of %s: %d rows, expected %d", shard, len(got), 2*78057)
		}
		if _, err := os.Stat(output + "/_SUCCESS"); err != nil {
			t.Error(err)
		}
	}
}
