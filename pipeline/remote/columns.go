package remote

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// The only code that knows about byte order. Columns go over the wire little-endian. Where memory has that order
// too, they are looked at as bytes without a copy; elsewhere they are converted.

type number interface{ ~uint32 | ~float32 }

// littleEndian reports whether numbers in memory have the byte order of the wire.
func littleEndian() bool {
	return binary.NativeEndian.Uint16([]byte{1, 0}) == 1
}

// column returns values as they go over the wire. It shares their memory unless portable is set.
func column[T number](values []T, portable bool) []byte {
	if len(values) == 0 {
		return nil
	}
	if !portable {
		return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), 4*len(values))
	}
	out := make([]byte, 0, 4*len(values))
	for i := range values {
		out = binary.LittleEndian.AppendUint32(out, *(*uint32)(unsafe.Pointer(&values[i])))
	}
	return out
}

// floats reads a column, whose length is a multiple of 4. It shares its memory where order and alignment allow,
// unless portable is set.
func floats(column []byte, portable bool) []float32 {
	if len(column) == 0 {
		return nil
	}
	start := unsafe.Pointer(unsafe.SliceData(column))
	if !portable && uintptr(start)%unsafe.Alignof(float32(0)) == 0 {
		return unsafe.Slice((*float32)(start), len(column)/4)
	}
	out := make([]float32, len(column)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(column[4*i:]))
	}
	return out
}
