package parquet

import "graphscore/readers/internal/column"

// decimalDecoder decodes integers that are stored as big-endian bytes.
type decimalDecoder[T float32 | int64] struct {
	*textDecoder
	texts column.Texts
	out   *column.Numbers[T]
}

func newDecimalDecoder[T float32 | int64](name string, fixed, limit int, out *column.Numbers[T]) *decimalDecoder[T] {
	d := &decimalDecoder[T]{texts: column.Texts{Offsets: []uint32{0}}, out: out}
	d.textDecoder = newTextDecoder(name, fixed, limit, &d.texts)
	return d
}

func (d *decimalDecoder[T]) take(n int) error {
	d.texts.Data, d.texts.Offsets = d.texts.Data[:0], d.texts.Offsets[:1]
	if err := d.textDecoder.take(n); err != nil {
		return err
	}
	for i := range n {
		v, fits := column.Decimal(d.texts.At(i))
		if !fits {
			return column.DecimalTooLarge(d.name)
		}
		d.out.Values = append(d.out.Values, T(v))
	}
	return nil
}

// nullDecoder is that of a type that has no values.
type nullDecoder struct{ name string }

func (nullDecoder) dictionary([]byte, int) error  { return nil }
func (nullDecoder) page(int64, []byte, int) error { return nil }
func (nullDecoder) end() error                    { return nil }
func (nullDecoder) reset()                        {}

func (d nullDecoder) take(n int) error {
	if n > 0 {
		return column.Damaged("column %s has values, and its type has none", d.name)
	}
	return nil
}
