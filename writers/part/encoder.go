package part

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/metadata"
	"github.com/klauspost/compress/zstd"

	"graphscore/pipeline/graph"
)

// What the bytes of a part depend on, besides its rows. A change of any of these is a change of Format.
const (
	// blockRows is the number of rows of a page. 128 KiB of int64 are one block of zstd.
	blockRows = 16 << 10
	// blockBytes ends the block of wide outputs or long ids before that.
	blockBytes = 4 << 20
	// groupBytes is the plain size of a row group, and by that what a part needs in memory.
	groupBytes = 16 << 20
	// zstdLevel is the fastest: scores hardly compress, ids do so at any level.
	zstdLevel = 1
	// edgeWindow is the number of blocks of edges that are brought into the order of the input at once.
	edgeWindow = 64
	// createdBy names the writer in footers. Not the version of graphscore: it would change the bytes.
	createdBy = "graphscore version 1.0.0 (build arrow-go-15.0.2)"
)

// blockRowsFor is blockRows, or fewer where a row has many values.
func blockRowsFor(values int) int {
	rows := blockRows
	for rows > 256 && rows*4*values > blockBytes {
		rows /= 2
	}
	return rows
}

// Encoder lays rows out as Parquet. One goroutine uses it. It holds up to some 20 MB: the compressed pages of a row group
// and the block that is being filled; at level edge another 12 MB, or twelve bytes for every sixteenth edge of a graph of
// more; with an embedding another block, or 256 rows of it where these are more. What it writes depends on the rows alone, not on how calls cut them: a block
// ends after a fixed number of rows or as soon as its ids are large, a row group at the end of the block that
// fills it.
type Encoder struct {
	to       Target
	contents Contents
	meta     *metadata.FileMetaDataBuilder
	groups   int

	blockRows, groupBytes int

	graphIDs  *graphIDs
	nodeIDs   []*nodeIDs // of the node, or of the source and the target of the edge
	scores    []*scores
	embedding *embedding // nil where there is none
	columns   []column   // all of the above
	order     graph.EdgeOrder

	zstd      *zstd.Encoder
	scratch   []byte
	rows      int // of the current block
	groupRows int // of the cut blocks of the current row group
	groupSize int // their plain bytes
	total     int64
	nodes     int64 // of scored graphs
}

// Target is the file that an [Encoder] writes to. Tell returns the offset of the next byte.
type Target interface {
	io.Writer
	Tell() int64
}

// Sizes are after how much rows are cut into pages and row groups. Zero means the default; other values make other
// bytes, and are for tests with few rows.
type Sizes struct {
	// BlockRows is the number of rows of a page, GroupBytes the plain size of a row group.
	BlockRows, GroupBytes int
}

// NewEncoder begins a part of the contents, which must be valid, and writes the head of the file. The target must stay
// open until Finish.
func NewEncoder(to Target, c Contents, sizes Sizes) (*Encoder, error) {
	if sizes.BlockRows == 0 {
		sizes.BlockRows = blockRowsFor(len(c.Outputs) + c.Embedding)
	}
	if sizes.GroupBytes == 0 {
		sizes.GroupBytes = groupBytes
	}
	if c.Settings.Embed != "" && c.Embedding == 0 {
		return nil, fmt.Errorf("the width of the embedding is not known (Embedding)")
	}
	sch, err := partSchema(&c)
	if err != nil {
		return nil, err
	}
	props := parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Zstd), parquet.WithCreatedBy(createdBy))
	// One encoder a part, used by one goroutine: what it remembers of earlier pages is the same in every run.
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(zstdLevel)),
		zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(encoderWindow))
	if err != nil {
		return nil, err
	}
	e := &Encoder{
		to: to, meta: metadata.NewFileMetadataBuilder(sch, props, nil), zstd: z,
		contents: c, blockRows: sizes.BlockRows, groupBytes: sizes.GroupBytes,
		graphIDs: newGraphIDs(c.GraphIDs), order: graph.EdgeOrder{Least: edgeWindow * sizes.BlockRows},
	}
	e.columns = []column{e.graphIDs}
	for range graph.IDColumns(c.Level)[1:] {
		ids := newNodeIDs(c.NodeIDs)
		e.nodeIDs, e.columns = append(e.nodeIDs, ids), append(e.columns, ids)
	}
	for range c.Outputs {
		s := newScores()
		e.scores, e.columns = append(e.scores, s), append(e.columns, s)
	}
	if c.Embedding > 0 {
		e.embedding = newEmbedding(c.Embedding)
		e.columns = append(e.columns, e.embedding)
	}
	_, err = to.Write([]byte("PAR1"))
	return e, err
}

// Write appends the scores of a batch and returns how many graphs were scored. Graphs in s.Failed get no rows. Neither b
// nor s is kept. After an error the part cannot be finished.
func (e *Encoder) Write(b *graph.Batch, s *graph.Scores) (scored int64, err error) {
	if err := e.checkBatch(b, s); err != nil {
		return 0, err
	}
	failed := s.Failed
	for g := range b.Graphs() {
		if len(failed) > 0 && failed[0].Graph == g {
			failed = failed[1:]
			continue
		}
		if err := e.graph(b, s, g); err != nil {
			return scored, err
		}
		scored++
	}
	if len(failed) > 0 {
		return scored, fmt.Errorf("failed graph %d is not in the batch, or not in ascending order", failed[0].Graph)
	}
	return scored, nil
}

// checkBatch compares a batch and its scores with the schema.
func (e *Encoder) checkBatch(b *graph.Batch, s *graph.Scores) error {
	c := &e.contents
	if b.Graphs() == 0 {
		return nil
	}
	if s.Level != c.Level {
		return fmt.Errorf("scores are those of a %s, the rows those of a %s", s.Level, c.Level)
	}
	if rows := b.ScoreRows(c.Level); s.Outputs != len(c.Outputs) || len(s.Values) != rows*s.Outputs {
		return fmt.Errorf("there are %d scores of %d outputs for %d %ss of %d outputs",
			len(s.Values), s.Outputs, rows, c.Level, len(c.Outputs))
	}
	if rows := b.ScoreRows(c.Level); s.EmbeddingWidth != c.Embedding || len(s.Embedding) != rows*c.Embedding {
		return fmt.Errorf("an embedding has %d values of %d a row for %d %ss of %d a row",
			len(s.Embedding), s.EmbeddingWidth, rows, c.Level, c.Embedding)
	}
	if b.IDs.Kind != c.GraphIDs {
		return fmt.Errorf("graph ids are %s, the column %s", b.IDs.Kind, c.GraphIDs)
	}
	if b.NodeIDs != nil && b.NodeIDs.Kind == graph.String && c.NodeIDs == graph.Int64 {
		return fmt.Errorf("node ids are %s, the column %s", b.NodeIDs.Kind, c.NodeIDs)
	}
	return nil
}

// graph appends the rows of graph g of a batch, with their scores of all rows of the batch.
func (e *Encoder) graph(b *graph.Batch, s *graph.Scores, g int) error {
	e.nodes += int64(b.GraphNodes(g))
	switch {
	case e.contents.Level == graph.EdgeLevel:
		return e.edgeRows(b, s, g)
	case e.contents.Level == graph.NodeLevel:
		return e.nodeRows(b, s, g)
	case b.GraphNodes(g) == 0:
		return nil
	}
	e.graphIDs.add(&b.IDs, g, 1)
	e.score(s, g, 1)
	e.rows++
	return e.cutFull()
}

// nodeRows appends a row for each node of graph g.
func (e *Encoder) nodeRows(b *graph.Batch, s *graph.Scores, g int) error {
	first, end := b.NodeRange(g)
	for at := first; at < end; {
		n := e.take(b, at, min(end-at, e.blockRows-e.rows), at-first)
		e.graphIDs.add(&b.IDs, g, n)
		e.score(s, at, n)
		e.rows += n
		at += n
		if err := e.cutFull(); err != nil {
			return err
		}
	}
	return nil
}

// edgeRows appends a row for each edge of graph g, in the order of the input.
func (e *Encoder) edgeRows(b *graph.Batch, s *graph.Scores, g int) error {
	first, _ := b.NodeRange(g)
	for from := 0; from < b.GraphEdges(g); {
		edges, err := e.order.Window(b, g, from)
		if err != nil {
			return err
		}
		from += len(edges)
		for len(edges) > 0 {
			n := min(len(edges), e.blockRows-e.rows)
			for i, edge := range edges[:n] {
				if e.idSize() >= blockBytes {
					n = i
					break
				}
				e.nodeIDs[0].of(b.NodeIDs, int(edge.Source), int(edge.Source)-first)
				e.nodeIDs[1].of(b.NodeIDs, int(edge.Target), int(edge.Target)-first)
				e.score(s, int(edge.At), 1)
			}
			e.graphIDs.add(&b.IDs, g, n)
			e.rows += n
			edges = edges[n:]
			if err := e.cutFull(); err != nil {
				return err
			}
		}
	}
	return nil
}

// score appends the scores of n rows of the batch, and their embedding.
func (e *Encoder) score(s *graph.Scores, at, n int) {
	k := len(e.scores)
	for j, c := range e.scores {
		c.add(s.Values[at*k+j:(at+n)*k], k)
	}
	if e.embedding != nil {
		e.embedding.add(s.Embedding[at*s.EmbeddingWidth : (at+n)*s.EmbeddingWidth])
	}
}

// idSize is the plain size of the ids of nodes in the block.
func (e *Encoder) idSize() (size int) {
	for _, c := range e.nodeIDs {
		size += c.size()
	}
	return size
}

// take appends up to n node ids from node at of the batch, number of its graph, and says how many: texts end a
// block as soon as they fill it.
func (e *Encoder) take(b *graph.Batch, at, n, number int) int {
	c := e.nodeIDs[0]
	if c.kind == graph.String {
		for i := range n {
			if c.size() >= blockBytes {
				return i
			}
			c.of(b.NodeIDs, at+i, number+i)
		}
		return n
	}
	if b.NodeIDs == nil {
		c.number(number, number+n)
	} else {
		c.add(b.NodeIDs, at, at+n)
	}
	return n
}

// cutFull ends the block if it is full.
func (e *Encoder) cutFull() error {
	if e.rows < e.blockRows && e.graphIDs.size()+e.idSize() < blockBytes {
		return nil
	}
	return e.cut()
}

// cut ends the block, and the row group if that is full.
func (e *Encoder) cut() error {
	for i, c := range e.scores {
		if c.odd != 0 {
			return fmt.Errorf("a score of output %d is not finite: it should have been quarantined", i)
		}
	}
	if e.embedding != nil && e.embedding.odd != 0 {
		return fmt.Errorf("a value of the embedding is not finite: its graph should have been quarantined")
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
func (e *Encoder) flush() error {
	meta := e.meta.AppendRowGroup()
	var plain int64
	for i, c := range e.columns {
		n, err := c.flush(e.to, e.zstd, meta.NextColumnChunk(), e.groups, i)
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

// Finish writes what is left, sets the Nodes and RowsOut of the footer, and writes the footer.
func (e *Encoder) Finish(footer *Footer) error {
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
	footer.Nodes, footer.RowsOut, footer.EmbeddingWidth = e.nodes, e.total, e.contents.Embedding
	return e.writeFooter(footer)
}

func (e *Encoder) writeFooter(footer *Footer) error {
	for _, kv := range footer.keyValues() {
		if err := e.meta.AppendKeyValueMetadata(kv[0], kv[1]); err != nil {
			return err
		}
	}
	if e.embedding != nil {
		text, err := arrowSchema(&e.contents)
		if err == nil {
			err = e.meta.AppendKeyValueMetadata(arrowSchemaKey, text)
		}
		if err != nil {
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
