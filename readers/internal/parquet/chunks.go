package parquet

import (
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/metadata"

	"graphscore/pipeline/graph"
	"graphscore/readers/internal/column"
)

// Groups returns rows and bytes of the row groups, after comparing the chunks of the needed columns with the
// size of the file and with what can be read.
func (p *File) Groups(b column.Binding) ([]column.Group, error) {
	groups := make([]column.Group, len(p.meta.RowGroups))
	var rows int64
	for i := range groups {
		rg := p.meta.RowGroup(i)
		if rg.NumColumns() != p.meta.Schema.NumColumns() || rg.NumRows() < 0 {
			return nil, column.Damaged("row group %d does not have the columns of the file", i)
		}
		groups[i].Rows = rg.NumRows()
		rows += rg.NumRows()
		for r := range graph.NumInputColumns {
			if b[r] < 0 || rg.NumRows() == 0 { // an empty row group has chunks that are nowhere
				continue
			}
			if p.encrypted(i, p.cols[b[r]].Place) {
				return nil, column.Unsupported("decrypt it first", "column %s is encrypted, which cannot be read", p.cols[b[r]].Name)
			}
			chunk, err := rg.ColumnChunk(p.cols[b[r]].Place)
			if err != nil {
				return nil, column.Damaged("row group %d: invalid metadata (%v)", i, err)
			}
			if err := p.checkChunk(chunk, p.cols[b[r]], rg.NumRows()); err != nil {
				return nil, err
			}
			groups[i].Bytes += chunk.TotalUncompressedSize()
			addSizes(&groups[i].Sizes, r, p.cols[b[r]], chunk)
		}
	}
	if rows != p.meta.GetNumRows() {
		return nil, column.Damaged("its footer announces %d rows, its row groups have %d", p.meta.GetNumRows(), rows)
	}
	return groups, nil
}

// encrypted says whether a column chunk is. The others of a file with a plain footer can be read.
func (p *File) encrypted(group, place int) bool {
	columns := p.meta.RowGroups[group].Columns
	return place < len(columns) && columns[place].IsSetCryptoMetadata()
}

// extent returns the place of a column chunk.
func extent(c *metadata.ColumnChunkMetaData) (offset, length int64) {
	offset = c.DataPageOffset()
	if c.HasDictionaryPage() && c.DictionaryPageOffset() > 0 {
		offset = min(offset, c.DictionaryPageOffset())
	}
	return offset, c.TotalCompressedSize()
}

func (p *File) checkChunk(c *metadata.ColumnChunkMetaData, f column.Field, rows int64) error {
	end := p.size - p.tail
	offset, length := extent(c)
	values := c.NumValues()
	col := p.meta.Schema.Column(f.Place)
	switch {
	case c.FilePath() != "":
		return column.Unsupported("write the data into one file", "column %s is in another file, which cannot be read", f.Name)
	case c.Type() != col.PhysicalType() || offset < 4 || length < 0 || offset > end || length > end-offset || c.TotalUncompressedSize() < 0:
		return column.Damaged("the footer places column %s outside of the file", f.Name)
	case values < rows || values > 0 && length == 0 || f.Depth == 0 && values != rows:
		return column.Damaged("the footer announces %d values of column %s for %d rows", values, f.Name, rows)
	case int(col.MaxRepetitionLevel()) != f.Depth || col.MaxDefinitionLevel() > column.MaxDepth:
		return column.Damaged("column %s: invalid nesting of lists", f.Name)
	case col.PhysicalType() == parquet.Types.FixedLenByteArray && col.TypeLength() <= 0:
		return column.Damaged("the values of column %s have %d bytes", f.Name, col.TypeLength())
	}
	if codec, readable := codecName(c.Compression()); !readable {
		return column.Unsupported("rewrite it with zstd or snappy", "column %s uses codec %s, which cannot be read", f.Name, codec)
	}
	return checkEncodings(c, f)
}

// checkEncodings refuses what cannot be decoded. The list has the encodings of levels as well.
func checkEncodings(c *metadata.ColumnChunkMetaData, f column.Field) error {
	leaf := f.Leaf
	switch leaf {
	case column.LeafNull:
		return nil
	case column.LeafDecimal:
		leaf = column.LeafBinary
	}
	for _, e := range c.Encodings() {
		if e == encRLE || e == encBitPacked {
			continue
		}
		if _, readable := encodingName(int64(e), leaf); !readable {
			return cannotDecode(f.Name, int64(e))
		}
	}
	return nil
}

// Open starts row group i for the columns being read.
func (p *File) Open(i int, columns []*column.Column) error {
	rg := p.meta.RowGroup(i)
	for len(p.chunks) < len(columns) {
		c := columns[len(p.chunks)]
		p.chunks = append(p.chunks, p.newChunkReader(c))
	}
	for k, c := range columns {
		chunk, err := rg.ColumnChunk(c.Field.Place)
		if err != nil {
			return column.Damaged("invalid metadata of the row group (%v)", err)
		}
		offset, length := extent(chunk)
		if p.meta.WriterVersion().LessThan(metadata.Parquet816FixedVersion) {
			// parquet-mr up to 1.2.8 left the header of the dictionary page out of the length
			length += min(100, p.size-p.tail-offset-length)
		}
		l := p.chunks[k]
		l.pages.reset(p.r, offset, length, chunk.Compression())
		l.begin(chunk.NumValues())
		c.Begin(l, rg.NumRows())
	}
	return nil
}

func (p *File) newChunkReader(c *column.Column) *chunkReader {
	col := p.meta.Schema.Column(c.Field.Place)
	l := &chunkReader{nesting: nestingOf(col)}
	l.pages.name, l.pages.decompressor, l.pages.limit = c.Field.Name, &p.decompressor, p.limit
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
func addSizes(s *column.Sizes, r graph.InputColumn, f column.Field, c *metadata.ColumnChunkMetaData) {
	switch {
	case r == graph.InputFeatures && f.Depth == 0: // plain bytes have a length each
		s.Features, s.Guessed = max(0, (c.TotalUncompressedSize()-4*c.NumValues())/4), true
	case r == graph.InputFeatures:
		s.Features = c.NumValues()
	case r == graph.InputEdges:
		s.Edges = c.NumValues() / 2
	case r == graph.InputTarget:
		s.Edges = c.NumValues()
	}
}
