package extract

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"

	"graphscore/readers"
)

// groupsOf is a file of so many row groups or record batches of three graphs each.
func groupsOf(t *testing.T, format readers.Format, groups int) string {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "graph_id", Type: arrow.BinaryTypes.String},
		{Name: "node_feat", Type: arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Float32))},
		{Name: "edge_index", Type: arrow.FixedSizeListOf(2, arrow.ListOf(arrow.PrimitiveTypes.Int64))},
		{Name: "tensor", Type: &arrow.FixedSizeBinaryType{ByteWidth: 3}},
	}, nil)
	row := `{"graph_id": "one", "node_feat": [` + strings.Repeat("[1],", 999) + `[1]], "edge_index": [[0], [0]], "tensor": "AAAA"}`
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader("["+row+","+row+","+row+"]"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "a")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var w recordWriter
	switch format {
	case readers.Parquet:
		w, err = pqarrow.NewFileWriter(schema, bare{file}, parquet.NewWriterProperties(), pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()))
	case readers.ArrowStream:
		w = ipc.NewWriter(file, ipc.WithSchema(schema), ipc.WithZstd())
	default:
		w, err = ipc.NewFileWriter(file, ipc.WithSchema(schema), ipc.WithZstd())
	}
	if err != nil {
		t.Fatal(err)
	}
	for range groups {
		if err := w.Write(rec); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestMemoryIsThatOfOneGroup: what the library has for a row group or a record batch is free again before the next one, so that a
// file may have any number of them.
func TestMemoryIsThatOfOneGroup(t *testing.T) {
	t.Parallel()
	for _, format := range []readers.Format{readers.Parquet, readers.ArrowFile, readers.ArrowStream} {
		peak := map[int]int64{}
		for _, groups := range []int{2, 40} {
			path := groupsOf(t, format, groups)
			plan, err := readers.NewPlan(t.Context(), readers.Config{Inputs: []readers.Input{{Path: path}}})
			if err != nil || len(plan.Files) != 1 || plan.Files[0].Format != format {
				t.Fatal(err, plan.Refused)
			}
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			s := &selection{rows: Rows{File: plan.Files[0], Wanted: readers.Wanted{Width: 1}}, out: &output{w: io.Discard, form: Arrow}}
			for i := range int64(groups) {
				s.left = append(s.left, 3*i, 3*i+2)
			}
			mem := &most{bounded: bounded{Allocator: memory.DefaultAllocator, most: 1 << 40}}
			from := fromArrow
			if format == readers.Parquet {
				from = fromParquet
			}
			if err := from(t.Context(), f, mem, s); err != nil {
				t.Fatal(err)
			}
			if peak[groups] = mem.peak; mem.held != 0 || mem.peak == 0 {
				t.Errorf("%v, %d groups: %d bytes are held in the end, %d at most", format, groups, mem.held, mem.peak)
			}
		}
		if peak[40] > peak[2] {
			t.Errorf("%v: %d bytes for 2 groups, %d for 40", format, peak[2], peak[40])
		}
	}
}

// most records the most bytes in use at once.
type most struct {
	bounded
	peak int64
}

func (m *most) Allocate(size int) []byte {
	b := m.bounded.Allocate(size)
	m.peak = max(m.peak, m.held)
	return b
}

func (m *most) Reallocate(size int, b []byte) []byte {
	b = m.bounded.Reallocate(size, b)
	m.peak = max(m.peak, m.held)
	return b
}
