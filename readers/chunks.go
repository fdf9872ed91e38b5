package readers

import (
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/metadata"
)

// groups gives rows and bytes of the row groups, after holding the chunks of the needed columns against the
// size of the file and against what can be read.
func (p *parquetFile) groups(b binding) ([]group, error) {
	groups := make([]group, len(p.meta.RowGroups))
	var rows int64
	for i := range groups {
		rg := p.meta.RowGroup(i)
		if rg.NumColumns() != p.meta.Schema.NumColumns() || rg.NumRows() < 0 {
			return nil, damaged("row group %d does not have the columns of the file", i)
		}
		groups[i].rows = rg.NumRows()
		rows += rg.NumRows()
		for r := range roles {
			if b[r] < 0 || rg.NumRows() == 0 { // an empty row group has chunks that are nowhere
				continue
			}
			chunk, err := rg.ColumnChunk(p.cols[b[r]].place)
			if err != nil {
				return nil, damaged("row group %d cannot be told (%v)", i, err)
			}
			if err := p.checkChunk(chunk, p.cols[b[r]], rg.NumRows()); err != nil {
				return nil, err
			}
			groups[i].bytes += chunk.TotalUncompressedSize()
			groups[i].sizes.add(r, p.cols[b[r]], chunk)
		}
	}
	if rows != p.meta.GetNumRows() {
		return nil, damaged("its footer announces %d rows, its row groups have %d", p.meta.GetNumRows(), rows)
	}
	return groups, nil
}

// extent gives the place of a column chunk.
func extent(c *metadata.ColumnChunkMetaData) (offset, length int64) {
	offset = c.DataPageOffset()
	if c.HasDictionaryPage() && c.DictionaryPageOffset() > 0 {
		offset = min(offset, c.DictionaryPageOffset())
	}
	return offset, c.TotalCompressedSize()
}

func (p *parquetFile) checkChunk(c *metadata.ColumnChunkMetaData, f field, rows int64) error {
	end := p.size - p.tail
	offset, length := extent(c)
	values := c.NumValues()
	col := p.meta.Schema.Column(f.place)
	switch {
	case c.CryptoMetadata() != nil:
		return unusable("decrypt it first", "column %s is encrypted, which cannot be read", f.name)
	case c.FilePath() != "":
		return unusable("write the data into one file", "column %s is in another file, which cannot be read", f.name)
	case c.Type() != col.PhysicalType() || offset < 4 || length < 0 || offset > end || length > end-offset || c.TotalUncompressedSize() < 0:
		return damaged("the footer places column %s outside of the file", f.name)
	case values < rows || values > 0 && length == 0 || f.depth == 0 && values != rows:
		return damaged("the footer announces %d values of column %s for %d rows", values, f.name, rows)
	case int(col.MaxRepetitionLevel()) != f.depth || col.MaxDefinitionLevel() > maxDepth:
		return damaged("the lists of column %s make no sense", f.name)
	case col.PhysicalType() == parquet.Types.FixedLenByteArray && col.TypeLength() <= 0:
		return damaged("the values of column %s have %d bytes", f.name, col.TypeLength())
	}
	if codec, readable := codecName(c.Compression()); !readable {
		return unusable("rewrite it with zstd or snappy", "column %s uses codec %s, which cannot be read", f.name, codec)
	}
	return checkEncodings(c, f)
}

// checkEncodings refuses what cannot be decoded. The list has the encodings of levels as well.
func checkEncodings(c *metadata.ColumnChunkMetaData, f field) error {
	for _, e := range c.Encodings() {
		if e == encRLE || e == 4 {
			continue
		}
		if _, readable := encodingName(int64(e), f.leaf); !readable {
			return cannotDecode(f.name, int64(e))
		}
	}
	return nil
}

// open starts row group i for the columns in use.
func (p *parquetFile) open(i int, columns []*column) error {
	rg := p.meta.RowGroup(i)
	for len(p.chunks) < len(columns) {
		c := columns[len(p.chunks)]
		p.chunks = append(p.chunks, p.newLeveled(c))
	}
	for k, c := range columns {
		chunk, err := rg.ColumnChunk(c.field.place)
		if err != nil {
			return damaged("the row group cannot be told (%v)", err)
		}
		offset, length := extent(chunk)
		if p.meta.WriterVersion().LessThan(metadata.Parquet816FixedVersion) {
			// parquet-mr up to 1.2.8 left the header of the dictionary page out of the length
			length += min(100, p.size-p.tail-offset-length)
		}
		l := p.chunks[k]
		l.pages.reset(p.r, offset, length, chunk.Compression())
		l.begin(chunk.NumValues())
		c.begin(l, rg.NumRows())
	}
	return nil
}

func (p *parquetFile) newLeveled(c *column) *leveled {
	col := p.meta.Schema.Column(c.field.place)
	l := &leveled{nesting: nestingOf(col)}
	l.pages.name, l.pages.zip, l.pages.limit = c.field.name, &p.zip, p.limit
	switch {
	case c.texts != nil:
		fixed := -1
		if col.PhysicalType() == parquet.Types.FixedLenByteArray {
			fixed = col.TypeLength()
		}
		l.values = newTextDecoder(c.field.name, fixed, c.limit, c.texts)
	case c.floats != nil:
		l.values = newNumberDecoder(c.field.name, c.field.leaf, c.floats)
	default:
		l.values = newNumberDecoder(c.field.name, c.field.leaf, c.ints)
	}
	return l
}
