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
	LeafFloat16
	LeafBool // a byte of 0 or 1 each
	LeafNull // no value exists
	// LeafDecimal is an integer that is stored as a decimal of scale 0, of a width of bytes that the type says.
	LeafDecimal
)

// Integer says whether the values are integers.
func (l Leaf) Integer() bool {
	return l >= LeafInt8 && l <= LeafUint64 || l == LeafDecimal
}

// Float says whether the values are floats.
func (l Leaf) Float() bool { return l == LeafFloat32 || l == LeafFloat64 || l == LeafFloat16 }

// Number says whether the values are integers, floats or truth values, which are 0 and 1.
func (l Leaf) Number() bool { return l.Integer() || l.Float() || l == LeafBool }

// Count says whether the values can be counts: integers, or floats that are whole numbers, as pandas writes them.
func (l Leaf) Count() bool { return l.Integer() || l.Float() }

// Bytes says whether the values are texts or bytes.
func (l Leaf) Bytes() bool { return l == LeafText || l == LeafBinary }

// Width is the size of a stored value in bytes.
func (l Leaf) Width() int {
	switch l {
	case LeafInt8, LeafUint8, LeafBool:
		return 1
	case LeafInt16, LeafUint16, LeafFloat16:
		return 2
	case LeafInt32, LeafUint32, LeafFloat32:
		return 4
	}
	return 8
}
