package parquet

import (
	"hash/maphash"
	"math/bits"
	"slices"

	"github.com/apache/arrow/go/v15/parquet"

	"graphscore/pipeline/graph"
	"graphscore/pipeline/page"
	"graphscore/readers/internal/column"
)

// Groups returns rows and bytes of the row groups, after comparing the chunks of the needed columns with the
// size of the file and with what can be read. The caller must not change them.
func (p *File) Groups(b column.Binding) ([]column.Group, error) {
	if groups := p.footer.known(b); groups != nil {
		return groups, nil
	}
	groups := make([]column.Group, len(p.footer.groups))
	var rows int64
	for i := range groups {
		rg := &p.footer.groups[i]
		if rg.count != p.footer.schema.NumColumns() || rg.rows < 0 {
			return nil, column.Damaged("row group %d does not have the columns of the file", i)
		}
		groups[i].Rows = rg.rows
		rows += rg.rows
		chunks := p.footer.of(i)
		for r := range graph.NumInputColumns {
			if b[r] < 0 || rg.rows == 0 { // an empty row group has chunks that are nowhere
				continue
			}
			f := &p.cols[b[r]]
			chunk := &chunks[f.Place]
			switch {
			case chunk.encrypted: // the others of a file with a plain footer can be read
				return nil, column.Unsupported("decrypt it first", "column %s is encrypted, which cannot be read", f.Name)
			case !chunk.described:
				return nil, column.Damaged("row group %d: column %s has no metadata", i, f.Name)
			}
			if err := p.checkChunk(chunk, f, rg.rows); err != nil {
				return nil, err
			}
			groups[i].Bytes += chunk.size
			addSizes(&groups[i].Sizes, r, f, chunk)
		}
	}
	if rows != p.footer.rows {
		return nil, column.Damaged("its footer announces %d rows, its row groups have %d", p.footer.rows, rows)
	}
	p.footer.learn(b, groups)
	return groups, nil
}

// Same reports whether [File.Groups] are those that were planned, which must not change any more.
func (p *File) Same(b column.Binding, planned []column.Group) (bool, error) {
	groups, err := p.Groups(b)
	if err != nil || len(groups) != len(planned) {
		return false, err
	}
	if len(groups) == 0 || &groups[0] == &planned[0] { // of a file of very many row groups they are compared once
		return true, nil
	}
	if !slices.Equal(groups, planned) {
		return false, nil
	}
	p.footer.learn(b, planned)
	return true, nil
}

func (p *File) checkChunk(c *chunk, f *column.Field, rows int64) error {
	end := p.size - p.tail
	offset, length := c.extent()
	col := p.footer.schema.Column(f.Place)
	switch {
	case c.elsewhere:
		return column.Unsupported("write the data into one file", "column %s is in another file, which cannot be read", f.Name)
	case c.typ != col.PhysicalType() || offset < 4 || length < 0 || offset > end || length > end-offset || c.size < 0:
		return column.Damaged("the footer places column %s outside of the file", f.Name)
	case c.values < rows || c.values > 0 && length == 0 || f.Depth == 0 && c.values != rows:
		return column.Damaged("the footer announces %d values of column %s for %d rows", c.values, f.Name, rows)
	case int(col.MaxRepetitionLevel()) != f.Depth || col.MaxDefinitionLevel() > column.MaxDepth:
		return column.Damaged("column %s: invalid nesting of lists", f.Name)
	case col.PhysicalType() == parquet.Types.FixedLenByteArray && col.TypeLength() <= 0:
		return column.Damaged("the values of column %s have %d bytes", f.Name, col.TypeLength())
	}
	if codec, readable := codecName(c.codec); !readable {
		return column.Unsupported("rewrite it with zstd or snappy", "column %s uses codec %s, which cannot be read", f.Name, codec)
	}
	return checkEncodings(c, f)
}

// checkEncodings refuses what cannot be decoded. The list has the encodings of levels as well.
func checkEncodings(c *chunk, f *column.Field) error {
	leaf := f.Leaf
	switch leaf {
	case column.LeafNull:
		return nil
	case column.LeafDecimal:
		leaf = column.LeafBinary
	}
	for left := c.encodings &^ (1<<encRLE | 1<<encBitPacked); left != 0; left &= left - 1 {
		e := int64(bits.TrailingZeros32(left))
		if _, readable := encodingName(e, leaf); !readable {
			return cannotDecode(f.Name, e)
		}
	}
	if c.strange != 0 {
		return cannotDecode(f.Name, int64(c.strange))
	}
	return nil
}

// Open starts row group i for the columns being read. The error is [column.Changed] where the file has another by now.
func (p *File) Open(i int, columns []*column.Column) error {
	if err := p.confirm(i); err != nil {
		return err
	}
	for len(p.chunks) < len(columns) {
		c := columns[len(p.chunks)]
		p.chunks = append(p.chunks, p.newChunkReader(c))
	}
	rg, chunks := &p.footer.groups[i], p.footer.of(i)
	for k, c := range columns {
		chunk := &chunks[c.Field.Place]
		offset, length := chunk.extent()
		if p.footer.oldWriter {
			// parquet-mr up to 1.2.8 left the header of the dictionary page out of the length
			length += min(100, p.size-p.tail-offset-length)
		}
		l := p.chunks[k]
		l.pages.reset(p.r, offset, length, chunk.codec)
		l.begin(chunk.values)
		c.Begin(l, rg.rows)
	}
	return nil
}

// confirm compares row group i with the file where the footer was not read.
func (p *File) confirm(i int) error {
	if p.whole {
		return nil
	}
	rg := &p.footer.groups[i]
	raw := make([]byte, rg.end-rg.from)
	if _, err := p.r.ReadAt(raw, p.size-p.tail+int64(rg.from)); err != nil {
		return err
	}
	if maphash.Bytes(p.footer.seed, raw) != rg.sum {
		return column.Changed()
	}
	return nil
}

func (p *File) newChunkReader(c *column.Column) *chunkReader {
	col := p.footer.schema.Column(c.Field.Place)
	l := &chunkReader{nesting: nestingOf(col)}
	l.pages.name, l.pages.decompressor, l.pages.limit = c.Field.Name, &p.decompressor, p.limit
	l.pages.takes = func(h *page.Header) error { return l.takes(c, h) }
	fixed := -1
	if col.PhysicalType() == parquet.Types.FixedLenByteArray {
		fixed = col.TypeLength()
	}
	switch {
	case c.Field.Leaf == column.LeafNull:
		l.values = nullDecoder{c.Field.Name}
	case c.Field.Leaf == column.LeafDecimal && c.Floats != nil:
		l.values = newDecimalDecoder(c.Field.Name, fixed, c.Limit, c.Floats)
	case c.Field.Leaf == column.LeafDecimal:
		l.values = newDecimalDecoder(c.Field.Name, fixed, c.Limit, c.Ints)
	case c.Texts != nil:
		l.values = newTextDecoder(c.Field.Name, fixed, c.Limit, c.Texts)
	case c.Floats != nil:
		l.values = newNumberDecoder(c.Field.Name, c.Field.Leaf, c.Floats)
	default:
		l.values = newNumberDecoder(c.Field.Name, c.Field.Leaf, c.Ints)
	}
	return l
}

// addSizes takes the numbers of a column chunk.
func addSizes(s *column.Sizes, r graph.InputColumn, f *column.Field, c *chunk) {
	switch {
	case r == graph.InputFeatures && f.Depth == 0: // plain bytes have a length each
		s.Features, s.Guessed = max(0, (c.size-4*c.values)/4), true
	case r == graph.InputFeatures:
		s.Features = c.values
	case r == graph.InputEdges:
		s.Edges = c.values / 2
	case r == graph.InputTarget:
		s.Edges = c.values
	}
}
