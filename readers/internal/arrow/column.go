package arrow

import (
	"errors"

	"graphscore/readers/internal/column"
)

// batchReader fills a column from record batches.
type batchReader interface {
	column.Filler
	// begin starts a record batch, with the column's nodes and buffers at the cursor.
	begin(b *recordBatch, at cursor) error
	// coded is the field below lists and runs, whose values may be in a dictionary.
	coded() *field
	// close frees what the decompressors hold.
	close()
}

// newBatchReader returns what reads the layout of a column.
func newBatchReader(c *column.Column, f *field, file *File) batchReader {
	if f.inOrder() {
		return newColumnReader(c, f, file)
	}
	return newHeldReader(f, file)
}

// columnReader fills a column from the buffers of a record batch, a few rows at a time: lists from the outside
// to the inside, then the values.
type columnReader struct {
	file  *File
	lists []*listReader
	leaf  *leafReader
	left  int64 // rows
}

// listReader is one level of lists.
type listReader struct {
	field    *field
	valid    validity
	offsets  bufferReader
	wide     bool
	length   int64 // how many lists there are
	children int64 // and how many elements
	at       int64 // the next list
	end      int64 // where its elements begin
}

func newColumnReader(c *column.Column, f *field, file *File) *columnReader {
	a := &columnReader{file: file}
	for range c.Field.Depth {
		a.lists = append(a.lists, &listReader{field: f, wide: f.kind == typeLargeList})
		f = &f.children[0]
	}
	a.leaf = newLeafReader(f)
	return a
}

func (a *columnReader) coded() *field { return a.leaf.field }

func (a *columnReader) close() {
	for _, l := range a.lists {
		l.valid.close()
		l.offsets.close()
	}
	a.leaf.close()
}

// begin starts a record batch, with the column's nodes and buffers at the cursor.
func (a *columnReader) begin(b *recordBatch, at cursor) error {
	a.left = b.rows
	for i, l := range a.lists {
		if err := l.begin(a.file, b, &at); err != nil {
			return err
		}
		if i == 0 && l.length != b.rows {
			return column.Damaged("a column has %d rows in a record batch of %d", l.length, b.rows)
		}
		if i > 0 {
			a.lists[i-1].children = l.length
		}
	}
	if err := a.leaf.begin(a.file, b, at); err != nil {
		return err
	}
	if n := len(a.lists); n > 0 {
		a.lists[n-1].children = a.leaf.length
	} else if a.leaf.length != b.rows {
		return column.Damaged("a column has %d rows in a record batch of %d", a.leaf.length, b.rows)
	}
	return nil
}

func (l *listReader) begin(file *File, b *recordBatch, at *cursor) error {
	length, nulls := b.node(at.node)
	l.length, l.at, l.end = length, 0, 0
	if err := l.valid.begin(file.r, b, at.buffer, nulls); err != nil {
		return err
	}
	at.node++
	at.buffer++
	if l.field.kind == typeFixedList {
		if l.field.size < 0 {
			return column.Damaged("lists have %d elements", l.field.size)
		}
		return nil
	}
	size, err := l.offsets.begin(file.r, b, at.buffer)
	at.buffer++
	if err != nil || size == 0 { // an array of no lists may have no offsets
		return err
	}
	l.end, err = l.offsets.offset(l.wide)
	return err
}

// skip passes n lists over.
func (l *listReader) skip(n int64) error {
	if n == 0 {
		return nil
	}
	l.at += n
	if l.at > l.length || n < 0 {
		return column.Damaged("lists go beyond their values")
	}
	if _, err := l.valid.there(n); err != nil {
		return err
	}
	if l.field.kind == typeFixedList {
		return nil
	}
	size := int64(4)
	if l.wide {
		size = 8
	}
	if err := l.offsets.pass((n - 1) * size); err != nil {
		return err
	}
	var err error
	l.end, err = l.offsets.offset(l.wide)
	return err
}

// next returns the place of the elements of list number i, which is not before the last one.
func (l *listReader) next(i int64) (from, n int64, there bool, err error) {
	if err := l.skip(i - l.at); err != nil {
		return 0, 0, false, err
	}
	if l.at >= l.length {
		return 0, 0, false, column.Damaged("lists go beyond their values")
	}
	if there, err = l.valid.there(1); err != nil {
		return 0, 0, false, err
	}
	l.at++
	if l.field.kind == typeFixedList {
		size := int64(l.field.size)
		from, n = i*size, size
	} else {
		from = l.end
		if l.end, err = l.offsets.offset(l.wide); err != nil {
			return 0, 0, false, err
		}
		n = l.end - from
	}
	if from < 0 || n < 0 || from > l.children || n > l.children-from {
		return 0, 0, false, column.Damaged("a list has elements %d to %d of %d", from, from+n, l.children)
	}
	return from, n, there, nil
}

// Fill decodes some rows.
func (a *columnReader) Fill(c *column.Column) error {
	const rows, bytes = 256, 64 << 10
	most := c.Size() + bytes
	for k := 0; k < rows && a.left > 0 && c.Size() < most; k++ {
		if err := c.BeginRow(); err != nil {
			return err
		}
		if err := a.row(c, c.Begun-1); err != nil {
			return err
		}
		a.left--
	}
	if c.Ended = a.left <= 0; !c.Ended {
		return nil
	}
	for _, l := range a.lists {
		if err := errors.Join(l.valid.finish(), l.offsets.finish()); err != nil {
			return err
		}
	}
	return errors.Join(a.leaf.valid.finish(), a.leaf.offsets.finish(), a.leaf.values.finish(), a.leaf.data.finish())
}

// row decodes one row.
func (a *columnReader) row(c *column.Column, i int64) error {
	if len(a.lists) == 0 {
		return a.leaf.read(c, i, 1, column.NullRow)
	}
	from, n, there, err := a.lists[0].next(i)
	if err != nil {
		return err
	}
	if !there {
		c.SetFlag(column.NullRow)
		return nil
	}
	if len(a.lists) == 1 {
		return a.leaf.read(c, from, n, column.NullInside)
	}
	if int64(c.Limit) < 4*n {
		return c.TooLarge()
	}
	return a.inner(c, from, n)
}

// inner decodes the inner lists of a row. Their values are mostly one behind the other: they are read at once.
func (a *columnReader) inner(c *column.Column, from, n int64) error {
	var first, values int64 // those not yet read
	for j := range n {
		at, m, there, err := a.lists[1].next(from + j)
		if err != nil {
			return err
		}
		if !there {
			c.SetFlag(column.NullInside)
			m = 0
		}
		if at != first+values && m > 0 {
			if err := a.leaf.read(c, first, values, column.NullInside); err != nil {
				return err
			}
			values = 0
		}
		if values == 0 {
			first = at
		}
		if int64(c.Limit) < 4*(values+m) {
			return c.TooLarge()
		}
		c.Inner = append(c.Inner, int32(int64(c.Values.Len())+values))
		values += m
	}
	return a.leaf.read(c, first, values, column.NullInside)
}
