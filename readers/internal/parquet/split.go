package parquet

import (
	"encoding/binary"

	"graphscore/pipeline/page"
	"graphscore/readers/internal/column"
)

// split decodes BYTE_STREAM_SPLIT values: first the first byte of all of them, then the second and so on.
type split struct {
	data    []byte
	width   int
	count   int // values of the page
	at      int // the next one
	scratch []byte
}

// reset begins a page of at most limit values.
func (s *split) reset(data []byte, width, limit int) error {
	if len(data)%width != 0 || len(data)/width > limit {
		return column.Damaged("a page of BYTE_STREAM_SPLIT values has %d bytes for at most %d values of %d bytes", len(data), limit, width)
	}
	s.data, s.width, s.count, s.at = data, width, len(data)/width, 0
	return nil
}

// next returns the next n values as PLAIN has them, valid until the next call, or false where there are fewer.
func (s *split) next(n int) ([]byte, bool) {
	if n > s.left() {
		return nil, false
	}
	s.scratch = page.Room(s.scratch, int64(n*s.width))
	s.fill(s.scratch, n)
	return s.scratch, true
}

func (s *split) left() int { return s.count - s.at }

// fill writes the next n values to dst as PLAIN has them. There must be as many.
func (s *split) fill(dst []byte, n int) {
	stream := func(k int) []byte { return s.data[k*s.count+s.at:][:n] }
	switch s.width {
	case 4:
		join4(dst, stream(0), stream(1), stream(2), stream(3))
	case 8:
		join8(dst, &[8][]byte{stream(0), stream(1), stream(2), stream(3), stream(4), stream(5), stream(6), stream(7)})
	default:
		for k := range s.width {
			for i, b := range stream(k) {
				dst[i*s.width+k] = b
			}
		}
	}
	s.at += n
}

// join4 writes values of four bytes to dst, one byte of each stream.
func join4(dst, a, b, c, d []byte) {
	b, c, d = b[:len(a)], c[:len(a)], d[:len(a)]
	i := 0
	for ; i+8 <= len(a); i += 8 {
		w, x, y, z := transpose(word(a, i), word(b, i), word(c, i), word(d, i))
		out := dst[4*i:][:32]
		binary.LittleEndian.PutUint64(out, w&low|x<<32)
		binary.LittleEndian.PutUint64(out[8:], y&low|z<<32)
		binary.LittleEndian.PutUint64(out[16:], w>>32|x&^low)
		binary.LittleEndian.PutUint64(out[24:], y>>32|z&^low)
	}
	for ; i < len(a); i++ {
		dst[4*i], dst[4*i+1], dst[4*i+2], dst[4*i+3] = a[i], b[i], c[i], d[i]
	}
}

// join8 writes values of eight bytes to dst, one byte of each stream.
func join8(dst []byte, s *[8][]byte) {
	n := len(s[0])
	i := 0
	for ; i+8 <= n; i += 8 {
		a, b, c, d := transpose(word(s[0], i), word(s[1], i), word(s[2], i), word(s[3], i))
		w, x, y, z := transpose(word(s[4], i), word(s[5], i), word(s[6], i), word(s[7], i))
		out := dst[8*i:][:64]
		binary.LittleEndian.PutUint64(out, a&low|w<<32)
		binary.LittleEndian.PutUint64(out[8:], b&low|x<<32)
		binary.LittleEndian.PutUint64(out[16:], c&low|y<<32)
		binary.LittleEndian.PutUint64(out[24:], d&low|z<<32)
		binary.LittleEndian.PutUint64(out[32:], a>>32|w&^low)
		binary.LittleEndian.PutUint64(out[40:], b>>32|x&^low)
		binary.LittleEndian.PutUint64(out[48:], c>>32|y&^low)
		binary.LittleEndian.PutUint64(out[56:], d>>32|z&^low)
	}
	for ; i < n; i++ {
		for k := range s {
			dst[8*i+k] = s[k][i]
		}
	}
}

// low has the bits of the lower half of a word.
const low = 1<<32 - 1

func word(b []byte, at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }

// transpose turns eight bytes of four streams into eight values of four bytes: the first word has values 0 and 4, the
// second 1 and 5, and so on. It swaps bytes between pairs of words, then pairs of bytes.
func transpose(w, x, y, z uint64) (a, b, c, d uint64) {
	const bytes, pairs = 0x00ff00ff00ff00ff, 0x0000ffff0000ffff
	t := (w>>8 ^ x) & bytes
	w, x = w^t<<8, x^t
	t = (y>>8 ^ z) & bytes
	y, z = y^t<<8, z^t
	t = (w>>16 ^ y) & pairs
	w, y = w^t<<16, y^t
	t = (x>>16 ^ z) & pairs
	x, z = x^t<<16, z^t
	return w, x, y, z
}
