package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
	"github.com/rogpeppe/go-internal/testscript"
)

// graphs FILE COUNT [options] writes an input. Graph i is a ring of 2 + i%3 nodes; every node's first feature is
// i, its second the number of the node, others are 0: the fake scorer gives 2i + the number of the node.
func graphs(ts *testscript.TestScript, _ bool, args []string) {
	in := input{bad: map[int]string{}}
	var bad string
	flags := flag.NewFlagSet("graphs", flag.ContinueOnError)
	flags.Int64Var(&in.from, "from", 0, "id of the first graph, and its number")
	flags.IntVar(&in.width, "width", 2, "features of a node")
	flags.IntVar(&in.group, "group", 1000, "graphs in a row group")
	flags.BoolVar(&in.text, "text", false, "graph ids are texts")
	flags.BoolVar(&in.names, "names", false, "nodes have names")
	flags.BoolVar(&in.weights, "weights", false, "edges have weights, all 1")
	flags.BoolVar(&in.arrow, "arrow", false, "write an Arrow file")
	flags.StringVar(&in.features, "features", "node_feat", "name of the column with the features")
	flags.StringVar(&bad, "bad", "", "ROW=WHAT,...: nan, edge, width, count, null or twice")
	if len(args) < 2 {
		ts.Fatalf("usage: graphs FILE COUNT [options]")
	}
	ts.Check(flags.Parse(args[2:]))
	count, err := strconv.Atoi(args[1])
	ts.Check(err)
	for _, one := range strings.FieldsFunc(bad, func(r rune) bool { return r == ',' }) {
		row, what, _ := strings.Cut(one, "=")
		n, err := strconv.Atoi(row)
		ts.Check(err)
		in.bad[n] = what
	}
	name := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(filepath.Dir(name), 0o777))
	content, err := in.encode(count)
	ts.Check(err)
	ts.Check(os.WriteFile(name, content, 0o666))
}

// input is what a file of graphs looks like.
type input struct {
	from               int64
	width, group       int
	text, names, arrow bool
	weights            bool
	features           string
	bad                map[int]string
}

func (in *input) schema() *arrow.Schema {
	var id arrow.DataType
	if id = arrow.PrimitiveTypes.Int64; in.text {
		id = arrow.BinaryTypes.String
	}
	fields := []arrow.Field{
		{Name: "graph_id", Type: id, Nullable: true},
		{Name: in.features, Type: arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Float32)), Nullable: true},
		{Name: "edge_index", Type: arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Int64)), Nullable: true},
		{Name: "num_nodes", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "remark", Type: arrow.BinaryTypes.String, Nullable: true},
	}
	if in.names {
		fields = append(fields, arrow.Field{Name: "node_ids", Type: arrow.ListOf(arrow.BinaryTypes.String), Nullable: true})
	}
	if in.weights {
		fields = append(fields, arrow.Field{Name: "edge_weight", Type: arrow.ListOf(arrow.PrimitiveTypes.Float32), Nullable: true})
	}
	return arrow.NewSchema(fields, nil)
}

// writer is what the writers of both formats have.
type writer interface {
	Write(arrow.Record) error
	Close() error
}

func (in *input) encode(count int) ([]byte, error) {
	var out bytes.Buffer
	w, err := in.writer(&out)
	if err != nil {
		return nil, err
	}
	for first := 0; first < count; first += in.group {
		b := array.NewRecordBuilder(memory.DefaultAllocator, in.schema())
		for row := first; row < min(first+in.group, count); row++ {
			in.add(b, row)
		}
		if err := w.Write(b.NewRecord()); err != nil {
			return nil, err
		}
	}
	err = w.Close()
	return out.Bytes(), err
}

func (in *input) writer(out io.Writer) (writer, error) {
	if in.arrow {
		return ipc.NewFileWriter(seekless{out}, ipc.WithSchema(in.schema()))
	}
	return pqarrow.NewFileWriter(in.schema(), out, parquet.NewWriterProperties(), pqarrow.DefaultWriterProps())
}

// seekless is a buffer for the writer of Arrow files, which asks where it is and never goes elsewhere.
type seekless struct{ io.Writer }

func (s seekless) Seek(int64, int) (int64, error) { return int64(s.Writer.(*bytes.Buffer).Len()), nil }

func (in *input) add(b *array.RecordBuilder, row int) {
	number, nodes, width := in.from+int64(row), 2+row%3, in.width
	bad := in.bad[row]
	if bad == "width" {
		width++
	}
	switch id := b.Field(0).(type) {
	case *array.Int64Builder:
		id.Append(number)
	case *array.StringBuilder:
		id.Append(fmt.Sprintf("graph-%d", number))
	}
	matrix := b.Field(1).(*array.ListBuilder)
	rows := matrix.ValueBuilder().(*array.ListBuilder)
	values := rows.ValueBuilder().(*array.Float32Builder)
	matrix.Append(true)
	for node := range nodes {
		rows.Append(true)
		for i := range width {
			values.Append(in.feature(number, node, i, bad))
		}
	}
	edges := b.Field(2).(*array.ListBuilder)
	sides := edges.ValueBuilder().(*array.ListBuilder)
	ends := sides.ValueBuilder().(*array.Int64Builder)
	if bad == "null" {
		edges.AppendNull()
	} else {
		edges.Append(true)
		for side := range 2 {
			sides.Append(true)
			for node := range nodes {
				end := int64((node + side) % nodes)
				if bad == "edge" && node == 0 {
					end = 99
				}
				ends.Append(end)
			}
		}
	}
	if bad == "count" {
		nodes++
	}
	b.Field(3).(*array.Int64Builder).Append(int64(nodes))
	b.Field(4).AppendNull()
	if in.weights {
		weights := b.Field(len(b.Fields()) - 1).(*array.ListBuilder)
		weights.Append(true)
		for range nodes {
			weights.ValueBuilder().(*array.Float32Builder).Append(1)
		}
	}
	if !in.names {
		return
	}
	names := b.Field(5).(*array.ListBuilder)
	names.Append(true)
	for node := range nodes {
		if bad == "twice" {
			node = 0
		}
		names.ValueBuilder().(*array.StringBuilder).Append(string(rune('a' + node)))
	}
}

func (in *input) feature(number int64, node, i int, bad string) float32 {
	switch {
	case bad == "nan" && node == 1 && i == 0:
		return float32(math.NaN())
	case i == 0:
		return float32(number)
	case i == 1:
		return float32(node)
	default:
		return 0
	}
}

// cut FILE BYTES keeps only so many bytes of a file, or all but so many where BYTES is negative.
func cut(ts *testscript.TestScript, _ bool, args []string) {
	name := ts.MkAbs(args[0])
	size, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	if size < 0 {
		info, err := os.Stat(name)
		ts.Check(err)
		size += info.Size()
	}
	ts.Check(os.Truncate(name, size))
}

// rows FILE prints a part as a table.
func rows(ts *testscript.TestScript, _ bool, args []string) {
	f, err := file.OpenParquetFile(ts.MkAbs(args[0]), false)
	ts.Check(err)
	defer f.Close()
	r, err := pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{BatchSize: 1 << 16}, memory.DefaultAllocator)
	ts.Check(err)
	schema, err := r.Schema()
	ts.Check(err)
	var columns []string
	for _, field := range schema.Fields() {
		columns = append(columns, field.Name+":"+field.Type.String())
	}
	fmt.Fprintln(ts.Stdout(), strings.Join(columns, " "))
	records, err := r.GetRecordReader(context.Background(), nil, nil)
	ts.Check(err)
	defer records.Release()
	for records.Next() {
		record := records.Record()
		for row := range int(record.NumRows()) {
			var values []string
			for _, column := range record.Columns() {
				values = append(values, column.ValueStr(row))
			}
			fmt.Fprintln(ts.Stdout(), strings.Join(values, " "))
		}
	}
}

// sums DIR prints the sha256 of every part and quarantine file: what must not depend on anything but the input.
func sums(ts *testscript.TestScript, _ bool, args []string) {
	root := ts.MkAbs(args[0])
	ts.Check(filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".parquet") && !strings.HasSuffix(path, ".jsonl") {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		fmt.Fprintf(ts.Stdout(), "%x  %s\n", sha256.Sum256(content), rel)
		return err
	}))
}
