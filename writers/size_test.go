package writers

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/parquet/file"

	"graphscore/pipeline/graph"
	"graphscore/writers/atomic/atomictest"
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
	cfg.sizes.BlockRows, cfg.sizes.GroupBytes, cfg.Disk = 0, 0, atomictest.Quick
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

func TestLongIDsStayBounded(t *testing.T) {
	t.Parallel()
	cfg := kinds(testConfig(t.TempDir()), graph.String, graph.String, 1)
	cfg.sizes.BlockRows, cfg.sizes.GroupBytes = 0, 0
	o := open(t, cfg)
	id := strings.Repeat("x", 2000)
	s := shard{spec: part.Spec{Part: "a.parquet", Rows: 2}}
	for i := range 2 {
		g := scored{id: fmt.Sprint(id, i)}
		for n := range 9000 {
			g.nodeIDs = append(g.nodeIDs, fmt.Sprint(strings.Repeat("y", 1000), n))
			g.scores = append(g.scores, []float32{float32(n)})
		}
		s.graphs = append(s.graphs, g)
	}
	must(t, s.commit(t.Context(), o, true))
	_, columns, groups := table(t, filepath.Join(cfg.Dir, "a.parquet"))
	if _, want := s.expected(cfg); differ(want, columns) != "" {
		t.Error("other rows than went in")
	}
	if groups != 2 { // 18 MB of node ids: four blocks fill the first
		t.Errorf("there are %d row groups, want 2", groups)
	}
	pf, err := file.OpenParquetFile(filepath.Join(cfg.Dir, "a.parquet"), false)
	must(t, err)
	defer pf.Close()
	ids, err := pf.MetaData().RowGroup(0).ColumnChunk(0)
	must(t, err)
	if n := ids.TotalUncompressedSize(); n > 5000 { // an id is there once a row group, not once a row
		t.Errorf("the graph ids have %d bytes", n)
	}
}
