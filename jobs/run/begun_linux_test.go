package run

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The graphs that were compared with the model are let go where another shard is the first to be scored, or none is.
func TestFirstGraphsAreLetGo(t *testing.T) {
	t.Parallel()
	w := makeWorld(t, "plain", []simGraphs{{name: "a.parquet", from: 100, count: 11, group: 4}, {name: "b.parquet", from: 200, count: 5, group: 4}}, nil)
	out := t.TempDir()
	for _, c := range []struct {
		what   string
		scored int64
	}{{"run", 16}, {"resume", 1}, {"finish", 0}} {
		p := &simProcess{world: w, out: out, workers: 2, slots: 2, finish: c.what == "finish"}
		p.run(t.Context())
		if scored := p.ended.Record.Counts.Scored; p.err != nil || scored != c.scored {
			t.Errorf("%s: %d graphs are scored, %v", c.what, scored, p.err)
		}
		if left := openBelow(t, w.input); len(left) > 0 {
			t.Errorf("%s: %v are open", c.what, left)
		}
		if c.what == "run" {
			simMust(t, os.Remove(filepath.Join(out, "b.rg00001-00001.parquet")))
		}
	}
}

// openBelow lists the files below a folder that this process has open.
func openBelow(t *testing.T, folder string) (found []string) {
	t.Helper()
	descriptors, err := os.ReadDir("/proc/self/fd")
	simMust(t, err)
	for _, d := range descriptors {
		path, err := os.Readlink(filepath.Join("/proc/self/fd", d.Name()))
		if err == nil && strings.HasPrefix(path, folder+"/") { // it may have been closed by now
			found = append(found, path)
		}
	}
	return found
}
