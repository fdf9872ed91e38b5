package arrow

import "graphscore/readers/internal/column"

// readNulls adds values of the type that has none.
func (l *leafReader) readNulls(c *column.Column, n int64, flag uint8) {
	l.at += n
	c.SetFlag(flag)
	for range n {
		c.Values.AddNull()
	}
}

// readDecimals reads little-endian integers that are stored as decimals. there is false where some of them are null,
// whose bytes mean nothing.
func (l *leafReader) readDecimals(c *column.Column, n int64, there bool) error {
	width := l.width()
	for range n {
		b, err := l.values.peek(width)
		if err != nil {
			return err
		}
		if err := addDecimal(c, b, there); err != nil {
			return err
		}
		if err := l.values.pass(int64(width)); err != nil {
			return err
		}
	}
	return nil
}

// addDecimal adds the integer that a decimal of at most 32 bytes stores. there is false where it may be null.
func addDecimal(c *column.Column, b []byte, there bool) error {
	var big [32]byte
	for i, x := range b {
		big[len(b)-1-i] = x
	}
	v, fits := column.Decimal(big[:len(b)])
	switch {
	case !fits && there:
		return column.DecimalTooLarge(c.Field.Name)
	case c.Floats != nil:
		c.Floats.Values = append(c.Floats.Values, float32(v))
	default:
		c.Ints.Values = append(c.Ints.Values, v)
	}
	return nil
}
