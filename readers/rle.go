package readers

import (
	"encoding/binary"
	"math"
)

// hybrid decodes Parquet's mixture of runs and bit-packed numbers.
type hybrid struct {
	data   []byte // what follows the current run
	width  uint
	run    int    // numbers left of a run
	value  uint32 // its number
	packed int    // numbers left of a bit-packed run
	bits   []byte // its bytes
	bit    uint   // the next bit in it
}

func (h *hybrid) reset(data []byte, width uint) {
	*h = hybrid{data: data, width: width}
}

// more reads the header of the next run.
func (h *hybrid) more() error {
	head, n := binary.Uvarint(h.data)
	if n <= 0 || head>>1 == 0 {
		return damaged("a page has fewer levels or numbers than it says")
	}
	h.data = h.data[n:]
	count := head >> 1
	if head&1 == 0 {
		size := int(h.width+7) / 8
		if len(h.data) < size {
			return damaged("a page has fewer levels or numbers than it says")
		}
		h.value = 0
		for i := range size {
			h.value |= uint32(h.data[i]) << (8 * i)
		}
		h.data = h.data[size:]
		h.run = int(min(count, math.MaxInt32))
		return nil
	}
	h.packed = int(min(count, math.MaxInt32/8)) * 8
	size := h.packed / 8 * int(h.width)
	if size > len(h.data) { // some writers leave out the padding of the last run
		size = len(h.data)
		h.packed = size * 8 / int(h.width)
		if h.packed == 0 {
			return damaged("a page has fewer levels or numbers than it says")
		}
	}
	h.bits, h.bit, h.data = h.data[:size], 0, h.data[size:]
	return nil
}

// uniform takes n numbers if they are all one run.
func (h *hybrid) uniform(n int) (uint32, bool) {
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
func decode[T uint8 | uint32](h *hybrid, dst []T) error {
	for len(dst) > 0 {
		switch {
		case h.run > 0:
			n := min(h.run, len(dst))
			v := T(h.value)
			for i := range dst[:n] {
				dst[i] = v
			}
			h.run -= n
			dst = dst[n:]
		case h.packed > 0:
			n := min(h.packed, len(dst))
			h.bit = unpack(dst[:n], h.bits, h.bit, h.width)
			h.packed -= n
			dst = dst[n:]
		default:
			if err := h.more(); err != nil {
				return err
			}
		}
	}
	return nil
}

// spread unpacks numbers of at most 8 bits, 8 at a time: their bits are moved apart by halves. It gives how many
// it did, which begin and end at whole bytes.
func spread(dst, src []byte, width uint) int {
	const ones = 0x0101010101010101
	if width == 0 || width > 8 {
		return 0
	}
	halves := (uint64(1)<<(4*width) - 1) * 0x0000000100000001
	quarters := (uint64(1)<<(2*width) - 1) * 0x0001000100010001
	eighths := (uint64(1)<<width - 1) * ones
	i := 0
	for ; i+8 <= len(dst) && len(src) >= 8; i += 8 {
		x := binary.LittleEndian.Uint64(src)
		if width < 8 {
			x &= 1<<(8*width) - 1
		}
		x = (x | x<<(32-4*width)) & halves
		x = (x | x<<(16-2*width)) & quarters
		x = (x | x<<(8-width)) & eighths
		binary.LittleEndian.PutUint64(dst[i:], x)
		src = src[width:]
	}
	return i
}

// unpack reads numbers of width bits from src, beginning at a bit, and gives the bit after them. The caller made
// sure that they are there.
func unpack[T uint8 | uint32](dst []T, src []byte, bit, width uint) uint {
	mask := uint64(1)<<width - 1
	i := 0
	if levels, ok := any(dst).([]uint8); ok && bit%8 == 0 {
		i = spread(levels, src[bit/8:], width)
		bit += uint(i) * width
	}
	for i < len(dst) {
		at := bit / 8
		if int(at)+8 > len(src) {
			break
		}
		word := binary.LittleEndian.Uint64(src[at:]) >> (bit % 8)
		left := 64 - bit%8
		if width <= 7 && len(dst)-i >= 8 { // 8 numbers and 7 bits of shift always fit into a word
			d := dst[i : i+8 : i+8]
			for k := range d {
				d[k] = T(word & mask)
				word >>= width
			}
			i += 8
			bit += 8 * width
			continue
		}
		for ; i < len(dst) && left >= width; left -= width {
			dst[i] = T(word & mask)
			word >>= width
			bit += width
			i++
		}
	}
	for ; i < len(dst); i++ { // the last bytes
		at := bit / 8
		var tail [8]byte
		if int(at) < len(src) {
			copy(tail[:], src[at:])
		}
		dst[i] = T(binary.LittleEndian.Uint64(tail[:]) >> (bit % 8) & mask)
		bit += width
	}
	return bit
}
