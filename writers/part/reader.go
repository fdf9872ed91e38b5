package part

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/apache/arrow/go/v15/parquet/metadata"
	"github.com/apache/arrow/go/v15/parquet/schema"

	"graphscore/pipeline/graph"
	"graphscore/writers/atomic"
)

// Block is some rows of a part, in the order of the input: as many as one page of each column has. It is valid
// until the next call of [Reader.Next] and must not be changed.
type Block struct {
	// First is the place of the first row in the part, Group its row group.
	First int64
	Group int
	// Graphs has the id of every run of rows of one graph id, Ends the row of the block behind each run. A run
	// goes on in the next block where that begins with the same id.
	Graphs graph.IDs
	Ends   []int
	// NodeIDs has one column of ids of nodes at level node, those of sources and of targets at level edge, none at level
	// graph. Each has one id a row.
	NodeIDs []graph.IDs
	// Scores has one column an output, each with one value a row.
	Scores [][]float32
	// Embedding has the values of the embedding, row by row: see [Reader.ReadEmbedding].
	Embedding []float32
}

// Rows is the number of rows.
func (b *Block) Rows() int { return b.Ends[len(b.Ends)-1] }

// Reader reads the rows of a part back, block by block: it holds one decoded page of every column and the dictionaries of the
// graph and node ids of a row group, the page that is decoded, and reads some MiB ahead. One goroutine uses it. Close frees
// the file and the memory.
//
// It reads what [Encoder] writes and nothing else. Errors are a *DamagedError or an *atomic.IOError, which name the part and
// as far as it is known the row group and column, or one that wraps [ErrForeign]. After one there are no more
// blocks. It takes any bytes: no file makes it panic. What a page claims is compared with what its stored bytes can become
// before there is room for it: 128 KiB for each block of zstd in them, and so never more than 32,768 times what is stored, nor
// 2 GiB; decoded it takes up to 8 times that, and the texts of graph ids 1 GiB.
type Reader struct {
	path     string
	f        *source
	size     int64
	footer   *Footer
	meta     *metadata.FileMetaData
	inflater inflater
	outputs  []string

	level     graph.Level
	graphs    *graphPages
	nodes     []*nodePages
	scores    []*scorePages
	embedding *embeddingPages // nil where there is none
	pages     []valuePages    // all of the above that are read

	group int   // the row group that is read
	left  int64 // rows of it to come
	row   int64 // the next row
	block Block
	err   error
}

// valuePages reads one column of a row group, page by page.
type valuePages interface {
	// begin starts the column chunk, which may have a dictionary.
	begin(chunk *io.SectionReader, dictionary bool) error
	// next decodes one page and returns the number of its rows.
	next() (int, error)
}

// source is the file of a part. It remembers the first read that failed, as what lies above may only say that it cannot
// decode what it got: a part is not damaged where its disk is.
type source struct {
	*os.File
	failed error
}

func (s *source) ReadAt(p []byte, at int64) (int, error) {
	n, err := s.File.ReadAt(p, at)
	if s.failed == nil && err != nil && err != io.EOF {
		s.failed = err
	}
	return n, err
}

// readWindow is what all columns of a part together read ahead from the file.
const readWindow = 4 << 20

// Open opens the part at path and compares its schema with its footer. The caller must call Close.
func Open(path string) (*Reader, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	p := &Reader{path: path, f: &source{File: f}, group: -1}
	if err := p.guard(p.open); err != nil {
		f.Close()
		return nil, err
	}
	return p, nil
}

func (p *Reader) open() error {
	var err error
	if p.footer, err = ReadFooterOf(p.f, p.path); err != nil {
		return err
	}
	p.level = p.footer.Level()
	info, err := p.f.Stat()
	if err != nil {
		return err
	}
	p.size = info.Size()
	footer, err := footerBytes(p.f, p.size, p.path)
	if err != nil {
		return err
	}
	if p.meta, err = parseMeta(footer); err != nil {
		return err
	}
	if err := p.checkSchema(); err != nil {
		return err
	}
	return p.checkGroups()
}

// checkSchema makes the columns that the file has, if they are those of a part and as the settings in the footer say.
func (p *Reader) checkSchema() error {
	sch := p.meta.Schema
	s, ids := p.footer.Settings, graph.IDColumns(p.level)
	if sch.NumColumns() < len(ids) {
		return p.damaged("it has %s, not %s and scores", columnCount(sch.NumColumns()), strings.Join(ids, ", "))
	}
	kinds := make([]graph.IDKind, len(ids))
	for i := range ids {
		want := s.NodeID
		if i == 0 {
			want = s.GraphID
		}
		if sch.Column(i).PhysicalType() == parquet.Types.ByteArray {
			kinds[i] = graph.String
		}
		if want != "" && want != kinds[i].String() {
			return p.damaged("column %d is %s, but its settings speak of %s ids", i, columnText(sch, i), want)
		}
	}
	pages := chunkPages{inflater: &p.inflater, window: max(readWindow/sch.NumColumns(), 16<<10)}
	p.graphs = &graphPages{chunkPages: pages, kind: kinds[0]}
	p.pages = []valuePages{p.graphs}
	for _, kind := range kinds[1:] {
		c := &nodePages{chunkPages: pages, kind: kind}
		p.nodes, p.pages = append(p.nodes, c), append(p.pages, c)
	}
	width := p.footer.EmbeddingWidth
	for i := len(ids); i < sch.NumColumns()-min(width, 1); i++ {
		c := &scorePages{chunkPages: pages}
		p.scores, p.pages, p.outputs = append(p.scores, c), append(p.pages, c), append(p.outputs, sch.Column(i).Name())
	}
	if len(s.Outputs) > 0 && !slices.Equal(s.Outputs, p.outputs) {
		return p.damaged("its scores are %q, but its settings speak of %q", p.outputs, s.Outputs)
	}
	_, nodes := p.Kinds()
	want, err := partSchema(&Contents{Level: p.level, GraphIDs: p.graphs.kind, NodeIDs: nodes, Outputs: p.outputs, Embedding: width})
	if err != nil {
		return err
	}
	if sch.NumColumns() != want.NumColumns() {
		return p.damaged("it has %s, but should have %s", columnCount(sch.NumColumns()), columnCount(want.NumColumns()))
	}
	if width > 0 {
		p.embedding = &embeddingPages{chunkPages: pages, width: width}
	}
	for i := range sch.NumColumns() {
		if got, want := columnText(sch, i), columnText(want, i); got != want {
			return p.damaged("column %d is %s, but should be %s", i, got, want)
		}
	}
	p.block.NodeIDs, p.block.Scores = make([]graph.IDs, len(p.nodes)), make([][]float32, len(p.scores))
	return nil
}

func columnCount(n int) string {
	if n == 1 {
		return "1 column"
	}
	return fmt.Sprintf("%d columns", n)
}

// columnText describes a column as far as parts differ.
func columnText(s *schema.Schema, i int) string {
	c := s.Column(i)
	text := fmt.Sprintf("%q of type %s", c.Path(), c.PhysicalType())
	if c.MaxDefinitionLevel() > 0 || c.MaxRepetitionLevel() > 0 {
		text += ", which may be null or repeated"
	}
	return text
}

// checkGroups compares the sizes that the footer claims with the file, before anything is allocated for them.
func (p *Reader) checkGroups() error {
	var rows int64
	for i := range len(p.meta.RowGroups) {
		p.group = i
		g := p.meta.RowGroup(i)
		rows += g.NumRows()
		if g.NumRows() < 0 || g.NumColumns() != p.meta.Schema.NumColumns() {
			return p.damaged("it has %d rows and %d columns", g.NumRows(), g.NumColumns())
		}
		for c := range g.NumColumns() {
			chunk, err := g.ColumnChunk(c)
			if err != nil {
				return err
			}
			start, length := extent(chunk)
			if start < 4 || length < 0 || length > p.size || start > p.size-length {
				return p.damaged("column %s lies outside the file", p.column(c))
			}
			if values := p.values(c, g.NumRows()); chunk.NumValues() != values {
				return p.damaged("column %s has %d values for %d rows", p.column(c), chunk.NumValues(), g.NumRows())
			}
			if chunk.Compression() != compress.Codecs.Zstd {
				return p.damaged("column %s is not compressed with zstd", p.column(c))
			}
		}
	}
	p.group = -1
	if rows != p.footer.RowsOut {
		return p.damaged("its row groups have %d rows, its footer speaks of %d %ss", rows, p.footer.RowsOut, p.level)
	}
	return nil
}

// extent is where a column chunk is in the file.
func extent(chunk *metadata.ColumnChunkMetaData) (start, length int64) {
	start = chunk.DataPageOffset()
	if chunk.HasDictionaryPage() {
		start = min(start, chunk.DictionaryPageOffset())
	}
	return start, chunk.TotalCompressedSize()
}

func (p *Reader) column(i int) string { return p.meta.Schema.ColumnRoot(i).Name() }

// values is the number of values that column i has for so many rows.
func (p *Reader) values(i int, rows int64) int64 {
	if p.embedding != nil && i == p.meta.Schema.NumColumns()-1 {
		return rows * int64(p.embedding.width)
	}
	return rows
}

// damaged says what is wrong, in the row group that is read if there is one.
func (p *Reader) damaged(format string, args ...any) error {
	reason := fmt.Sprintf(format, args...)
	if p.group >= 0 {
		reason = fmt.Sprintf("row group %d: %s", p.group, reason)
	}
	return &DamagedError{Path: p.path, Reason: reason}
}

// guard turns every error and panic of work into the form that the type promises.
func (p *Reader) guard(work func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = p.damaged("it cannot be decoded")
		}
		if p.f != nil && p.f.failed != nil {
			err = &atomic.IOError{Op: "reading", Path: p.path, Err: p.f.failed}
		}
	}()
	err = work()
	var known *DamagedError
	var io *atomic.IOError
	var disk *fs.PathError
	switch {
	case err == nil, errors.As(err, &known), errors.As(err, &io), errors.Is(err, ErrForeign):
		return err
	case errors.As(err, &disk):
		return &atomic.IOError{Op: "reading", Path: p.path, Err: err}
	default:
		return p.damaged("%v", err)
	}
}

// Footer is that of the part. It belongs to the reader.
func (p *Reader) Footer() *Footer { return p.footer }

// Outputs are the names of the score columns.
func (p *Reader) Outputs() []string { return p.outputs }

// Kinds are the types of the ids of graphs and nodes. At level graph, where rows name no node, the settings say that of
// nodes.
func (p *Reader) Kinds() (graphs, nodes graph.IDKind) {
	if len(p.nodes) > 0 {
		return p.graphs.kind, p.nodes[0].kind
	}
	_, nodes = p.footer.Settings.IDTypes()
	return p.graphs.kind, nodes
}

// Level is what a row belongs to.
func (p *Reader) Level() graph.Level { return p.level }

// ReadEmbedding makes the blocks to come have the embedding, where the part has one, and returns the number of its values a
// row, 0 for none. Without it that column is not read. It is called before the first Next.
func (p *Reader) ReadEmbedding() (width int) {
	if p.embedding == nil {
		return 0
	}
	if len(p.pages) < p.meta.Schema.NumColumns() {
		p.pages = append(p.pages, p.embedding)
	}
	return p.embedding.width
}

// Range is the smallest and the largest score of an output as the footer has them; ok is false where it does not
// say, as in a part without rows. It is not compared with the values. Nothing is read for it that was not read already.
func (p *Reader) Range(output int) (lo, hi float32, ok bool) {
	lo, hi = math.MaxFloat32, -math.MaxFloat32
	err := p.guard(func() error {
		for i := range len(p.meta.RowGroups) {
			chunk, err := p.meta.RowGroup(i).ColumnChunk(1 + len(p.nodes) + output)
			if err != nil {
				return err
			}
			stats, err := chunk.Statistics()
			if err != nil {
				return err
			}
			s, is := stats.(*metadata.Float32Statistics)
			if !is || !s.HasMinMax() {
				return errors.New("no statistics")
			}
			lo, hi = min(lo, s.Min()), max(hi, s.Max())
		}
		return nil
	})
	return lo, hi, err == nil && lo <= hi
}

// Next returns the next rows, io.EOF at the end.
func (p *Reader) Next() (*Block, error) {
	if p.err == nil {
		if err := p.guard(p.advance); err != nil {
			p.err = err
		}
	}
	if p.err != nil {
		return nil, p.err
	}
	if p.group == len(p.meta.RowGroups) {
		return nil, io.EOF
	}
	return &p.block, nil
}

// advance fills the block, or leaves group behind the last one.
func (p *Reader) advance() error {
	if p.group == len(p.meta.RowGroups) {
		return nil
	}
	for p.left == 0 {
		if p.group++; p.group == len(p.meta.RowGroups) {
			return nil
		}
		if err := p.begin(); err != nil {
			return err
		}
	}
	rows := 0
	for i, c := range p.pages {
		n, err := c.next()
		if err != nil {
			var disk *fs.PathError
			if errors.As(err, &disk) {
				return err
			}
			return p.damaged("column %s: %v", p.column(i), err)
		}
		if i == 0 {
			rows = n
		}
		if n != rows || n == 0 || int64(n) > p.left {
			return p.damaged("column %s has a page of %d rows beside one of %d, with %d to come", p.column(i), n, rows, p.left)
		}
	}
	b := &p.block
	b.First, b.Group = p.row, p.group
	b.Graphs, b.Ends = p.graphs.ids, p.graphs.ends
	for i, c := range p.nodes {
		b.NodeIDs[i] = c.ids
	}
	for i, c := range p.scores {
		b.Scores[i] = c.values
	}
	if len(p.pages) > 1+len(p.nodes)+len(p.scores) {
		b.Embedding = p.embedding.values
	}
	p.left -= int64(rows)
	p.row += int64(rows)
	return nil
}

// begin opens the row group.
func (p *Reader) begin() error {
	meta := p.meta.RowGroup(p.group)
	p.left = meta.NumRows()
	if p.left == 0 {
		return nil
	}
	for i, c := range p.pages {
		chunk, err := meta.ColumnChunk(i)
		if err != nil {
			return err
		}
		start, length := extent(chunk)
		if err := c.begin(io.NewSectionReader(p.f, start, length), chunk.HasDictionaryPage()); err != nil {
			return p.damaged("column %s: %v", p.column(i), err)
		}
	}
	return nil
}

// Close frees the file. It may be called more than once.
func (p *Reader) Close() error {
	if p.f == nil {
		return nil
	}
	err := p.f.Close()
	p.f = nil
	p.inflater.close()
	if err != nil {
		return &atomic.IOError{Op: "closing", Path: p.path, Err: err}
	}
	return nil
}
