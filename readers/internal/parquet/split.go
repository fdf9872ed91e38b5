package parquet

import (
	"encoding/binary"

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
	if n > s.count-s.at {
		return nil, false
	}
	s.scratch = room(s.scratch, n*s.width)
	dst := s.scratch
	stream := func(k int) []byte { return s.data[k*s.count+s.at:][:n] }
	switch s.width {
	case 4:
		join4(dst, stream(0), stream(1), stream(2), stream(3), 4)
	case 8:
		join4(dst, stream(0), stream(1), stream(2), stream(3), 8)
		join4(dst[min(4, len(dst)):], stream(4), stream(5), stream(6), stream(7), 8)
	default:
		for k := range s.width {
			for i, b := range stream(k) {
				dst[i*s.width+k] = b
			}
		}
	}
	s.at += n
	return dst, true
}

// join4 writes four bytes every step bytes of dst, one of each stream.
func join4(dst, a, b, c, d []byte, step int) {
	b, c, d = b[:len(a)], c[:len(a)], d[:len(a)]
	i := 0
	for ; i+8 <= len(a); i += 8 { // eight values from four words
		w, x := binary.LittleEndian.Uint64(a[i:]), binary.LittleEndian.Uint64(b[i:])
		y, z := binary.LittleEndian.Uint64(c[i:]), binary.LittleEndian.Uint64(d[i:])
		at := dst[i*step:]
		for k := range 8 {
			v := uint32(w&0xff) | uint32(x&0xff)<<8 | uint32(y&0xff)<<16 | uint32(z&0xff)<<24
			binary.LittleEndian.PutUint32(at[k*step:], v)
			w, x, y, z = w>>8, x>>8, y>>8, z>>8
		}
	}
	for ; i < len(a); i++ {
		v := uint32(a[i]) | uint32(b[i])<<8 | uint32(c[i])<<16 | uint32(d[i])<<24
		binary.LittleEndian.PutUint32(dst[i*step:], v)
	}
}
