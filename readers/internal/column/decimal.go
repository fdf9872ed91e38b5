package column

// Decimal returns the integer that big-endian bytes are in two's complement, and false where it does not fit into
// int64.
func Decimal(b []byte) (v int64, fits bool) {
	if len(b) == 0 {
		return 0, false
	}
	v = int64(int8(b[0])) >> 7
	for i, x := range b {
		if i < len(b)-8 && x != byte(v) { // what is before the last 8 bytes repeats the sign
			return 0, false
		}
	}
	negative := v < 0
	for _, x := range b[max(0, len(b)-8):] {
		v = v<<8 | int64(x)
	}
	return v, negative == (v < 0)
}

// DecimalTooLarge is the error of a decimal beyond int64.
func DecimalTooLarge(name string) error {
	return Unsupported("write integers of 64 bits", "column %s has a decimal that does not fit into int64", name)
}
