package parquet

import (
	"encoding/binary"
	"math"
	"math/bits"

	"graphscore/readers/internal/column"
)

// rleDecoder decodes Parquet's mixture of runs and bit-packed numbers. Runs are short, so that going to the next one
// must not cost a write of a pointer, which the collector would want to know of.
type rleDecoder struct {
	data   []byte
	next   int // where the next run begins in it
	width  uint
	run    int    // numbers left of a run
	value  uint32 // its number
	packed int    // numbers left of a bit-packed run
	bit    uint   // where the next of them begins in data
}

func (h *rleDecoder) reset(data []byte, width uint) {
	*h = rleDecoder{data: data, width: width}
}

// more reads the header of the next run.
func (h *rleDecoder) more() error {
	data := h.data[h.next:]
	head, n := runHead(data)
	if n <= 0 || head>>1 == 0 {
		return tooFew()
	}
	count := head >> 1
	if head&1 == 0 {
		size := int(h.width+7) / 8
		if len(data)-n < size {
			return tooFew()
		}
		h.value = 0
		for i := range size {
			h.value |= uint32(data[n+i]) << (8 * i)
		}
		h.run = int(min(count, math.MaxInt32))
		h.next += n + size
		return nil
	}
	h.packed = int(min(count, math.MaxInt32/8)) * 8
	size := h.packed / 8 * int(h.width)
	if size > len(data)-n { // some writers leave out the padding of the last run
		size = len(data) - n
		h.packed = size * 8 / int(h.width)
		if h.packed == 0 {
			return tooFew()
		}
	}
	h.bit = uint(h.next+n) * 8
	h.next += n + size
	return nil
}

// runHead is binary.Uvarint, made for runs that are short, as nearly all are.
func runHead(data []byte) (head uint64, n int) {
	if len(data) > 0 && data[0] < 0x80 {
		return uint64(data[0]), 1
	}
	return binary.Uvarint(data)
}

func tooFew() error { return column.Damaged("a page has fewer levels or numbers than it says") }

// uniform takes n numbers if they are all one run.
func (h *rleDecoder) uniform(n int) (uint32, bool) {
	if h.run == 0 && h.packed == 0 && h.more() != nil {
		return 0, false
	}
	if h.run < n {
		return 0, false
	}
	h.run -= n
	return h.value, true
}

// decode fills dst.
func decode[T uint8 | uint32](h *rleDecoder, dst []T) error {
	for len(dst) > 0 {
		switch {
		case h.run > 0:
			n := min(h.run, len(dst))
			repeat(dst[:n], T(h.value))
			h.run -= n
			dst = dst[n:]
		case h.packed > 0:
			n := min(h.packed, len(dst))
			unpack(dst[:n], h.data, h.bit, h.width)
			h.pass(n)
			dst = dst[n:]
		default:
			if err := h.more(); err != nil {
				return err
			}
		}
	}
	return nil
}

// pass leaves n numbers of the bit-packed run behind.
func (h *rleDecoder) pass(n int) {
	h.bit += uint(n) * h.width
	h.packed -= n
}

func repeat[T any](dst []T, v T) {
	for i := range dst {
		dst[i] = v
	}
}

// bits64 returns at least 57 bits of src from a bit on. Beyond the end they are 0.
func bits64(src []byte, bit uint) uint64 {
	if at := bit / 8; at+8 <= uint(len(src)) {
		return binary.LittleEndian.Uint64(src[at:]) >> (bit % 8)
	}
	return lastBits64(src, bit)
}

func lastBits64(src []byte, bit uint) uint64 {
	var last [8]byte
	copy(last[:], src[min(bit/8, uint(len(src))):])
	return binary.LittleEndian.Uint64(last[:]) >> (bit % 8)
}

// maxPackedWidth is the widest number of which every word has 8: those of 8 bits begin at whole bytes.
const maxPackedWidth = 8

// unpack reads numbers of width bits from src, beginning at a bit. The caller made sure that they exist.
func unpack[T uint8 | uint32](dst []T, src []byte, bit, width uint) {
	mask := uint64(1)<<width - 1
	for ; width <= maxPackedWidth && len(dst) >= 8; bit += 8 * width {
		w := bits64(src, bit)
		for i := range (*[8]T)(dst) {
			dst[i] = T(w & mask)
			w >>= width
		}
		dst = dst[8:]
	}
	for i := range dst {
		dst[i] = T(bits64(src, bit) & mask)
		bit += width
	}
}

// listStart is a level that is not 2: its place, times 4, plus the level.
type listStart uint16

func (m listStart) place() int   { return int(m >> 2) }
func (m listStart) level() uint8 { return uint8(m & 3) }

// listStarts finds those of the next n levels, at most piece, that are not 2. A list of lists has one of them for each
// inner list, and between them runs of 2, which cost nothing here. The width must be 2.
func (h *rleDecoder) listStarts(dst []listStart, n int) ([]listStart, error) {
	const twos, ones = 0xaaaaaaaaaaaaaaaa, 0x5555555555555555
	for at := 0; at < n; {
		switch {
		case h.run > 0:
			k := min(h.run, n-at)
			if h.value > 3 {
				return nil, column.Damaged("a page has a level of %d", h.value)
			}
			if h.value != 2 {
				for i := range k {
					dst = append(dst, listStart((at+i)<<2)|listStart(h.value))
				}
			}
			h.run -= k
			at += k
		case h.packed > 0:
			k := min(h.packed, n-at, 57/2)
			odd := bits64(h.data, h.bit) ^ twos
			for found := (odd | odd>>1) & ones & (1<<(2*k) - 1); found != 0; found &= found - 1 {
				i := bits.TrailingZeros64(found)
				dst = append(dst, listStart((at<<2)+(i<<1))|listStart(odd>>i&3^2))
			}
			h.pass(k)
			at += k
		default:
			if dst, at = h.shortStarts(dst, at, n); at == n {
				return dst, nil
			}
			if err := h.more(); err != nil {
				return nil, err
			}
		}
	}
	return dst, nil
}

// shortStarts is listStarts for the next runs as long as each is a short run of 2 or eight packed levels, and below n as a
// whole: these alternate where lists have a few values. It returns the place that it came to.
func (h *rleDecoder) shortStarts(dst []listStart, at, n int) ([]listStart, int) {
	const twos, ones = 0xaaaa, 0x5555
	data, next := h.data, h.next
	for n-at >= 8 && next+3 <= len(data) {
		if dst, at, next = sameStarts(dst, at, n, data, next); n-at < 8 || next+3 > len(data) {
			break
		}
		switch head := data[next]; {
		case head == 1<<1|1:
			odd := uint(binary.LittleEndian.Uint16(data[next+1:])) ^ twos
			for found := (odd | odd>>1) & ones; found != 0; found &= found - 1 {
				i := bits.TrailingZeros(found)
				dst = append(dst, listStart((at<<2)+(i<<1))|listStart(odd>>i&3^2))
			}
			at, next = at+8, next+3
		case head&0x81 == 0 && head != 0 && data[next+1] == 2 && int(head>>1) <= n-at:
			at, next = at+int(head>>1), next+2
		default:
			h.next = next
			return dst, at
		}
	}
	h.next = next
	return dst, at
}

// sameStarts is shortStarts for lists of one length that eight divides: each is eight packed levels, the start and seven of 2,
// and a short run of 2. One comparison is enough for each list that has the bytes of the one before.
func sameStarts(dst []listStart, at, n int, data []byte, next int) ([]listStart, int, int) {
	const (
		form = 0x02_00_aa_a8_03 // of the five bytes of a list, without the level of its start and the length of the run
		free = 0x00_7e_00_01_00 // the bits of those
		bits = 0xff_ff_ff_fe_ff // those in which lists of one length are the same
	)
	if next+8 > len(data) {
		return dst, at, next
	}
	list := binary.LittleEndian.Uint64(data[next:]) & bits
	if list&^free != form || list>>24&0xff == 0 {
		return dst, at, next
	}
	length := 8 + int(list>>25&0x3f)
	for n-at >= length && next+8 <= len(data) {
		word := binary.LittleEndian.Uint64(data[next:])
		if word&bits != list {
			break
		}
		dst = append(dst, listStart(at<<2)|listStart(word>>8&1))
		at, next = at+length, next+5
	}
	return dst, at, next
}
