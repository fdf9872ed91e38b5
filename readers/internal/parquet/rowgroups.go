package parquet

import (
	"errors"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"

	"graphscore/pipeline/thrift"
)

// rowGroup is what a footer says of a row group.
type rowGroup struct {
	rows         int64
	first, count int // of its chunks among those of the footer
	from, end    int // its bytes in the footer
	sum          uint64
}

// chunk is what a footer says of a column chunk. A file of many row groups has many: nothing is in it that is not read.
type chunk struct {
	values, size, stored int64 // size is that before compression
	data, dictionary     int64 // places of the first pages, 0 for no dictionary
	encodings            uint32
	strange              int32 // an encoding that has no bit in encodings, 0 for none
	typ                  parquet.Type
	codec                compress.Compression
	described            bool // its metadata is there
	elsewhere            bool // in another file
	encrypted            bool
}

// The fields that are read, and sets of those that must be there.
const (
	groupColumns, groupSize, groupRows = 1, 2, 3
	groupRequired                      = 1<<groupColumns | 1<<groupSize | 1<<groupRows

	chunkPath, chunkOffset, chunkMeta, chunkCrypto = 1, 2, 3, 8

	metaType, metaEncodings, metaPath, metaCodec, metaValues = 1, 2, 3, 4, 5
	metaSize, metaStored, metaData, metaDictionary           = 6, 7, 9, 11

	metaRequired = 1<<metaType | 1<<metaEncodings | 1<<metaPath | 1<<metaCodec | 1<<metaValues | 1<<metaSize | 1<<metaStored | 1<<metaData
)

var errIncomplete = errors.New("a row group lacks a required field")

// rowGroups are the row groups of a footer.
type rowGroups struct {
	groups []rowGroup
	chunks []chunk
}

// of returns the chunks of a row group.
func (g *rowGroups) of(i int) []chunk {
	return g.chunks[g.groups[i].first:][:g.groups[i].count]
}

// read reads the list of row groups.
func (g *rowGroups) read(c *thrift.Reader) {
	g.groups, g.chunks = nil, nil
	n, typ := c.List()
	if typ != thrift.Struct && n > 0 {
		c.Fail(thrift.ErrInvalid)
	}
	for i := 0; i < n && c.Err == nil; i++ {
		g.readGroup(c)
	}
}

// readGroup reads one row group.
func (g *rowGroups) readGroup(c *thrift.Reader) {
	r := rowGroup{from: c.At}
	seen := 0
	for id, typ := range c.Fields() {
		switch {
		case id == groupColumns && typ == thrift.List:
			r.first, r.count = len(g.chunks), 0
			n, of := c.List()
			if of != thrift.Struct && n > 0 {
				c.Fail(thrift.ErrInvalid)
			}
			for ; r.count < n && c.Err == nil; r.count++ {
				g.chunks = append(g.chunks, readChunk(c))
			}
		case id == groupRows && typ == thrift.I64:
			r.rows = c.Int()
		case id == groupSize && typ == thrift.I64:
			c.Int()
		default:
			c.Skip(typ)
			continue
		}
		seen |= 1 << id
	}
	if seen&groupRequired != groupRequired {
		c.Fail(errIncomplete)
	}
	r.end = c.At
	g.groups = append(g.groups, r)
}

func readChunk(c *thrift.Reader) (k chunk) {
	placed := false
	for id, typ := range c.Fields() {
		switch {
		case id == chunkPath && typ == thrift.Binary:
			k.elsewhere = len(c.Bytes()) > 0
		case id == chunkOffset && typ == thrift.I64:
			placed = true
			c.Int()
		case id == chunkMeta && typ == thrift.Struct:
			k.describe(c)
		case id == chunkCrypto && typ == thrift.Struct:
			k.encrypted = true
			c.Skip(typ)
		default:
			c.Skip(typ)
		}
	}
	if !placed {
		c.Fail(errIncomplete)
	}
	return k
}

// int32Of reads a number of 32 bits.
func int32Of(c *thrift.Reader) int32 {
	v := c.Int()
	if v != int64(int32(v)) {
		c.Fail(thrift.ErrInvalid)
	}
	return int32(v)
}

// describe reads the metadata of the chunk. Where a footer has it twice, nothing of the first is left.
func (k *chunk) describe(c *thrift.Reader) {
	*k = chunk{described: true, elsewhere: k.elsewhere, encrypted: k.encrypted}
	seen := 0
	for id, typ := range c.Fields() {
		switch {
		case id == metaEncodings && typ == thrift.List:
			k.readEncodings(c)
		case id == metaPath && typ == thrift.List:
			c.Skip(typ)
		case id == metaType && typ == thrift.I32:
			k.typ = parquet.Type(int32Of(c))
		case id == metaCodec && typ == thrift.I32:
			k.codec = compress.Compression(int32Of(c))
		case typ == thrift.I64 && k.number(id) != nil:
			*k.number(id) = c.Int()
		default:
			c.Skip(typ)
			continue
		}
		seen |= 1 << id
	}
	if seen&metaRequired != metaRequired {
		c.Fail(errIncomplete)
	}
}

// number is where a number of the metadata belongs, nil for others.
func (k *chunk) number(id int16) *int64 {
	switch id {
	case metaValues:
		return &k.values
	case metaSize:
		return &k.size
	case metaStored:
		return &k.stored
	case metaData:
		return &k.data
	case metaDictionary:
		return &k.dictionary
	}
	return nil
}

func (k *chunk) readEncodings(c *thrift.Reader) {
	k.encodings, k.strange = 0, 0
	n, typ := c.List()
	if typ != thrift.I32 && n > 0 {
		c.Fail(thrift.ErrInvalid)
	}
	for i := 0; i < n && c.Err == nil; i++ {
		if e := int32Of(c); e >= 0 && e < 32 {
			k.encodings |= 1 << e
		} else {
			k.strange = e
		}
	}
}

// extent returns the place of the chunk.
func (k *chunk) extent() (offset, length int64) {
	offset = k.data
	if k.dictionary > 0 {
		offset = min(offset, k.dictionary)
	}
	return offset, k.stored
}
