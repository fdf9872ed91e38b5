package writers

import (
	"os"
	"path/filepath"
	"testing"

	"graphscore/pipeline/graph"
	"graphscore/writers/part"
)

// TestSizeCounter compares the size that a SizeCounter reports with the files that a Part writes.
func TestSizeCounter(t *testing.T) {
	t.Parallel()
	for _, level := range []graph.Level{graph.NodeLevel, graph.EdgeLevel, graph.GraphLevel} {
		sizeCounter(t, level)
	}
}

func sizeCounter(t *testing.T, level graph.Level) {
	cfg := atLevel(testConfig(t.TempDir()), level)
	cfg.sizes.BlockRows, cfg.sizes.GroupBytes, cfg.disk = 0, 0, quick
	for _, graphs := range []int{0, 1, 400} {
		s := makeShard("a", graphs, cfg, false)
		counter, err := NewSizeCounter(s.spec, cfg.Contents)
		must(t, err)
		b, sc := s.batch(cfg, false, 0, len(s.graphs))
		must(t, counter.Write(t.Context(), b, sc))
		o := open(t, cfg)
		p, err := o.Create(t.Context(), s.spec)
		must(t, err)
		must(t, s.write(t.Context(), p, cfg, false, nil))
		must(t, p.Commit(t.Context()))
		for i, g := range s.graphs { // as shard.write has them
			if g.reject != "" {
				must(t, counter.Reject(t.Context(), graph.Rejection{GraphID: g.id, RowGroup: i / 10, Row: int64(i), Code: g.reject,
					Message: "<why> & \"what\"", Nodes: int64(len(g.scores)), Edges: 5}))
			}
		}
		must(t, counter.Commit(t.Context()))
		must(t, counter.Close())
		var want int64
		for _, name := range []string{"a.parquet", part.QuarantineName("a.parquet")} {
			if info, err := os.Stat(filepath.Join(cfg.Dir, name)); err == nil {
				want += info.Size()
			}
		}
		if counter.Bytes() != want {
			t.Errorf("%d graphs: %d bytes, expected %d", graphs, counter.Bytes(), want)
		}
		must(t, o.Close())
	}
}
