package readers_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/schema"
	"github.com/google/go-cmp/cmp"

	"graphscore/pipeline"
	"graphscore/pipeline/pipelinetest"
	"graphscore/readers"
)

// twoLevels is a list as Hive and Avro once wrote it: the element is the repeated field itself.
func twoLevels(name string, rep parquet.Repetition, element schema.Node) schema.Node {
	return schema.MustGroup(schema.NewGroupNodeConverted(name, rep, schema.FieldList{element}, schema.ConvertedTypes.List, -1))
}

// legacyFile writes two graphs, of two nodes and one edge and of no nodes, with lists in the given forms.
func legacyFile(t *testing.T, feat, edges schema.Node, featDefs, edgeDefs []int16) string {
	t.Helper()
	alloc := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer alloc.AssertSize(t, 0)
	root := schema.MustGroup(schema.NewGroupNode("schema", parquet.Repetitions.Required, schema.FieldList{feat, edges}, -1))
	var out bytes.Buffer
	w := file.NewParquetWriter(&out, root, file.WithWriterProps(parquet.NewWriterProperties(
		parquet.WithAllocator(alloc), parquet.WithDictionaryDefault(false), parquet.WithStats(false))))
	rg := w.AppendRowGroup()
	col, err := rg.NextColumn()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := col.(*file.Float32ColumnChunkWriter).WriteBatch([]float32{1, 2, 3, 4, 5, 6}, featDefs, []int16{0, 2, 2, 1, 2, 2, 0}); err != nil {
		t.Fatal(err)
	}
	if err := col.Close(); err != nil {
		t.Fatal(err)
	}
	if col, err = rg.NextColumn(); err != nil {
		t.Fatal(err)
	}
	if _, err := col.(*file.Int64ColumnChunkWriter).WriteBatch([]int64{0, 1}, edgeDefs, []int16{0, 1, 0}); err != nil {
		t.Fatal(err)
	}
	if err := col.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "old.parquet")
	if err := os.WriteFile(name, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestLegacyLists(t *testing.T) {
	t.Parallel()
	required, optional, repeated := parquet.Repetitions.Required, parquet.Repetitions.Optional, parquet.Repetitions.Repeated
	tests := []struct {
		name               string
		outer, inner       parquet.Repetition
		present, emptyList int16 // definition levels
	}{
		{"required", required, repeated, 2, 0},
		{"optional", optional, repeated, 3, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			feat := twoLevels("node_feat", tt.outer, twoLevels("array", tt.inner, schema.NewFloat32Node("array", repeated, -1)))
			edges := twoLevels("edge_index", tt.outer, twoLevels("array", tt.inner, schema.NewInt64Node("array", repeated, -1)))
			p, e := tt.present, tt.emptyList
			name := legacyFile(t, feat, edges, []int16{p, p, p, p, p, p, e}, []int16{p, p, e})
			got, err := readAll(t.Context(), newPlan(t, readers.Config{}, name), 3)
			if err != nil {
				t.Fatal(err)
			}
			want := []plain{
				{ID: "old.parquet#0", Features: [][]float32{{1, 2, 3}, {4, 5, 6}}, Edges: [][2]int{{0, 1}}},
				{ID: "old.parquet#1", Features: [][]float32{}, Row: 1},
			}
			if diff := cmp.Diff(want, got.graphs); diff != "" {
				t.Errorf("graphs (-want +got):\n%s\n%+v", diff, got.rejected)
			}
		})
	}
}

// TestSourceContract holds sources of every format against the suite that all sources pass.
func TestSourceContract(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"good/v1_zstd.parquet", "good/stream_lz4.arrows", "good/polars_zstd.arrow", "rows.parquet", "rows.arrow"} {
		t.Run(filepath.Base(base), func(t *testing.T) {
			p := newPlan(t, readers.Config{BatchBytes: 500}, filepath.Join("testdata", base))
			for i := range p.Shards {
				pipelinetest.TestSource(t, func(t *testing.T) pipeline.Source {
					src, err := p.Open(t.Context(), &p.Shards[i], wanted(3))
					if err != nil {
						t.Fatal(err)
					}
					return src
				}, p.Shards[i].Rows)
			}
		})
	}
}

func TestNoRows(t *testing.T) {
	t.Parallel()
	for _, name := range files(t, "none.*") {
		p := newPlan(t, readers.Config{}, name)
		got, err := readAll(t.Context(), p, 3)
		if err != nil || len(p.Shards) != 1 || p.Rows != 0 || len(got.graphs) != 0 || p.Empty() {
			t.Errorf("%s: %d shards, %d rows, %v, %v", name, len(p.Shards), p.Rows, p.Refused, err)
		}
		if want := filepath.Base(name); p.Shards[0].Part != want && p.Shards[0].Part != fmt.Sprint(want, ".parquet") {
			t.Errorf("%s has part %s", name, p.Shards[0].Part)
		}
	}
}
