package column

import (
	"encoding/binary"
	"math"
	"slices"
	"unsafe"
)

// Numbers are values of one type in memory, whatever it is in the file.
type Numbers[T float32 | int64] struct {
	Values []T
	// Width is the size of a stored value in bytes.
	Width int
	// Convert decodes as many stored values as dst holds.
	Convert func(dst []T, src []byte)
	same    bool // stored values have the same bytes in memory
	finite  int  // so many from the front are known to be finite
	aim     int  // about how many values there will be, 0 where that is not known
}

// Len is the number of values.
func (n *Numbers[T]) Len() int { return len(n.Values) }

// AddNull adds a 0.
func (n *Numbers[T]) AddNull() { n.Values = append(n.Values, 0) }

func (n *Numbers[T]) size() int       { return len(n.Values) * max(n.Width, 4) }
func (n *Numbers[T]) bytes(k int) int { return k * max(n.Width, 4) }
func (n *Numbers[T]) room() int       { return cap(n.Values) - len(n.Values) }
func (n *Numbers[T]) reserve(k int)   { n.Values = reserved(n.Values, k) }

func (n *Numbers[T]) drop(k int) {
	n.Values = n.Values[:copy(n.Values, n.Values[k:])]
	n.finite = max(n.finite-k, 0)
}

func (n *Numbers[T]) lend(k int) {
	n.Values = slices.Clone(n.Values[k:])
	n.finite = max(n.finite-k, 0)
}

// trade is lend, where the others move to memory if it is large enough.
func (n *Numbers[T]) trade(k int, memory []T) {
	if cap(memory) < len(n.Values) {
		memory = make([]T, 0, len(n.Values)+len(n.Values)/8)
	}
	n.Values = append(memory[:0], n.Values[k:]...)
	n.finite = max(n.finite-k, 0)
}

// AddedFinite says that the k values that were added last are finite.
func (n *Numbers[T]) AddedFinite(k int) {
	if n.finite == len(n.Values)-k {
		n.finite = len(n.Values)
	}
}

// Finite reports whether the first k values are known to be finite, without looking at them.
func (n *Numbers[T]) Finite(k int) bool { return k <= n.finite }

// Extend adds k values and returns them, for the caller to set.
func (n *Numbers[T]) Extend(k int) []T {
	at := len(n.Values)
	if cap(n.Values) < at+k {
		n.grow(at + k)
	}
	n.Values = n.Values[:at+k]
	return n.Values[at:]
}

// grow makes room for so many values: twice as many as before, but not more than are aimed at.
func (n *Numbers[T]) grow(want int) {
	if want > n.aim {
		n.Values = slices.Grow(n.Values, want-len(n.Values))
		return
	}
	n.Values = append(make([]T, 0, max(want, min(2*cap(n.Values), n.aim))), n.Values...)
}

// aimAt sets that the values will take about so many bytes, as size counts, and those of one piece more.
func (n *Numbers[T]) aimAt(bytes int) { n.aim = bytes/max(n.Width, 4) + Piece }

// reserved returns s in memory that has room for k more values, and for no others.
func reserved[T any](s []T, k int) []T { return append(make([]T, 0, len(s)+k), s...) }

// ExtendStored adds k values and returns their memory, for the caller to fill with stored values. It adds nothing and
// returns nil where those have other bytes in memory.
func (n *Numbers[T]) ExtendStored(k int) []byte {
	if !n.same {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(n.Extend(k)))), k*n.Width)
}

// Add decodes stored values.
func (n *Numbers[T]) Add(src []byte) { n.Convert(n.Extend(len(src)/n.Width), src) }

func convert[S, T any](width int, get func([]byte) S, to func(S) T) func([]T, []byte) {
	return func(dst []T, src []byte) {
		for i := range dst {
			dst[i] = to(get(src[i*width:]))
		}
	}
}

var le = binary.LittleEndian

// NewInts returns no integers yet, of a type that files store as l. Floats are the bits of a float64: see [Column.Count].
func NewInts(l Leaf) *Numbers[int64] {
	n := &Numbers[int64]{Width: l.Width()}
	switch l {
	case LeafInt8:
		n.Convert = func(dst []int64, src []byte) {
			for i := range dst {
				dst[i] = int64(int8(src[i]))
			}
		}
	case LeafUint8, LeafBool:
		n.Convert = func(dst []int64, src []byte) {
			for i := range dst {
				dst[i] = int64(src[i])
			}
		}
	case LeafInt16:
		n.Convert = convert(2, le.Uint16, func(v uint16) int64 { return int64(int16(v)) })
	case LeafUint16:
		n.Convert = convert(2, le.Uint16, func(v uint16) int64 { return int64(v) })
	case LeafInt32:
		n.Convert = func(dst []int64, src []byte) {
			for i := range dst {
				dst[i] = int64(int32(le.Uint32(src[4*i:])))
			}
		}
	case LeafUint32:
		n.Convert = convert(4, le.Uint32, func(v uint32) int64 { return int64(v) })
	case LeafFloat16:
		n.Convert = convert(2, le.Uint16, func(v uint16) int64 { return floatBits(halfFloat(v)) })
	case LeafFloat32:
		n.Convert = convert(4, le.Uint32, func(v uint32) int64 { return floatBits(math.Float32frombits(v)) })
	default:
		n.same = native
		n.Convert = func(dst []int64, src []byte) {
			for i := range dst {
				dst[i] = int64(le.Uint64(src[8*i:]))
			}
		}
	}
	return n
}

// NewFloats returns no floats yet, of a type that files store as l.
func NewFloats(l Leaf) *Numbers[float32] {
	n := &Numbers[float32]{Width: l.Width()}
	switch l {
	case LeafFloat32:
		n.Convert, n.same = DecodeFloats, native
	case LeafFloat64:
		n.Convert = convert(8, le.Uint64, func(v uint64) float32 { return float32(math.Float64frombits(v)) })
	case LeafFloat16:
		n.Convert = convert(2, le.Uint16, halfFloat)
	case LeafUint64:
		n.Convert = convert(8, le.Uint64, func(v uint64) float32 { return float32(v) })
	default:
		ints := NewInts(l)
		n.Convert = func(dst []float32, src []byte) {
			ints.Values = ints.Values[:0]
			ints.Add(src[:len(dst)*n.Width])
			for i, v := range ints.Values {
				dst[i] = float32(v)
			}
		}
	}
	return n
}

// native says whether numbers have the same bytes in memory as in files.
var native = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// DecodeFloats decodes little-endian float32.
func DecodeFloats(dst []float32, src []byte) {
	if native {
		copy(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(dst))), 4*len(dst)), src[:4*len(dst)])
		return
	}
	for i := range dst {
		dst[i] = math.Float32frombits(le.Uint32(src[4*i:]))
	}
}
