// Package page has what all readers of Parquet's pages share: the header of a page, and how many bytes a codec can make of
// those that are stored. A page whose header claims more is damaged: a reader knows that before it makes room for the claim.
package page

import (
	"bufio"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"graphscore/pipeline/thrift"
)

// Kind is that of a page, as parquet.thrift numbers it.
type Kind int64

// The kinds of pages.
const (
	V1         Kind = 0
	Index      Kind = 1
	Dictionary Kind = 2
	V2         Kind = 3
)

// String returns the name in parquet.thrift.
func (k Kind) String() string {
	names := [...]string{"DATA_PAGE", "INDEX_PAGE", "DICTIONARY_PAGE", "DATA_PAGE_V2"}
	if k >= 0 && int(k) < len(names) {
		return names[k]
	}
	return fmt.Sprint(int64(k))
}

// Holds reports whether pages of that kind hold values: readers pass all others over.
func (k Kind) Holds() bool { return k == V1 || k == Dictionary || k == V2 }

// The errors of a [Header].
var (
	ErrInvalid  = errors.New("invalid page header")
	ErrChecksum = errors.New("a page does not match its checksum")
)

// Header is that of a page. Every number is one of 32 bits, and may be negative.
type Header struct {
	Kind Kind
	// Stored and Size are the bytes of the page in the file and decompressed.
	Stored, Size int64
	// Values is the number of values, nulls among them, Encoding theirs. Levels of V1 have encodings.
	Values, Encoding         int64
	DefEncoding, RepEncoding int64
	// Nulls, the lengths of levels and Uncompressed are those of V2, whose levels are never compressed.
	Nulls, DefLength, RepLength int64
	Uncompressed                bool

	crc    int64
	hasCRC bool
}

// Read parses the header that r is at, passes it, and returns its length. A header may take as much as the buffer of r. The
// error is io.EOF where nothing is left, ErrInvalid, or that of r.
func (h *Header) Read(r *bufio.Reader) (n int, err error) {
	for size := 256; ; size *= 4 {
		size = min(size, r.Size())
		view, err := r.Peek(size)
		if err != nil && err != io.EOF {
			return 0, err
		}
		if len(view) == 0 {
			return 0, io.EOF
		}
		c := &thrift.Reader{B: view}
		whole := h.parse(c)
		if errors.Is(c.Err, thrift.ErrShort) && size < r.Size() && len(view) == size {
			continue
		}
		if c.Err != nil || !whole {
			return 0, ErrInvalid
		}
		return r.Discard(c.At)
	}
}

// Contents reads the bytes of the page as they are stored, into room where that is large enough, and compares them with the
// checksum. The caller has compared Stored with what is there. The error is io.EOF or io.ErrUnexpectedEOF where they end too
// early, ErrChecksum, or that of r.
func (h *Header) Contents(r io.Reader, room []byte) ([]byte, error) {
	room = Room(room, h.Stored)
	if _, err := io.ReadFull(r, room); err != nil {
		return room, err
	}
	if h.hasCRC && uint32(h.crc) != crc32.ChecksumIEEE(room) {
		return room, ErrChecksum
	}
	return room, nil
}

// Room returns n bytes of any content, those of b where there are enough.
func Room(b []byte, n int64) []byte {
	if int64(cap(b)) < n {
		return make([]byte, n)
	}
	return b[:n]
}

// parse reads a PageHeader of parquet.thrift, and reports whether it has what its kind must have.
func (h *Header) parse(c *thrift.Reader) bool {
	*h = Header{}
	var kind int64
	seen, contents := 0, false
	for id, typ := range c.Fields() {
		switch {
		case id >= 1 && id <= 3 && typ == thrift.I32:
			*[]*int64{&kind, &h.Size, &h.Stored}[id-1] = number(c)
			seen |= 1 << id
		case id == 4 && typ == thrift.I32:
			h.crc, h.hasCRC = c.Int(), true // some write it as the unsigned number that it is
		case (id == 5 || id == 7 || id == 8) && typ == thrift.Struct:
			contents = true
			h.parseContents(c, id)
		default:
			c.Skip(typ)
		}
	}
	h.Kind = Kind(kind)
	return seen == 1<<1|1<<2|1<<3 && (contents || !h.Kind.Holds())
}

// parseContents reads DataPageHeader (5), DictionaryPageHeader (7) or DataPageHeaderV2 (8).
func (h *Header) parseContents(c *thrift.Reader, kind int16) {
	var rows int64
	places := []*int64{&h.Values, &h.Encoding, &h.DefEncoding, &h.RepEncoding}
	switch kind {
	case 7:
		places = places[:2]
	case 8:
		places = []*int64{&h.Values, &h.Nulls, &rows, &h.Encoding, &h.DefLength, &h.RepLength}
	}
	for id, typ := range c.Fields() {
		switch {
		case id >= 1 && int(id) <= len(places) && typ == thrift.I32:
			*places[id-1] = number(c)
		case kind == 8 && id == 7 && typ == thrift.False:
			h.Uncompressed = true
		default:
			c.Skip(typ)
		}
	}
}

// number reads a number of 32 bits.
func number(c *thrift.Reader) int64 {
	v := c.Int()
	if int64(int32(v)) != v {
		c.Fail(thrift.ErrInvalid)
	}
	return v
}
