package run

import "testing"

// What a run compares with the model is not read again to be scored.
func TestFirstGraphsAreReadOnce(t *testing.T) {
	t.Parallel()
	w := makeWorld(t, "plain", []simGraphs{{name: "a.parquet", from: 100, count: 11, group: 4}}, nil)
	p := &simProcess{world: w, out: t.TempDir(), workers: 2, slots: 2}
	p.run(t.Context())
	if scored := p.ended.Record.Counts.Scored; p.err != nil || scored != 11 || p.firsts != 1 {
		t.Errorf("%d graphs are scored, the first page is read %d times, %v", scored, p.firsts, p.err)
	}
}
