package parquet

import (
	"bufio"
	"errors"
	"hash/crc32"
	"io"

	"github.com/apache/arrow/go/v15/parquet/compress"

	"graphscore/pipeline/thrift"
	"graphscore/readers/internal/column"
)

// The kinds of pages.
const (
	pageV1         = 0
	pageIndex      = 1
	pageDictionary = 2
	pageV2         = 3
)

// The encodings of values and levels.
const (
	encPlain           = 0
	encPlainDictionary = 2
	encRLE             = 3
	encBitPacked       = 4 // of levels, before 2013
	encDelta           = 5
	encDeltaLength     = 6
	encDeltaBytes      = 7
	encDictionary      = 8
	encSplit           = 9
)

// window is how much of a column chunk is read at once, and the most that a page header may take.
const window = 256 << 10

// largePage is the size of a page from which its memory is not kept for the next one.
const largePage = 4 << 20

// header is that of a page.
type header struct {
	kind, stored, size    int64
	crc                   int64
	hasCRC                bool
	values                int64
	encoding              int64
	defEncoding           int64
	repEncoding           int64
	nulls                 int64
	defLength, repLength  int64
	compressed            bool
	hasSizes, hasContents bool
}

// pages reads the pages of a column chunk, one at a time.
type pages struct {
	name         string // of the column
	r            *bufio.Reader
	left         int64 // bytes of the chunk
	codec        compress.Compression
	decompressor *decompressor
	limit        int64
	raw          []byte
	body         []byte
}

// reset begins the chunk at offset. It keeps the buffers.
func (p *pages) reset(f io.ReaderAt, offset, length int64, codec compress.Compression) {
	section := io.NewSectionReader(f, offset, length)
	if p.r == nil {
		p.r = bufio.NewReaderSize(section, window)
	} else {
		p.r.Reset(section)
	}
	p.left, p.codec = length, codec
}

// next returns header and uncompressed bytes of the next page that holds data or a dictionary. The bytes are valid
// until the next call.
func (p *pages) next() (*header, []byte, error) {
	for {
		h, err := p.header()
		if err != nil {
			return nil, nil, err
		}
		if err := p.check(h); err != nil {
			return nil, nil, err
		}
		p.raw = room(p.raw, int(h.stored))
		if _, err := io.ReadFull(p.r, p.raw); err != nil {
			return nil, nil, p.broken(err)
		}
		p.left -= h.stored
		if h.hasCRC && uint32(h.crc) != crc32.ChecksumIEEE(p.raw) {
			return nil, nil, column.Damaged("a page of column %s does not match its checksum", p.name)
		}
		if h.kind == pageIndex || h.kind > pageV2 {
			continue
		}
		body, err := p.decompress(h)
		if cap(p.raw) > largePage && p.codec != compress.Codecs.Uncompressed && (h.kind != pageV2 || h.compressed) {
			p.raw = nil // not held beside what it became
		}
		return h, body, err
	}
}

// free drops the memory of a page that is larger than those that writers make by themselves. The page is not used any more.
func (p *pages) free() {
	if cap(p.raw) > largePage {
		p.raw = nil
	}
	if cap(p.body) > largePage {
		p.body = nil
	}
}

func room(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}

func (p *pages) broken(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return column.Damaged("column %s ends in the middle of a page", p.name)
	}
	return err
}

// header parses the next header.
func (p *pages) header() (*header, error) {
	for size := 256; ; size *= 4 {
		size = min(size, window)
		view, err := p.r.Peek(size)
		if err != nil && err != io.EOF {
			return nil, err
		}
		if len(view) == 0 {
			return nil, column.Damaged("column %s has fewer values than the file announces", p.name)
		}
		c := &thrift.Reader{B: view}
		h := parseHeader(c)
		if errors.Is(c.Err, thrift.ErrShort) && size < window && len(view) == size {
			continue
		}
		if c.Err != nil || !h.hasSizes || !h.hasContents {
			return nil, column.Damaged("column %s: invalid page header", p.name)
		}
		if _, err := p.r.Discard(c.At); err != nil {
			return nil, p.broken(err)
		}
		p.left -= int64(c.At)
		return h, nil
	}
}

func (p *pages) check(h *header) error {
	switch {
	case h.stored < 0 || h.size < 0 || h.values < 0 || h.stored > p.left:
		return column.Damaged("a page of column %s claims %d bytes where %d are left", p.name, h.stored, p.left)
	case h.size > p.limit:
		return column.Unsupported("write smaller pages", "a page of column %s claims %d bytes, more than %d", p.name, h.size, p.limit)
	case h.kind == pageV2 && (h.defLength < 0 || h.repLength < 0 || h.defLength+h.repLength > min(h.size, h.stored)):
		return column.Damaged("a page of column %s has more levels than bytes", p.name)
	}
	return nil
}

func (p *pages) decompress(h *header) ([]byte, error) {
	if p.codec == compress.Codecs.Uncompressed || h.kind == pageV2 && !h.compressed {
		if h.stored != h.size {
			return nil, column.Damaged("a page of column %s has %d bytes, its header says %d", p.name, h.stored, h.size)
		}
		return p.raw, nil
	}
	p.body = room(p.body, int(h.size))
	levels := 0
	if h.kind == pageV2 { // its levels are never compressed
		levels = copy(p.body, p.raw[:h.defLength+h.repLength])
	}
	return p.body, p.decompressor.decompress(p.codec, p.body[levels:], p.raw[levels:])
}

// parseHeader reads a PageHeader of parquet.thrift.
func parseHeader(c *thrift.Reader) *header {
	h := &header{compressed: true}
	seen := 0
	for id, typ := range c.Fields() {
		switch {
		case id >= 1 && id <= 3 && typ == thrift.I32:
			*[]*int64{&h.kind, &h.size, &h.stored}[id-1] = c.Int()
			seen |= 1 << id
		case id == 4 && typ == thrift.I32:
			h.crc, h.hasCRC = c.Int(), true
		case (id == 5 || id == 7 || id == 8) && typ == thrift.Struct:
			h.hasContents = true
			parseContents(c, h, id)
		default:
			c.Skip(typ)
		}
	}
	h.hasSizes = seen == 1<<1|1<<2|1<<3
	h.hasContents = h.hasContents || h.kind == pageIndex || h.kind > pageV2
	return h
}

// parseContents reads DataPageHeader (5), DictionaryPageHeader (7) or DataPageHeaderV2 (8).
func parseContents(c *thrift.Reader, h *header, kind int16) {
	var skipped int64
	places := []*int64{&h.values, &h.encoding, &h.defEncoding, &h.repEncoding}
	switch kind {
	case 7:
		places = places[:2]
	case 8:
		places = []*int64{&h.values, &h.nulls, &skipped, &h.encoding, &h.defLength, &h.repLength}
	}
	for id, typ := range c.Fields() {
		switch {
		case id >= 1 && int(id) <= len(places) && typ == thrift.I32:
			*places[id-1] = c.Int()
		case kind == 8 && id == 7 && typ == thrift.False:
			h.compressed = false
		default:
			c.Skip(typ)
		}
	}
}
