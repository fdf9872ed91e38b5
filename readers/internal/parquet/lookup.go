package parquet

import (
	"encoding/binary"

	"graphscore/readers/internal/column"
)

// entries are the values of a dictionary, laid out for lookup.
type entries[T float32 | int64] struct {
	all []T
	// first are those that a byte can name. Behind the last one are zeros, which numbers that were not compared may read.
	first [1 << maxPackedWidth]T
	// fours are the entries that four packed numbers of fourWidth bits name, which is 0 where there are none.
	fours     *[1 << (4 * maxFourWidth)][4]T
	fourWidth uint
}

// maxFourWidth is the widest number of which four at once are looked up.
const maxFourWidth = 3

// learn takes the values of a dictionary, which must not change as long as they are used.
func (x *entries[T]) learn(all []T) {
	x.all, x.fourWidth = all, 0
	clear(x.first[copy(x.first[:], all):])
}

// four makes fours for numbers of width bits, at most maxFourWidth.
func (x *entries[T]) four(width uint) {
	if width == x.fourWidth || width == 0 || width > maxFourWidth {
		return
	}
	if x.fours == nil {
		x.fours = new([1 << (4 * maxFourWidth)][4]T)
	}
	mask := 1<<width - 1
	for i := range x.fours[:1<<(4*width)] {
		f := &x.fours[i]
		f[0], f[1], f[2], f[3] = x.first[i&mask], x.first[i>>width&mask], x.first[i>>(2*width)&mask], x.first[i>>(3*width)&mask]
	}
	x.fourWidth = width
}

// bound compares eight packed numbers with the size of a dictionary, all at once: those at even places, and then the others,
// have room for a carry, which they have where size is added to what makes the smallest number beyond it full.
type bound struct {
	width            uint
	even, add, carry uint64
}

func boundOf(width uint, size int) bound {
	b := bound{width: width}
	full := uint64(1) << width
	for at := uint(0); at < 8*width; at += 2 * width {
		b.even |= (full - 1) << at
		b.carry |= full << at
		b.add |= (full - min(full, uint64(size))) << at
	}
	return b
}

// beyond is not 0 in the bits of carry where one of the eight numbers in word names no entry.
func (b *bound) beyond(word uint64) uint64 {
	return (word&b.even + b.add) | (word>>(b.width&63)&b.even + b.add)
}

// lookup fills dst with the entries that the next numbers name.
func lookup[T float32 | int64](h *rleDecoder, dst []T, x *entries[T]) error {
	for len(dst) > 0 {
		switch {
		case h.run > 0:
			if uint64(h.value) >= uint64(len(x.all)) {
				return noEntry(uint64(h.value), len(x.all))
			}
			n := min(h.run, len(dst))
			repeat(dst[:n], x.all[h.value])
			h.run -= n
			dst = dst[n:]
		case h.packed > 0:
			n := min(h.packed, len(dst))
			if err := lookupPacked(dst[:n], x.all, h.data, h.bit, h.width); err != nil {
				return err
			}
			h.pass(n)
			dst = dst[n:]
		default:
			if dst = x.short(h, dst); len(dst) == 0 {
				return nil
			}
			if err := h.more(); err != nil {
				return err
			}
		}
	}
	return nil
}

// short is lookup for the next runs as long as each has a head of one byte, is in dst as a whole and names entries that
// exist: without the state of a run, which costs more than the run. It returns what of dst is left.
func (x *entries[T]) short(h *rleDecoder, dst []T) []T {
	data, next, width := h.data, h.next, h.width
	if width == 0 || width > maxPackedWidth {
		return dst
	}
	b := boundOf(width, len(x.all))
	for len(dst) >= 8 && next+1+8 <= len(data) {
		head := data[next]
		count := int(head >> 1)
		if head >= 0x80 || count == 0 {
			break
		}
		if head&1 == 0 {
			v := data[next+1]
			if count > len(dst) || int(v) >= len(x.all) {
				break
			}
			x.repeat(dst, count, v)
			dst, next = dst[count:], next+2
			continue
		}
		end := next + 1 + count*int(width)
		if 8*count > len(dst) || end+8 > len(data) {
			break
		}
		var beyond uint64
		if width == x.fourWidth {
			beyond = x.eightsByFour(dst, data[next+1:end+8], count, &b)
		} else {
			beyond = x.eights(dst, data[next+1:end+8], count, &b)
		}
		if beyond != 0 {
			break // the run is begun again as a whole, and refused
		}
		dst, next = dst[8*count:], end
	}
	h.next = next
	return dst
}

// repeat sets the first n of dst, which has at least 8, to entry v, and maybe some of those behind them.
func (x *entries[T]) repeat(dst []T, n int, v uint8) {
	e := x.first[v]
	eight := [8]T{e, e, e, e, e, e, e, e}
	for {
		*(*[8]T)(dst) = eight
		if n -= 8; n <= 0 {
			return
		}
		if dst = dst[8:]; len(dst) < 8 {
			repeat(dst[:n], e)
			return
		}
	}
}

// eights looks up count times eight numbers that are packed at the front of src, which has eight bytes more. What it
// returns is not 0 where one of them names no entry.
func (x *entries[T]) eights(dst []T, src []byte, count int, b *bound) (beyond uint64) {
	width, mask := b.width&63, uint64(1)<<(b.width&63)-1
	for range count {
		word := binary.LittleEndian.Uint64(src)
		beyond |= b.beyond(word)
		high, out := word>>(4*width&63), (*[8]T)(dst)
		out[0], out[4] = x.first[uint8(word&mask)], x.first[uint8(high&mask)]
		word, high = word>>width, high>>width
		out[1], out[5] = x.first[uint8(word&mask)], x.first[uint8(high&mask)]
		word, high = word>>width, high>>width
		out[2], out[6] = x.first[uint8(word&mask)], x.first[uint8(high&mask)]
		word, high = word>>width, high>>width
		out[3], out[7] = x.first[uint8(word&mask)], x.first[uint8(high&mask)]
		dst, src = dst[8:], src[width:]
	}
	return beyond & b.carry
}

// eightsByFour is eights where there are fours of the width.
func (x *entries[T]) eightsByFour(dst []T, src []byte, count int, b *bound) (beyond uint64) {
	bits, mask := 4*b.width&63, uint64(1)<<(4*b.width&63)-1
	fours := x.fours
	for range count {
		word := binary.LittleEndian.Uint64(src)
		beyond |= b.beyond(word)
		out := dst[:8]
		*(*[4]T)(out) = fours[word&mask&(1<<(4*maxFourWidth)-1)]
		*(*[4]T)(out[4:]) = fours[word>>bits&mask&(1<<(4*maxFourWidth)-1)]
		dst, src = dst[8:], src[b.width:]
	}
	return beyond & b.carry
}

// lookupPacked is lookup for numbers that are packed.
func lookupPacked[T float32 | int64](dst, dict []T, src []byte, bit, width uint) error {
	mask := uint64(1)<<width - 1
	for ; width <= maxPackedWidth && len(dst) >= 8; bit += 8 * width {
		w := bits64(src, bit)
		for i := range (*[8]T)(dst) {
			v := w & mask
			if v >= uint64(len(dict)) {
				return noEntry(v, len(dict))
			}
			dst[i] = dict[v]
			w >>= width
		}
		dst = dst[8:]
	}
	for i := range dst {
		v := bits64(src, bit) & mask
		if v >= uint64(len(dict)) {
			return noEntry(v, len(dict))
		}
		dst[i] = dict[v]
		bit += width
	}
	return nil
}

func noEntry(v uint64, size int) error {
	return column.Damaged("a page names entry %d of a dictionary of %d", v, size)
}
