package writers

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"graphscore/pipeline"
	"graphscore/pipeline/graph"
	"graphscore/pipeline/pipelinetest"
	"graphscore/writers/part"
)

// A part keeps the contract of pipeline.Sink.
func TestSinkContract(t *testing.T) {
	t.Parallel()
	b := graph.NewBuilder(graph.BuilderConfig{Width: 1, GraphIDs: graph.Int64})
	for i := range int64(3) {
		b.Add(&graph.Row{Row: i, IntID: i, Nodes: 2, Width: 1, NumNodes: -1, Features: []float32{1, 2}})
	}
	batch := b.Batch()
	scores := &graph.Scores{Outputs: 1, Values: []float32{1, 2, 3, 4, 5, 6}}

	dir := t.TempDir()
	out := open(t, testConfig(dir))
	create := func(t *testing.T) pipeline.Sink {
		p, err := out.Create(t.Context(), part.Spec{Part: "a/b.parquet", Input: "a/b", Fingerprint: "fast:0", Rows: 3, Model: "m"})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	visible := func() bool {
		_, err := os.Stat(filepath.Join(dir, "a", "b.parquet"))
		return err == nil
	}
	left := func() (names []string) {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && d.Name() != "_lock" {
				names = append(names, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	pipelinetest.TestSink(t, create, batch, scores, visible, left)
}
