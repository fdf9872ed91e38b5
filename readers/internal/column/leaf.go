package column

// Leaf is the type of the values of a column.
type Leaf uint8

// The types of values. LeafOther is every type that no column is read as.
const (
	LeafOther Leaf = iota
	LeafInt8
	LeafInt16
	LeafInt32
	LeafInt64
	LeafUint8
	LeafUint16
	LeafUint32
	LeafUint64
	LeafFloat32
	LeafFloat64
	LeafText   // UTF-8
	LeafBinary // bytes, of any or of one length
	LeafNull   // no value exists
	// LeafDecimal is an integer that is stored as a decimal of scale 0, of a width of bytes that the type says.
	LeafDecimal
)

// Integer says whether the values are integers.
func (l Leaf) Integer() bool {
	return l >= LeafInt8 && l <= LeafUint64 || l == LeafDecimal
}

// Number says whether the values are integers or floats.
func (l Leaf) Number() bool {
	return l >= LeafInt8 && l <= LeafFloat64 || l == LeafDecimal
}

// Bytes says whether the values are texts or bytes.
func (l Leaf) Bytes() bool { return l == LeafText || l == LeafBinary }

// Width is the size of a value in Arrow memory.
func (l Leaf) Width() int {
	switch l {
	case LeafInt8, LeafUint8:
		return 1
	case LeafInt16, LeafUint16:
		return 2
	case LeafInt32, LeafUint32, LeafFloat32:
		return 4
	}
	return 8
}
