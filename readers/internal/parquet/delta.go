package parquet

import (
	"encoding/binary"

	"graphscore/readers/internal/column"
)

// delta decodes DELTA_BINARY_PACKED numbers one after the other.
type delta struct {
	data   []byte
	left   int    // numbers still to come
	value  uint64 // the next number, once first is past
	first  bool
	block  int // numbers in a miniblock
	minis  int // miniblocks in a block
	widths []byte
	step   uint64 // the smallest difference of the block
	mini   []byte // bytes of the current miniblock
	bit    uint
	width  uint
	inMini int // numbers left in it
	wide   bool
}

var errDelta = column.Damaged("invalid page of DELTA_BINARY_PACKED numbers")

func (d *delta) varint() (uint64, bool) {
	v, n := binary.Uvarint(d.data)
	if n <= 0 {
		return 0, false
	}
	d.data = d.data[n:]
	return v, true
}

// reset begins a page of at most limit numbers. wide: numbers of 64 bits, else of 32.
func (d *delta) reset(data []byte, limit int, wide bool) error {
	*d = delta{data: data, first: true, wide: wide}
	size, ok1 := d.varint()
	minis, ok2 := d.varint()
	total, ok3 := d.varint()
	value, ok4 := d.varint()
	if !ok1 || !ok2 || !ok3 || !ok4 || minis == 0 || size%minis != 0 || size/minis%32 != 0 || size > 1<<20 ||
		size == 0 || minis > 1<<12 || total > uint64(limit) {
		return errDelta
	}
	d.minis, d.block, d.left = int(minis), int(size/minis), int(total)
	d.value = unzigzag(value)
	return nil
}

func unzigzag(v uint64) uint64 { return v>>1 ^ -(v & 1) }

// next returns the next number.
func (d *delta) next() (int64, error) {
	if d.left == 0 {
		return 0, column.Damaged("a page has fewer numbers than it says")
	}
	d.left--
	if d.first {
		d.first = false
		return d.number(), nil
	}
	if d.inMini == 0 {
		if err := d.miniblock(); err != nil {
			return 0, err
		}
	}
	d.inMini--
	d.value += d.step + d.packed()
	return d.number(), nil
}

func (d *delta) number() int64 {
	if d.wide {
		return int64(d.value)
	}
	return int64(int32(d.value))
}

func (d *delta) miniblock() error {
	if len(d.widths) == 0 {
		step, ok := d.varint()
		if !ok || len(d.data) < d.minis {
			return errDelta
		}
		d.step, d.widths, d.data = unzigzag(step), d.data[:d.minis], d.data[d.minis:]
	}
	d.width, d.widths = uint(d.widths[0]), d.widths[1:]
	size := d.block / 8 * int(d.width)
	if d.width > 64 || len(d.data) < size {
		return errDelta
	}
	d.mini, d.data, d.bit, d.inMini = d.data[:size], d.data[size:], 0, d.block
	return nil
}

// packed returns the next number of width bits of the miniblock.
func (d *delta) packed() uint64 {
	if d.width == 0 {
		return 0
	}
	var window [9]byte
	copy(window[:], d.mini[d.bit/8:])
	shift := d.bit % 8
	v := binary.LittleEndian.Uint64(window[:]) >> shift
	if shift > 0 {
		v |= uint64(window[8]) << (64 - shift)
	}
	d.bit += d.width
	if d.width < 64 {
		v &= 1<<d.width - 1
	}
	return v
}

// rest returns the bytes after the numbers, once all of them were taken.
func (d *delta) rest() []byte { return d.data }
