package arrow

import (
	"math"

	"graphscore/readers/internal/column"
)

// leafReader reads the values of a column.
type leafReader struct {
	field   *field
	valid   validity
	values  bufferReader // numbers, bytes of a fixed size, views, or numbers of a dictionary
	offsets bufferReader
	data    bufferReader
	length  int64
	at      int64 // the next value
	end     int64 // where its bytes begin
	passed  int64 // how many bytes are past
	size    int64 // how many there are
	views   [][]byte
	dict    *dictionary
	index   *column.Numbers[int64]
}

func newLeafReader(f *field) *leafReader {
	l := &leafReader{field: f}
	if f.coded {
		l.index = column.NewInts(f.index)
	}
	return l
}

func (l *leafReader) close() {
	l.valid.close()
	l.values.close()
	l.offsets.close()
	l.data.close()
}

func (l *leafReader) wide() bool {
	return l.field.kind == typeLargeBinary || l.field.kind == typeLargeUtf8
}

func (l *leafReader) variable() bool {
	return !l.field.coded && (l.wide() || l.field.kind == typeBinary || l.field.kind == typeUtf8)
}

func (l *leafReader) begin(file *File, b *recordBatch, at cursor) error {
	var nulls int64
	l.length, nulls = b.node(at.node)
	l.at, l.end, l.passed, l.size = 0, 0, 0, 0
	if l.field.kind == typeNull && !l.field.coded {
		return nil
	}
	if err := l.valid.begin(file.r, b, at.buffer, nulls); err != nil {
		return err
	}
	if l.field.coded {
		if l.dict = file.dicts[l.field.dict]; l.dict == nil {
			return column.Damaged("dictionary %d of column %s is missing", l.field.dict, l.field.name)
		}
	}
	if !l.variable() {
		if _, err := l.values.begin(file.r, b, at.buffer+1); err != nil {
			return err
		}
		if l.field.viewed() && !l.field.coded {
			return l.loadViews(file, b, at)
		}
		return nil
	}
	size, err := l.offsets.begin(file.r, b, at.buffer+1)
	if err != nil {
		return err
	}
	if l.size, err = l.data.begin(file.r, b, at.buffer+2); err != nil || size == 0 {
		return err
	}
	l.end, err = l.offsets.offset(l.wide())
	return err
}

// loadViews reads the buffers that views point into. They cannot be read in order.
func (l *leafReader) loadViews(file *File, b *recordBatch, at cursor) error {
	n := int(le.Uint64(b.variadic[8*at.variadic:]))
	l.views = l.views[:0]
	left := file.limit
	for i := range n {
		size, err := l.data.begin(file.r, b, at.buffer+2+i)
		if err != nil {
			return err
		}
		if left -= size; left < 0 {
			return column.Unsupported("write smaller record batches", "the texts of column %s take more than %d bytes in a record batch", l.field.name, file.limit)
		}
		view, err := l.data.append(nil, int(size))
		if err == nil {
			err = l.data.finish()
		}
		if err != nil {
			return err
		}
		l.views = append(l.views, view)
	}
	return nil
}

// width is the size of each value in the values buffer.
func (l *leafReader) width() int {
	switch {
	case l.field.coded:
		return l.field.index.Width()
	case l.field.viewed():
		return 16
	case l.field.kind == typeFixedBinary || l.field.kind == typeDecimal:
		return l.field.size
	}
	return l.field.leaf.Width()
}

// read adds values from place from on, which is not before the last one. The column's row gets the flag if one
// of them is null.
func (l *leafReader) read(c *column.Column, from, n int64, flag uint8) error {
	if n == 0 {
		return nil
	}
	if from < l.at || n < 0 || from > l.length || n > l.length-from {
		return column.Damaged("column %s goes beyond its %d values", c.Field.Name, l.length)
	}
	if n > math.MaxInt32 || n*4 > int64(c.Limit) {
		return c.TooLarge()
	}
	if l.field.kind == typeNull && !l.field.coded {
		l.readNulls(c, n, flag)
		return nil
	}
	if err := l.skip(from - l.at); err != nil {
		return err
	}
	l.at += n
	there, err := l.valid.there(n)
	if err != nil {
		return err
	}
	if !there {
		c.SetFlag(flag)
	}
	switch {
	case l.variable():
		return l.readTexts(c, n)
	case l.field.coded:
		return l.readCoded(c, n, flag)
	case l.field.viewed() || l.field.kind == typeFixedBinary:
		return l.readFixed(c, n)
	case l.field.kind == typeDecimal:
		return l.readDecimals(c, n, there)
	case c.Floats != nil:
		return readNumbers(c, &l.values, c.Floats, n)
	}
	return readNumbers(c, &l.values, c.Ints, n)
}

func (l *leafReader) skip(n int64) error {
	if n == 0 {
		return nil
	}
	l.at += n
	if _, err := l.valid.there(n); err != nil {
		return err
	}
	if !l.variable() {
		return l.values.pass(n * int64(l.width()))
	}
	size := int64(4)
	if l.wide() {
		size = 8
	}
	if err := l.offsets.pass((n - 1) * size); err != nil {
		return err
	}
	var err error
	l.end, err = l.offsets.offset(l.wide())
	return err
}

// readNumbers adds n numbers to those of a row of c, or to others: then c is nil.
func readNumbers[T float32 | int64](c *column.Column, s *bufferReader, to *column.Numbers[T], n int64) error {
	for left := int(n) * to.Width; left > 0; {
		b, err := s.peek(min(left, bufferWindow))
		if err != nil {
			return err
		}
		if c != nil {
			if err := c.Expect(len(b)/to.Width, int64(left/to.Width), 1); err != nil {
				return err
			}
		}
		to.Add(b)
		left -= len(b)
		if err := s.pass(int64(len(b))); err != nil {
			return err
		}
	}
	return nil
}

func (l *leafReader) readTexts(c *column.Column, n int64) error {
	for range n {
		from := l.end
		end, err := l.offsets.offset(l.wide())
		if err != nil {
			return err
		}
		l.end = end
		if from < l.passed || end < from || end > l.size {
			return column.Damaged("a text of column %s is at bytes %d to %d of %d", c.Field.Name, from, end, l.size)
		}
		if end-from > int64(c.Limit)-int64(len(c.Texts.Data)) {
			return c.TooLarge()
		}
		if err := l.data.pass(from - l.passed); err != nil {
			return err
		}
		if c.Texts.Data, err = l.data.append(c.Texts.Data, int(end-from)); err != nil {
			return err
		}
		l.passed = end
		c.Texts.AddNull() // which ends the text
	}
	return nil
}

// readFixed reads bytes of a fixed size, or views.
func (l *leafReader) readFixed(c *column.Column, n int64) error {
	width := l.width()
	if width < 0 || width > c.Limit {
		return c.TooLarge()
	}
	for range n {
		if !l.field.viewed() {
			var err error
			if c.Texts.Data, err = l.values.append(c.Texts.Data, width); err != nil {
				return err
			}
			c.Texts.AddNull()
			continue
		}
		b, err := l.values.peek(16)
		if err != nil {
			return err
		}
		v, err := viewed(c, l.views, b)
		if err != nil {
			return err
		}
		c.Texts.Add(v)
		if err := l.values.pass(16); err != nil {
			return err
		}
		if len(c.Texts.Data) > c.Limit {
			return c.TooLarge()
		}
	}
	return nil
}

// viewed returns the bytes that a view stands for.
func viewed(c *column.Column, views [][]byte, b []byte) ([]byte, error) {
	size := int(int32(le.Uint32(b)))
	if size >= 0 && size <= 12 {
		return b[4 : 4+size], nil
	}
	k, at := int(int32(le.Uint32(b[8:]))), int(int32(le.Uint32(b[12:])))
	if size < 0 || k < 0 || k >= len(views) || at < 0 || at > len(views[k]) || size > len(views[k])-at {
		return nil, column.Damaged("a text of column %s is at bytes %d to %d of a buffer that does not exist", c.Field.Name, at, at+size)
	}
	return views[k][at : at+size], nil
}

// readCoded reads values that are in a dictionary.
func (l *leafReader) readCoded(c *column.Column, n int64, flag uint8) error {
	l.index.Values = l.index.Values[:0]
	if err := readNumbers(nil, &l.values, l.index, n); err != nil {
		return err
	}
	return l.dict.add(c, l.index.Values, flag)
}
