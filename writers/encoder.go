package writers

import (
	"encoding/binary"
	"fmt"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/metadata"
	"github.com/apache/arrow/go/v15/parquet/schema"
	"github.com/klauspost/compress/zstd"

	"graphscore/pipeline/graph"
)

// The names of the id columns.
const (
	graphIDColumn = "graph_id"
	nodeIDColumn  = "node_id"
)

// What the bytes of a part depend on, besides its rows. A change of any of these is a change of partFormat.
const (
	// blockRows is the number of rows of a page. 128 KiB of int64 are one block of zstd.
	blockRows = 16 << 10
	// blockBytes ends the block of wide outputs or long ids before that.
	blockBytes = 4 << 20
	// groupBytes is the plain size of a row group, and by that what a part needs in memory.
	groupBytes = 16 << 20
	// zstdLevel is the fastest: scores hardly compress, ids do so at any level.
	zstdLevel = 1
	// createdBy names the writer in footers. Not the version of graphscore: it would change the bytes.
	createdBy = "graphscore version 1.0.0 (build arrow-go-15.0.2)"
)

// blockRowsFor is blockRows, or fewer where outputs are many.
func blockRowsFor(outputs int) int {
	rows := blockRows
	for rows > 256 && rows*4*outputs > blockBytes {
		rows /= 2
	}
	return rows
}

// encoder lays rows out as Parquet. What it writes depends on the rows alone, not on how calls cut them: a block
// ends after a fixed number of rows or as soon as its ids are large, a row group at the end of the block that
// fills it.
type encoder struct {
	to     *staged
	meta   *metadata.FileMetaDataBuilder
	groups int

	blockRows, groupBytes int

	graphIDs *graphIDs
	nodeIDs  *nodeIDs
	scores   []*scores
	columns  []column // all of the above

	zstd      *zstd.Encoder
	scratch   []byte
	rows      int // of the current block
	groupRows int // of the cut blocks of the current row group
	groupSize int // their plain bytes
	total     int64
}

// newEncoder writes the head of the file.
func newEncoder(to *staged, cfg *Config) (*encoder, error) {
	sch, err := partSchema(cfg)
	if err != nil {
		return nil, err
	}
	props := parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Zstd), parquet.WithCreatedBy(createdBy))
	// One encoder a part, used by one goroutine: what it remembers of earlier pages is the same in every run.
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(zstdLevel)),
		zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, err
	}
	e := &encoder{
		to: to, meta: metadata.NewFileMetadataBuilder(sch, props, nil), zstd: z,
		blockRows: cfg.blockRows, groupBytes: cfg.groupBytes,
		graphIDs: newGraphIDs(cfg.GraphIDs), nodeIDs: newNodeIDs(cfg.NodeIDs),
	}
	e.columns = []column{e.graphIDs, e.nodeIDs}
	for range cfg.Outputs {
		c := newScores()
		e.scores, e.columns = append(e.scores, c), append(e.columns, c)
	}
	_, err = to.Write([]byte("PAR1"))
	return e, err
}

// partSchema is the schema of all parts of a run: flat, required columns.
func partSchema(cfg *Config) (*schema.Schema, error) {
	var fields schema.FieldList
	add := func(name string, logical schema.LogicalType, physical parquet.Type) error {
		n, err := schema.NewPrimitiveNodeLogical(name, parquet.Repetitions.Required, logical, physical, -1, -1)
		fields = append(fields, n)
		return err
	}
	for _, id := range []struct {
		name string
		kind graph.IDKind
	}{{graphIDColumn, cfg.GraphIDs}, {nodeIDColumn, cfg.NodeIDs}} {
		var err error
		if id.kind == graph.String {
			err = add(id.name, schema.StringLogicalType{}, parquet.Types.ByteArray)
		} else {
			err = add(id.name, nil, parquet.Types.Int64)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, name := range cfg.Outputs {
		if err := add(name, nil, parquet.Types.Float); err != nil {
			return nil, err
		}
	}
	root, err := schema.NewGroupNode("schema", parquet.Repetitions.Required, fields, -1)
	if err != nil {
		return nil, err
	}
	return schema.NewSchema(root), nil
}

// graph appends the rows of graph g of a batch, with their scores of all nodes of the batch.
func (e *encoder) graph(b *graph.Batch, values []float32, g int) error {
	first, end := b.NodeRange(g)
	for at := first; at < end; {
		n := e.take(b, at, min(end-at, e.blockRows-e.rows), at-first)
		e.graphIDs.add(&b.IDs, g, n)
		k := len(e.scores)
		for j, c := range e.scores {
			c.add(values[at*k+j:(at+n)*k], k)
		}
		e.rows += n
		at += n
		if e.rows == e.blockRows || e.graphIDs.size()+e.nodeIDs.size() >= blockBytes {
			if err := e.cut(); err != nil {
				return err
			}
		}
	}
	return nil
}

// take appends up to n node ids from node at of the batch, number of its graph, and says how many: texts end a
// block as soon as they fill it.
func (e *encoder) take(b *graph.Batch, at, n, number int) int {
	if e.nodeIDs.kind == graph.String {
		for i := range n {
			if e.nodeIDs.size() >= blockBytes {
				return i
			}
			e.nodeID(b, at+i, 1, number+i)
		}
		return n
	}
	e.nodeID(b, at, n, number)
	return n
}

func (e *encoder) nodeID(b *graph.Batch, at, n, number int) {
	if b.NodeIDs == nil {
		e.nodeIDs.number(number, number+n)
		return
	}
	if b.NodeIDs.Kind == e.nodeIDs.kind {
		e.nodeIDs.add(b.NodeIDs, at, at+n)
		return
	}
	for _, v := range b.NodeIDs.Ints[at : at+n] { // integers in a run whose ids are texts
		e.nodeIDs.number(int(v), int(v)+1)
	}
}

// cut ends the block, and the row group if that is full.
func (e *encoder) cut() error {
	for i, c := range e.scores {
		if c.odd != 0 {
			return fmt.Errorf("a score of output %d is not finite: it should have been quarantined", i)
		}
	}
	for _, c := range e.columns {
		e.groupSize += c.size()
		e.scratch = c.cut(e.zstd, e.scratch, e.rows)
	}
	e.groupRows += e.rows
	e.rows = 0
	if e.groupSize >= e.groupBytes {
		return e.flush()
	}
	return nil
}

// flush writes the row group.
func (e *encoder) flush() error {
	meta := e.meta.AppendRowGroup()
	var plain int64
	for i, c := range e.columns {
		n, err := c.flush(e.to, meta.NextColumnChunk(), e.groups, i)
		if err != nil {
			return err
		}
		plain += n
	}
	meta.SetNumRows(e.groupRows)
	if err := meta.Finish(plain, int16(e.groups)); err != nil {
		return err
	}
	e.total += int64(e.groupRows)
	e.groups++
	e.groupRows, e.groupSize = 0, 0
	return nil
}

// finish writes what is left and the footer.
func (e *encoder) finish(ledger *Ledger) error {
	if e.rows > 0 {
		if err := e.cut(); err != nil {
			return err
		}
	}
	if e.groupRows > 0 {
		if err := e.flush(); err != nil {
			return err
		}
	}
	ledger.Nodes = e.total
	return e.footer(ledger)
}

func (e *encoder) footer(ledger *Ledger) error {
	for _, kv := range ledger.keyValues() {
		if err := e.meta.AppendKeyValueMetadata(kv[0], kv[1]); err != nil {
			return err
		}
	}
	meta, err := e.meta.Finish()
	if err != nil {
		return err
	}
	length, err := meta.WriteTo(e.to, nil)
	if err != nil {
		return err
	}
	_, err = e.to.Write(append(binary.LittleEndian.AppendUint32(nil, uint32(length)), "PAR1"...))
	return err
}
