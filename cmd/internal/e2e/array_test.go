//go:build e2e

package e2e

import (
	"fmt"
	"path/filepath"
	"testing"

	"graphscore/pipeline/faulttest"
)

// array are the arguments of a shard of the work, with one worker.
func (w *work) array(output, plan, shard string) []string {
	return []string{"run", "--input", w.input, "--output", output, "--model", w.model, "--workers", "1", "--plan", plan, "--shard", shard}
}

// Several processes at once, one of them killed, fill one output with the bytes of one run.
func TestArray(t *testing.T) {
	t.Parallel()
	w := longWork(t, "3=nan", "3000=edge")
	folder := t.TempDir()
	output, plan := filepath.Join(folder, "out"), filepath.Join(folder, "plan.json")
	run(t, 0, "plan", "--input", w.input, "--output", output, "--model", w.model, "--out", plan)
	var shards []*process
	for i := range 3 {
		shards = append(shards, start(t, w.array(output, plan, fmt.Sprintf("%d/3", i))...))
	}
	w.committed(t, output, 1)
	shards[1].born()
	if err := shards[1].cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for i, p := range shards {
		if o := p.wait(); o.code != 0 && i != 1 {
			t.Errorf("shard %d ended with %d: %s", i, o.code, o.stderr)
		}
	}
	w.visible(t, output)
	finish := []string{"finish", "--input", w.input, "--output", output, "--model", w.model, "--plan", plan}
	if missing := files - w.visible(t, output); missing > 0 {
		run(t, 3, finish...)
	}
	run(t, 0, w.array(output, plan, "1/3")...)
	run(t, 0, w.array(output, plan, "1/3")...) // nothing is left to do
	r := run(t, 3, append(finish, "--json")...).record(t)
	if len(r.Array) < 3 || r.Counts.RowsIn != times*4806 || r.Model.BLAS == "" {
		t.Errorf("%d shards are joined, %+v", len(r.Array), r.Counts)
	}
	whole(t, output, w.want)
	faulttest.Report(t, faulttest.Row{Case: "P3", How: "three shards at once, one of them killed and run again, then finish",
		Outcome: "3 for two broken graphs, the bytes of one run", Times: 1, Tally: faulttest.Compare(graphsOf(t, output), w.graphs)})
	eventually(t, "the workers are gone", func() bool { return len(w.workers(t)) == 0 })
}
