//go:build !race

package readers_test

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"

	"graphscore/pipeline/graph"
	"graphscore/readers"
)

// lentNodes are the nodes of each row of a file whose batches take over the memory of giants, and whether the row is rejected.
var lentNodes = []lentRow{
	{3, false}, {140_000, true}, {140_000, false}, {270_000, false}, {3, false}, {135_000, false}, {140_000, true}, {5, false}, {132_000, false},
}

type lentRow struct {
	nodes    int
	rejected bool
}

const lentWidth = 8

func lentFeature(row, node, i int) float32 { return float32((row*131 + node*7 + i*3) % 1021) }

// TestGiantsAreNotWrittenAgain: no batch changes while later ones are read, and what is written to the memory of a batch after
// it was recycled is in no later one.
func TestGiantsAreNotWrittenAgain(t *testing.T) {
	t.Parallel()
	rec := lentRecord(lentNodes)
	t.Cleanup(rec.Release)
	for _, test := range []struct {
		name string
		opts []parquet.WriterProperty
	}{
		{"giants.arrow", nil},
		{"page.parquet", []parquet.WriterProperty{parquet.WithDictionaryDefault(false), parquet.WithDataPageSize(256 << 20), parquet.WithDataPageVersion(parquet.DataPageV2)}},
		{"groups.parquet", []parquet.WriterProperty{parquet.WithDictionaryDefault(false), parquet.WithMaxRowGroupLength(3)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := lentFile(t, rec, test.name, test.opts)
			for _, bytes := range []int64{0, 64 << 20} {
				readLent(t, path, lentNodes, bytes, false)
				readLent(t, path, lentNodes, bytes, true)
			}
		})
	}
}

// TestBlocksAreNotWrittenAgain is the same for rows that are taken many at a time.
func TestBlocksAreNotWrittenAgain(t *testing.T) {
	t.Parallel()
	var graphs []lentRow
	for i := range 700 {
		graphs = append(graphs, lentRow{2 + i*i%13, i%5 == 2 || i > 300 && i < 340})
	}
	rec := lentRecord(graphs)
	t.Cleanup(rec.Release)
	for _, test := range []struct {
		name string
		opts []parquet.WriterProperty
	}{
		{"blocks.arrow", nil},
		{"coded.parquet", []parquet.WriterProperty{parquet.WithMaxRowGroupLength(300)}},
		{"plain.parquet", []parquet.WriterProperty{parquet.WithDictionaryDefault(false), parquet.WithMaxRowGroupLength(127), parquet.WithDataPageSize(1 << 10)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := lentFile(t, rec, test.name, test.opts)
			for _, bytes := range []int64{1, 2 << 10, 10 << 10, 50 << 10, 0} {
				readLent(t, path, graphs, bytes, false)
				readLent(t, path, graphs, bytes, true)
			}
		})
	}
}

func lentRecord(graphs []lentRow) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{
		{Name: "node_feat", Type: arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Float32))},
		{Name: "edge_index", Type: arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Int64))},
	}, nil))
	matrix, both := b.Field(0).(*array.ListBuilder), b.Field(1).(*array.ListBuilder)
	rows, sides := matrix.ValueBuilder().(*array.ListBuilder), both.ValueBuilder().(*array.ListBuilder)
	values, ends := rows.ValueBuilder().(*array.Float32Builder), sides.ValueBuilder().(*array.Int64Builder)
	for k, r := range graphs {
		matrix.Append(true)
		for n := range r.nodes {
			rows.Append(true)
			for i := range lentWidth {
				v := lentFeature(k, n, i)
				if r.rejected && n == r.nodes-1 {
					v = float32(math.NaN())
				}
				values.Append(v)
			}
		}
		both.Append(true)
		for _, end := range []int64{0, 1} {
			sides.Append(true)
			ends.Append(end)
		}
	}
	return b.NewRecord()
}

func lentFile(t *testing.T, rec arrow.Record, name string, opts []parquet.WriterProperty) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if opts == nil {
		w := ipc.NewWriter(f, ipc.WithSchema(rec.Schema()))
		err = errors.Join(w.Write(rec), w.Close(), f.Close())
	} else {
		var w *pqarrow.FileWriter
		if w, err = pqarrow.NewFileWriter(rec.Schema(), f, parquet.NewWriterProperties(opts...), pqarrow.DefaultWriterProps()); err == nil {
			err = errors.Join(w.Write(rec), w.Close())
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// readLent reads a file in batches of so many bytes. They are recycled and overwritten, or kept and looked at once more
// at the end.
func readLent(t *testing.T, path string, graphs []lentRow, bytes int64, recycle bool) {
	t.Helper()
	p := newPlan(t, readers.Config{BatchBytes: bytes, ShardBytes: 1 << 40}, path)
	src, err := p.Open(t.Context(), &p.Shards[0], wanted(lentWidth))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var kept []*graph.Batch
	var scored []int64
	rejected := 0
	for b := range batches(t, src) {
		checkLent(t, b, graphs)
		scored, rejected = append(scored, b.Rows...), rejected+len(b.Rejected)
		if !recycle {
			kept = append(kept, b)
			continue
		}
		for i := range b.Features[:cap(b.Features)] {
			b.Features[:cap(b.Features)][i] = -1
		}
		src.Recycle(b)
	}
	for _, b := range kept {
		checkLent(t, b, graphs)
	}
	var want []int64
	for i, g := range graphs {
		if !g.rejected {
			want = append(want, int64(i))
		}
	}
	if !slices.Equal(scored, want) || rejected != len(graphs)-len(want) {
		t.Errorf("%d rows are scored, not %d, and %d rejected", len(scored), len(want), rejected)
	}
}

func checkLent(t *testing.T, b *graph.Batch, graphs []lentRow) {
	t.Helper()
	for g := range b.Graphs() {
		row := int(b.Rows[g])
		from, to := b.NodeRange(g)
		if to-from != graphs[row].nodes {
			t.Fatalf("row %d has %d nodes", row, to-from)
		}
		for at := from * lentWidth; at < to*lentWidth; at++ {
			n, i := at/lentWidth-from, at%lentWidth
			if got, want := b.Features[at], lentFeature(row, n, i); got != want {
				t.Fatalf("feature %d of node %d in row %d is %v, expected %v", i, n, row, got, want)
			}
		}
	}
}
