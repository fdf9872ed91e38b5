package parquet

import (
	"bufio"
	"errors"
	"io"

	"github.com/apache/arrow/go/v15/parquet/compress"

	"graphscore/pipeline/page"
	"graphscore/readers/internal/column"
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

// pages reads the pages of a column chunk, one at a time.
type pages struct {
	name         string // of the column
	r            *bufio.Reader
	left         int64 // bytes of the chunk
	codec        compress.Compression
	decompressor *decompressor
	limit        int64
	header       page.Header
	takes        func(h *page.Header) error // is called before a page is read, where it is set
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

// next returns header and uncompressed bytes of the next page that holds data or a dictionary. Both are valid until the
// next call.
func (p *pages) next() (*page.Header, []byte, error) {
	h := &p.header
	for {
		n, err := h.Read(p.r)
		switch {
		case err == io.EOF:
			return nil, nil, column.Damaged("column %s has fewer values than the file announces", p.name)
		case errors.Is(err, page.ErrInvalid):
			return nil, nil, column.Damaged("column %s: %v", p.name, err)
		case err != nil:
			return nil, nil, err
		}
		p.left -= int64(n)
		if err := p.check(h); err != nil {
			return nil, nil, err
		}
		if p.takes != nil {
			if err := p.takes(h); err != nil {
				return nil, nil, err
			}
		}
		if p.raw, err = h.Contents(p.r, p.raw); err != nil {
			return nil, nil, p.broken(err)
		}
		p.left -= h.Stored
		if !h.Kind.Holds() {
			continue
		}
		body, err := p.decompress(h)
		if cap(p.raw) > largePage && p.codec != compress.Codecs.Uncompressed && (h.Kind != page.V2 || !h.Uncompressed) {
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

func (p *pages) broken(err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return column.Damaged("column %s ends in the middle of a page", p.name)
	case errors.Is(err, page.ErrChecksum):
		return column.Damaged("a page of column %s does not match its checksum", p.name)
	}
	return err
}

func (p *pages) check(h *page.Header) error {
	switch {
	case h.Stored < 0 || h.Size < 0 || h.Values < 0 || h.Stored > p.left:
		return column.Damaged("a page of column %s claims %d bytes where %d are left", p.name, h.Stored, p.left)
	case h.Size > p.limit:
		return column.Unsupported("write smaller pages", "a page of column %s claims %d bytes, more than %d", p.name, h.Size, p.limit)
	case h.Kind == page.V2 && (h.DefLength < 0 || h.RepLength < 0 || h.DefLength+h.RepLength > min(h.Size, h.Stored)):
		return column.Damaged("a page of column %s has more levels than bytes", p.name)
	}
	return nil
}

func (p *pages) decompress(h *page.Header) ([]byte, error) {
	if p.codec == compress.Codecs.Uncompressed || h.Kind == page.V2 && h.Uncompressed {
		if h.Stored != h.Size {
			return nil, column.Damaged("a page of column %s has %d bytes, its header says %d", p.name, h.Stored, h.Size)
		}
		return p.raw, nil
	}
	levels := int64(0)
	if h.Kind == page.V2 { // its levels are never compressed
		levels = h.DefLength + h.RepLength
	}
	if most, err := most(p.codec, p.raw[levels:]); err != nil {
		return nil, err
	} else if h.Size-levels > most {
		return nil, column.Damaged("a page of column %s claims %d bytes, its %d stored ones can become %d",
			p.name, h.Size, h.Stored, levels+most)
	}
	p.body = page.Room(p.body, h.Size)
	copy(p.body, p.raw[:levels])
	return p.body, p.decompressor.decompress(p.codec, p.body[levels:], p.raw[levels:])
}
