package readers

import "math"

// arrowLeaf reads the values of a column.
type arrowLeaf struct {
	field   *arrowField
	valid   validity
	values  stream // numbers, bytes of a fixed size, views, or numbers of a dictionary
	offsets stream
	data    stream
	length  int64
	at      int64 // the next value
	end     int64 // where its bytes begin
	passed  int64 // how many bytes are past
	size    int64 // how many there are
	views   [][]byte
	dict    *dictionary
	index   *numbers[int64]
}

func newArrowLeaf(f *arrowField) *arrowLeaf {
	l := &arrowLeaf{field: f}
	if f.coded {
		l.index = newInts(f.index)
	}
	return l
}

func (l *arrowLeaf) close() {
	l.valid.close()
	l.values.close()
	l.offsets.close()
	l.data.close()
}

func (l *arrowLeaf) wide() bool {
	return l.field.kind == arrowLargeBinary || l.field.kind == arrowLargeUtf8
}

func (l *arrowLeaf) variable() bool {
	return !l.field.coded && (l.wide() || l.field.kind == arrowBinary || l.field.kind == arrowUtf8)
}

func (l *arrowLeaf) begin(file *arrowFile, b *batch, at cursor) error {
	var nulls int64
	l.length, nulls = b.node(at.node)
	l.at, l.end, l.passed, l.size = 0, 0, 0, 0
	if err := l.valid.begin(file.r, b, at.buffer, nulls); err != nil {
		return err
	}
	if l.field.coded {
		if l.dict = file.dicts[l.field.dict]; l.dict == nil {
			return damaged("dictionary %d of column %s is not there", l.field.dict, l.field.name)
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
func (l *arrowLeaf) loadViews(file *arrowFile, b *batch, at cursor) error {
	n := int(le.Uint64(b.variadic[8*at.variadic:]))
	l.views = l.views[:0]
	left := file.limit
	for i := range n {
		size, err := l.data.begin(file.r, b, at.buffer+2+i)
		if err != nil {
			return err
		}
		if left -= size; left < 0 {
			return unusable("write smaller record batches", "the texts of column %s take more than %d bytes in a record batch", l.field.name, file.limit)
		}
		view, err := l.data.append(nil, int(size))
		if err != nil {
			return err
		}
		l.views = append(l.views, view)
	}
	return nil
}

// width is the size of what stands in the values buffer for each value.
func (l *arrowLeaf) width() int {
	switch {
	case l.field.coded:
		return l.field.index.width()
	case l.field.viewed():
		return 16
	case l.field.kind == arrowFixedBinary:
		return l.field.size
	}
	return l.field.leaf.width()
}

// read adds values from place from on, which is not before the last one. The column's row gets the flag if one
// of them is null.
func (l *arrowLeaf) read(c *column, from, n int64, flag uint8) error {
	if n == 0 {
		return nil
	}
	if from < l.at || n < 0 || from > l.length || n > l.length-from {
		return damaged("column %s goes beyond its %d values", c.field.name, l.length)
	}
	if n > math.MaxInt32 || n*4 > int64(c.limit) {
		return c.tooLarge()
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
		c.lack(flag)
	}
	switch {
	case l.variable():
		return l.readTexts(c, n)
	case l.field.coded:
		return l.readCoded(c, n)
	case l.field.viewed() || l.field.kind == arrowFixedBinary:
		return l.readFixed(c, n)
	case c.floats != nil:
		return readNumbers(&l.values, c.floats, n)
	}
	return readNumbers(&l.values, c.ints, n)
}

func (l *arrowLeaf) skip(n int64) error {
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

func readNumbers[T float32 | int64](s *stream, to *numbers[T], n int64) error {
	for left := int(n) * to.width; left > 0; {
		b, err := s.peek(min(left, streamWindow))
		if err != nil {
			return err
		}
		to.add(b)
		left -= len(b)
		if err := s.pass(int64(len(b))); err != nil {
			return err
		}
	}
	return nil
}

func (l *arrowLeaf) readTexts(c *column, n int64) error {
	for range n {
		from := l.end
		end, err := l.offsets.offset(l.wide())
		if err != nil {
			return err
		}
		l.end = end
		if from < l.passed || end < from || end > l.size {
			return damaged("a text of column %s is at bytes %d to %d of %d", c.field.name, from, end, l.size)
		}
		if end-from > int64(c.limit)-int64(len(c.texts.b)) {
			return c.tooLarge()
		}
		if err := l.data.pass(from - l.passed); err != nil {
			return err
		}
		if c.texts.b, err = l.data.append(c.texts.b, int(end-from)); err != nil {
			return err
		}
		l.passed = end
		c.texts.null() // which ends the text
	}
	return nil
}

// readFixed reads bytes of a fixed size, or views.
func (l *arrowLeaf) readFixed(c *column, n int64) error {
	width := l.width()
	if width < 0 || width > c.limit {
		return c.tooLarge()
	}
	for range n {
		if !l.field.viewed() {
			var err error
			if c.texts.b, err = l.values.append(c.texts.b, width); err != nil {
				return err
			}
			c.texts.null()
			continue
		}
		b, err := l.values.peek(16)
		if err != nil {
			return err
		}
		v, err := l.view(c, b)
		if err != nil {
			return err
		}
		c.texts.add(v)
		if err := l.values.pass(16); err != nil {
			return err
		}
		if len(c.texts.b) > c.limit {
			return c.tooLarge()
		}
	}
	return nil
}

// view gives the bytes that a view stands for.
func (l *arrowLeaf) view(c *column, b []byte) ([]byte, error) {
	size := int(int32(le.Uint32(b)))
	if size >= 0 && size <= 12 {
		return b[4 : 4+size], nil
	}
	k, at := int(int32(le.Uint32(b[8:]))), int(int32(le.Uint32(b[12:])))
	if size < 0 || k < 0 || k >= len(l.views) || at < 0 || at > len(l.views[k]) || size > len(l.views[k])-at {
		return nil, damaged("a text of column %s is at bytes %d to %d of a buffer that is not there", c.field.name, at, at+size)
	}
	return l.views[k][at : at+size], nil
}

// readCoded reads values that stand in a dictionary.
func (l *arrowLeaf) readCoded(c *column, n int64) error {
	l.index.v = l.index.v[:0]
	if err := readNumbers(&l.values, l.index, n); err != nil {
		return err
	}
	there := l.dict.size()
	for _, v := range l.index.v {
		switch {
		case c.flags[len(c.flags)-1] != 0: // the number of a null means nothing, and the row is lost anyway
			c.values.null()
		case v < 0 || v >= there:
			return damaged("column %s names entry %d of a dictionary of %d", c.field.name, v, there)
		case c.texts != nil:
			if c.texts.add(l.dict.values.texts.at(int(v))); len(c.texts.b) > c.limit {
				return c.tooLarge()
			}
		case c.floats != nil:
			c.floats.v = append(c.floats.v, float32(l.dict.values.ints.v[v]))
		default:
			c.ints.v = append(c.ints.v, l.dict.values.ints.v[v])
		}
	}
	return nil
}
