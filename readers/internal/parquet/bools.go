package parquet

import (
	"encoding/binary"

	"graphscore/pipeline/page"
	"graphscore/readers/internal/column"
)

// bools decodes truth values into one byte each. PLAIN has a bit for each, RLE the runs that levels have.
type bools struct {
	rleDecoder
	scratch []byte
}

// reset begins a page of at most limit values.
func (b *bools) reset(encoding int64, body []byte, limit int) error {
	if encoding == encPlain {
		if len(body) > (limit+7)/8 {
			return column.Damaged("a page has %d bytes for %d truth values", len(body), limit)
		}
		b.rleDecoder = rleDecoder{data: body, next: len(body), width: 1, packed: 8 * len(body)}
		return nil
	}
	if len(body) == 0 {
		b.rleDecoder.reset(nil, 1) // a page of nulls
		return nil
	}
	if len(body) < 4 || uint64(binary.LittleEndian.Uint32(body)) > uint64(len(body)-4) {
		return column.Damaged("a page has more truth values than bytes")
	}
	b.rleDecoder.reset(body[4:4+int(binary.LittleEndian.Uint32(body))], 1)
	return nil
}

// next returns the next n values, valid until the next call.
func (b *bools) next(n int) ([]byte, error) {
	b.scratch = page.Room(b.scratch, int64(n))
	if err := decode(&b.rleDecoder, b.scratch); err != nil {
		return nil, err
	}
	for _, v := range b.scratch {
		if v > 1 {
			return nil, column.Damaged("a page has a truth value of %d", v)
		}
	}
	return b.scratch, nil
}
