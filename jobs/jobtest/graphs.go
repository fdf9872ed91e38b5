package jobtest

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
)

// Graphs is what a file of graphs looks like. Graph i is a ring of 2 + i%3 nodes; every node's first feature is From+i,
// its second the number of the node, others are 0: a scorer that adds up features gives 2(From+i) + the number of the
// node.
type Graphs struct {
	From     int64          // id of the first graph, and its number
	Width    int            // features of a node
	Group    int            // graphs in a row group or record batch, at least 1
	Text     bool           // graph ids are texts, "graph-7"
	Names    bool           // nodes have names, "a", "b", ...
	Weights  bool           // edges have weights, all 1
	Edges    bool           // edge e of graph i has the features From+i and e and the type e%3, the graph the features 10 and 20
	First    int64          // what edges call the first node
	Arrow    bool           // the file is Arrow, not Parquet
	Features string         // name of the column with the features
	Bad      map[int]string // row -> what is wrong with it: nan, inf, edge, negative, width, count, null, twice, attr or type; or what is unusual of it: empty, loop or again
}

// NewGraphs returns what most tests want: Parquet with two features a node, in the column node_feat, a thousand graphs
// in a row group.
func NewGraphs() *Graphs {
	return &Graphs{Width: 2, Group: 1000, Features: "node_feat", Bad: map[int]string{}}
}

// WriteFile writes a file of so many graphs, and the folders above it.
func (g *Graphs) WriteFile(name string, count int) error {
	content, err := g.Encode(count)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return err
	}
	return os.WriteFile(name, content, 0o666)
}

func (g *Graphs) schema() *arrow.Schema {
	var id arrow.DataType
	if id = arrow.PrimitiveTypes.Int64; g.Text {
		id = arrow.BinaryTypes.String
	}
	fields := []arrow.Field{
		{Name: "graph_id", Type: id, Nullable: true},
		{Name: g.Features, Type: arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Float32)), Nullable: true},
		{Name: "edge_index", Type: arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Int64)), Nullable: true},
		{Name: "num_nodes", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "remark", Type: arrow.BinaryTypes.String, Nullable: true},
	}
	if g.Names {
		fields = append(fields, arrow.Field{Name: "node_ids", Type: arrow.ListOf(arrow.BinaryTypes.String), Nullable: true})
	}
	if g.Weights {
		fields = append(fields, arrow.Field{Name: "edge_weight", Type: arrow.ListOf(arrow.PrimitiveTypes.Float32), Nullable: true})
	}
	if g.Edges {
		fields = append(fields,
			arrow.Field{Name: "edge_attr", Type: arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Float32)), Nullable: true},
			arrow.Field{Name: "edge_type", Type: arrow.ListOf(arrow.PrimitiveTypes.Int64), Nullable: true},
			arrow.Field{Name: "graph_attr", Type: arrow.ListOf(arrow.PrimitiveTypes.Float32), Nullable: true})
	}
	return arrow.NewSchema(fields, nil)
}

// writer is what the writers of both formats have.
type writer interface {
	Write(arrow.Record) error
	Close() error
}

// Encode returns the bytes of a file of so many graphs.
func (g *Graphs) Encode(count int) ([]byte, error) {
	var out bytes.Buffer
	w, err := g.writer(&out)
	if err != nil {
		return nil, err
	}
	for first := 0; first < count; first += g.Group {
		b := array.NewRecordBuilder(memory.DefaultAllocator, g.schema())
		for row := first; row < min(first+g.Group, count); row++ {
			g.add(b, row)
		}
		if err := w.Write(b.NewRecord()); err != nil {
			return nil, err
		}
	}
	err = w.Close()
	return out.Bytes(), err
}

func (g *Graphs) writer(out io.Writer) (writer, error) {
	if g.Arrow {
		return ipc.NewFileWriter(seekless{out}, ipc.WithSchema(g.schema()))
	}
	return pqarrow.NewFileWriter(g.schema(), out, parquet.NewWriterProperties(), pqarrow.DefaultWriterProps())
}

// seekless is a buffer for the writer of Arrow files, which asks where it is and never goes elsewhere.
type seekless struct{ io.Writer }

func (s seekless) Seek(int64, int) (int64, error) { return int64(s.Writer.(*bytes.Buffer).Len()), nil }

func (g *Graphs) add(b *array.RecordBuilder, row int) {
	number, nodes, width := g.From+int64(row), 2+row%3, g.Width
	bad := g.Bad[row]
	switch bad {
	case "width":
		width++
	case "empty":
		nodes = 0
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
			values.Append(g.feature(number, node, i, bad))
		}
	}
	g.addIndex(b.Field(2).(*array.ListBuilder), nodes, bad)
	if bad == "count" {
		nodes++
	}
	b.Field(3).(*array.Int64Builder).Append(int64(nodes))
	b.Field(4).AppendNull()
	next := 5
	list := func() *array.ListBuilder {
		next++
		l := b.Field(next - 1).(*array.ListBuilder)
		l.Append(true)
		return l
	}
	if g.Names {
		names := list().ValueBuilder().(*array.StringBuilder)
		for node := range nodes {
			if bad == "twice" {
				node = 0
			}
			names.Append(string(rune('a' + node)))
		}
	}
	if g.Weights {
		weights := list().ValueBuilder().(*array.Float32Builder)
		for range nodes {
			weights.Append(1)
		}
	}
	if g.Edges {
		g.addEdges(list(), list(), list(), number, nodes, bad)
	}
}

// addIndex adds the edges of a ring.
func (g *Graphs) addIndex(edges *array.ListBuilder, nodes int, bad string) {
	sides := edges.ValueBuilder().(*array.ListBuilder)
	ends := sides.ValueBuilder().(*array.Int64Builder)
	if bad == "null" {
		edges.AppendNull()
		return
	}
	edges.Append(true)
	for side := range 2 {
		sides.Append(true)
		for node := range nodes {
			ends.Append(g.end(node, side, nodes, bad))
		}
		if bad == "again" { // the first edge
			ends.Append(g.end(0, side, nodes, bad))
		}
	}
}

// end is where edge e of a ring begins, on side 0, or ends.
func (g *Graphs) end(e, side, nodes int, bad string) int64 {
	switch {
	case bad == "edge" && e == 0:
		return 99
	case bad == "negative" && e == 0:
		return -1
	case bad == "loop" && e == 0:
		return g.First
	}
	return g.First + int64((e+side)%nodes)
}

// addEdges adds what edges and graphs have beside their nodes; "attr" is an edge with a feature too many, "type" one
// whose type is negative.
func (g *Graphs) addEdges(features, types, graphs *array.ListBuilder, number int64, edges int, bad string) {
	rows := features.ValueBuilder().(*array.ListBuilder)
	for e := range edges {
		rows.Append(true)
		values := rows.ValueBuilder().(*array.Float32Builder)
		values.AppendValues([]float32{float32(number), float32(e)}, nil)
		kind := int64(e % 3)
		switch {
		case bad == "attr" && e == 1:
			values.Append(0)
		case bad == "type" && e == 1:
			kind = -1
		}
		types.ValueBuilder().(*array.Int64Builder).Append(kind)
	}
	graphs.ValueBuilder().(*array.Float32Builder).AppendValues([]float32{10, 20}, nil)
}

func (g *Graphs) feature(number int64, node, i int, bad string) float32 {
	switch {
	case bad == "nan" && node == 1 && i == 0:
		return float32(math.NaN())
	case bad == "inf" && node == 1 && i == 0:
		return float32(math.Inf(-1))
	case i == 0:
		return float32(number)
	case i == 1:
		return float32(node)
	default:
		return 0
	}
}
