package extract_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"graphscore/pipeline/graph"
	"graphscore/pipeline/pipelinetest/mutation"
	"graphscore/readers"
	"graphscore/readers/extract"
)

// beside is an Arrow file or stream of three graphs with a column that graphscore does not read. Its values take 3 times 997
// bytes, and the file says that they take so many.
func beside(t *testing.T, stream bool, claims uint64) string {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "graph_id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "node_feat", Type: arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Float32))},
		{Name: "edge_index", Type: arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Int64))},
		{Name: "beside", Type: &arrow.FixedSizeBinaryType{ByteWidth: 997}},
	}, nil)
	rows := make([]string, 3)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"graph_id": %d, "node_feat": [[1]], "edge_index": [[0], [0]], "beside": %q}`,
			i, base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{byte(i)}, 997)))
	}
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader("["+strings.Join(rows, ",")+"]"))
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Release()
	path := filepath.Join(t.TempDir(), "a.arrow")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	options := []ipc.Option{ipc.WithSchema(schema), ipc.WithZstd()}
	var w interface {
		Write(rec arrow.Record) error
		Close() error
	} = ipc.NewWriter(file, options...)
	if !stream {
		if w, err = ipc.NewFileWriter(file, options...); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Write(rec), w.Close()); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	length := binary.LittleEndian.AppendUint64(nil, 3*997)
	if n := bytes.Count(content, length); n != 1 {
		t.Fatalf("its length is there %d times", n)
	}
	if err := os.WriteFile(path, bytes.Replace(content, length, binary.LittleEndian.AppendUint64(nil, claims), 1), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestColumnsBesideThatClaimMuch: the library decodes columns that graphscore does not read, and has no more memory for what
// they claim than for a file of that size.
func TestColumnsBesideThatClaimMuch(t *testing.T) { // not parallel: it measures what is allocated
	for _, stream := range []bool{false, true} {
		for claims, want := range map[uint64]string{
			3 * 997:         "",
			1<<30 + 1:       "its columns claim more than the 1.0 GiB that a file of its size may take",
			1 << 40:         "its columns claim more than the 1.0 GiB that a file of its size may take",
			1<<63 - 1:       "the Arrow library cannot decode what it must",
			1<<64 - 1<<20:   "the Arrow library cannot decode what it must",
			1<<63 + 3*997*2: "the Arrow library cannot decode what it must",
		} {
			f, _ := read(t, beside(t, stream, claims), readers.Wanted{Width: 1, Inputs: graph.Inputs{}})
			var err error
			took := mutation.Allocated(func() { _, err = copied(t, f, extract.Parquet, []int64{1}) })
			var known *extract.Error
			if (err == nil) != (want == "") || err != nil && (!errors.As(err, &known) || !strings.Contains(err.Error(), want)) {
				t.Errorf("stream %v, %d bytes claimed: %v, want %q", stream, claims, err, want)
			}
			if took > 64<<20 {
				t.Errorf("stream %v, %d bytes claimed: %d allocated", stream, claims, took)
			}
		}
	}
}
