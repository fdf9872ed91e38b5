//go:build e2e

package e2e

import (
	"math"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
)

// node is a row of a part.
type node struct{ graph, node string }

// scores is a part with one output: every row once.
type scores map[node]float32

// readScores reads a part whose third column is output.
func readScores(t *testing.T, path, output string) scores {
	t.Helper()
	f, err := file.OpenParquetFile(path, false)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{BatchSize: 1 << 16}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	records, err := r.GetRecordReader(t.Context(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer records.Release()
	out := scores{}
	for records.Next() {
		take(t, out, records.Record(), output)
	}
	if int64(len(out)) != f.NumRows() {
		t.Fatalf("%s has %d rows, but %d nodes", path, f.NumRows(), len(out))
	}
	return out
}

func take(t *testing.T, out scores, record arrow.Record, output string) {
	t.Helper()
	if name := record.ColumnName(2); name != output {
		t.Fatalf("the third column is %q, expected %q", name, output)
	}
	values := record.Column(2).(*array.Float32)
	for row := range int(record.NumRows()) {
		key := node{record.Column(0).ValueStr(row), record.Column(1).ValueStr(row)}
		out[key] = values.Value(row)
	}
}

// near compares all scores, to 1e-5 of values around 1.
func (s scores) near(t *testing.T, want scores) {
	t.Helper()
	if len(s) != len(want) {
		t.Fatalf("%d nodes, expected %d", len(s), len(want))
	}
	for key, w := range want {
		got, there := s[key]
		if difference := math.Abs(float64(got) - float64(w)); !there || !(difference <= 1e-5*max(1, math.Abs(float64(w)))) {
			t.Fatalf("%v has score %v, expected %v", key, got, w)
		}
	}
}
