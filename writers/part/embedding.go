package part

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/metadata"
	"github.com/apache/arrow/go/v15/parquet/schema"
	"github.com/klauspost/compress/zstd"

	"graphscore/pipeline/graph"
)

// The levels of a value of the embedding: the list could be null, and the value is in one. A list that could not be null
// is read as null by arrow/go v15.
const (
	embeddingDefinition = 2
	embeddingRepetition = 1
)

// embeddingNode is the column of the embedding in the schema of a part.
func embeddingNode() (schema.Node, error) {
	element, err := schema.NewPrimitiveNodeLogical("element", parquet.Repetitions.Required, nil, parquet.Types.Float, -1, -1)
	if err != nil {
		return nil, err
	}
	list, err := schema.NewGroupNode("list", parquet.Repetitions.Repeated, schema.FieldList{element}, -1)
	if err != nil {
		return nil, err
	}
	return schema.NewGroupNodeLogical(graph.EmbeddingColumn, parquet.Repetitions.Optional, schema.FieldList{list}, schema.NewListLogicalType(), -1)
}

// arrowSchemaKey is the key of the footer that Arrow's readers look for: Parquet itself has no lists of a fixed size.
const arrowSchemaKey = "ARROW:schema"

// arrowSchema is the value of arrowSchemaKey: the schema as Arrow has it, in the form of its streams, in base64.
func arrowSchema(c *Contents) (string, error) {
	var fields []arrow.Field
	for i, name := range graph.IDColumns(c.Level) {
		kind := c.NodeIDs
		if i == 0 {
			kind = c.GraphIDs
		}
		t := arrow.PrimitiveTypes.Int64
		if kind == graph.String {
			t = arrow.BinaryTypes.String
		}
		fields = append(fields, arrow.Field{Name: name, Type: t})
	}
	for _, name := range c.Outputs {
		fields = append(fields, arrow.Field{Name: name, Type: arrow.PrimitiveTypes.Float32})
	}
	list := arrow.FixedSizeListOfField(int32(c.Embedding), arrow.Field{Name: "element", Type: arrow.PrimitiveTypes.Float32})
	fields = append(fields, arrow.Field{Name: graph.EmbeddingColumn, Type: list, Nullable: true})
	var stream bytes.Buffer
	if err := ipc.NewWriter(&stream, ipc.WithSchema(arrow.NewSchema(fields, nil))).Close(); err != nil {
		return "", fmt.Errorf("encoding the schema: %w", err)
	}
	return base64.StdEncoding.EncodeToString(stream.Bytes()), nil
}

// embedding is the column of the values of a step: lists of one length, plain.
//
// Context: the list columns of arrow/go v15 take time that grows with the square of their size. Decision: as for all columns
// of a part, pages are made here; the levels of lists of one length are a pattern. Price: these lines.
type embedding struct {
	chunk
	width int
	odd   float32 // 0 as long as every value is finite, else NaN
	page  []byte  // levels and values of the block that is cut
}

func newEmbedding(width int) *embedding {
	return &embedding{chunk: chunk{encoding: parquet.Encodings.Plain}, width: width}
}

// add appends the values of whole rows.
func (c *embedding) add(values []float32) {
	raw, odd := c.raw, c.odd
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
		odd += v - v
	}
	c.raw, c.odd = raw, odd
}

func (c *embedding) cut(z *zstd.Encoder, scratch []byte, rows int) []byte {
	c.page = append(appendLevels(c.page[:0], rows, c.width), c.raw...)
	c.raw, c.page = c.page, c.raw
	return c.chunk.cut(z, scratch, rows*c.width)
}

func (c *embedding) flush(to Target, z *zstd.Encoder, meta *metadata.ColumnChunkMetaDataBuilder, group, column int) (int64, error) {
	return c.chunk.flush(to, z, meta, group, column, nil, nil)
}

// appendLevels appends the levels of a page of so many lists of width values: the length of each kind of levels, then its
// runs, each of which is its length times two and a level.
func appendLevels(dst []byte, rows, width int) []byte {
	level := func(dst []byte, n int, level byte) []byte {
		return append(binary.AppendUvarint(dst, uint64(n)<<1), level)
	}
	sized := func(dst []byte, runs func([]byte) []byte) []byte {
		at := len(dst)
		dst = runs(append(dst, 0, 0, 0, 0))
		binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
		return dst
	}
	dst = sized(dst, func(dst []byte) []byte {
		if width == 1 {
			return level(dst, rows, 0)
		}
		for range rows {
			dst = level(level(dst, 1, 0), width-1, embeddingRepetition)
		}
		return dst
	})
	return sized(dst, func(dst []byte) []byte { return level(dst, rows*width, embeddingDefinition) })
}

// embeddingPages reads the column of the embedding.
type embeddingPages struct {
	chunkPages
	width  int
	levels []byte // of the last page
	rows   int    // of the last page
	values []float32
}

func (c *embeddingPages) begin(chunk *io.SectionReader, dictionary bool) error {
	if dictionary {
		return errors.New("it has a dictionary")
	}
	c.open(chunk)
	return nil
}

func (c *embeddingPages) next() (int, error) {
	data, n, _, err := c.data(encodingPlain)
	if err != nil {
		return 0, err
	}
	rows := n / c.width
	if rows*c.width != n || len(data) < 4*n {
		return 0, fmt.Errorf("a page has %d bytes for %d values, in lists of %d", len(data), n, c.width)
	}
	if rows != c.rows {
		c.levels, c.rows = appendLevels(c.levels[:0], rows, c.width), rows
	}
	head, values := data[:len(data)-4*n], data[len(data)-4*n:]
	if !bytes.Equal(head, c.levels) {
		return 0, fmt.Errorf("a page has lists that are not of %d values each", c.width)
	}
	c.values = resize(c.values, n)
	for i := range c.values {
		c.values[i] = math.Float32frombits(binary.LittleEndian.Uint32(values[4*i:]))
	}
	return rows, nil
}
