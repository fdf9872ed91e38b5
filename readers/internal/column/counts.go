package column

import (
	"math"
	"strconv"
)

// floatBits is how an integer column holds a float.
func floatBits(v float32) int64 { return int64(math.Float64bits(float64(v))) }

// halfFloat converts the bits of an IEEE 754 binary16, which float32 holds exactly.
func halfFloat(v uint16) float32 {
	sign := uint32(v&0x8000) << 16
	exponent, fraction := uint32(v>>10&0x1f), uint32(v&0x3ff)
	switch exponent {
	case 0: // zero or subnormal: a multiple of 2^-24
		return math.Float32frombits(math.Float32bits(float32(fraction)*0x1p-24) | sign)
	case 0x1f: // infinite or NaN
		return math.Float32frombits(sign | 0x7f800000 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
}

// ToFloat returns the number that stands for v in an integer column of the type.
func (l Leaf) ToFloat(v int64) float32 {
	switch {
	case l.Float():
		return float32(math.Float64frombits(uint64(v)))
	case l == LeafUint64:
		return float32(uint64(v))
	}
	return float32(v)
}

// Count returns value i of a column of counts. The text is empty, or is the value where that is no whole number
// within int64.
func (c *Column) Count(i int) (n int64, text string) {
	v, l := c.Ints.Values[i], c.Field.Leaf
	switch {
	case l.Float():
		f := math.Float64frombits(uint64(v))
		if f != math.Trunc(f) || f < math.MinInt64 || f >= math.MaxInt64 {
			return 0, strconv.FormatFloat(f, 'g', -1, 64)
		}
		return int64(f), ""
	case l == LeafUint64 && v < 0:
		return 0, strconv.FormatUint(uint64(v), 10)
	}
	return v, ""
}
