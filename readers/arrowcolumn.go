package readers

// arrowColumn fills a column from the buffers of a record batch, a few rows at a time: lists from the outside
// to the inside, then the values.
type arrowColumn struct {
	file  *arrowFile
	lists []*arrowLists
	leaf  *arrowLeaf
	left  int64 // rows
}

// arrowLists is one level of lists.
type arrowLists struct {
	field    *arrowField
	valid    validity
	offsets  stream
	wide     bool
	length   int64 // how many lists there are
	children int64 // and how many elements
	at       int64 // the next list
	end      int64 // where its elements begin
}

func newArrowColumn(c *column, f *arrowField, file *arrowFile) *arrowColumn {
	a := &arrowColumn{file: file}
	for range c.field.depth {
		a.lists = append(a.lists, &arrowLists{field: f, wide: f.kind == arrowLargeList})
		f = &f.children[0]
	}
	a.leaf = newArrowLeaf(f)
	return a
}

func (a *arrowColumn) close() {
	for _, l := range a.lists {
		l.valid.close()
		l.offsets.close()
	}
	a.leaf.close()
}

// begin starts a record batch, with the column's nodes and buffers at the cursor.
func (a *arrowColumn) begin(b *batch, at cursor) error {
	a.left = b.rows
	for i, l := range a.lists {
		if err := l.begin(a.file, b, &at); err != nil {
			return err
		}
		if i == 0 && l.length < b.rows {
			return damaged("a column has %d rows in a record batch of %d", l.length, b.rows)
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
	} else if a.leaf.length < b.rows {
		return damaged("a column has %d rows in a record batch of %d", a.leaf.length, b.rows)
	}
	return nil
}

func (l *arrowLists) begin(file *arrowFile, b *batch, at *cursor) error {
	length, nulls := b.node(at.node)
	l.length, l.at, l.end = length, 0, 0
	if err := l.valid.begin(file.r, b, at.buffer, nulls); err != nil {
		return err
	}
	at.node++
	at.buffer++
	if l.field.kind == arrowFixedList {
		if l.field.size < 0 {
			return damaged("lists have %d elements", l.field.size)
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
func (l *arrowLists) skip(n int64) error {
	if n == 0 {
		return nil
	}
	l.at += n
	if l.at > l.length || n < 0 {
		return damaged("lists go beyond their values")
	}
	if _, err := l.valid.there(n); err != nil {
		return err
	}
	if l.field.kind == arrowFixedList {
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

// next gives the place of the elements of list number i, which is not before the last one.
func (l *arrowLists) next(i int64) (from, n int64, there bool, err error) {
	if err := l.skip(i - l.at); err != nil {
		return 0, 0, false, err
	}
	if l.at >= l.length {
		return 0, 0, false, damaged("lists go beyond their values")
	}
	if there, err = l.valid.there(1); err != nil {
		return 0, 0, false, err
	}
	l.at++
	if l.field.kind == arrowFixedList {
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
		return 0, 0, false, damaged("a list has elements %d to %d of %d", from, from+n, l.children)
	}
	return from, n, there, nil
}

// fill decodes some rows.
func (a *arrowColumn) fill(c *column) error {
	const rows, bytes = 256, 64 << 10
	most := c.size() + bytes
	for k := 0; k < rows && a.left > 0 && c.size() < most; k++ {
		if err := c.row(); err != nil {
			return err
		}
		if err := a.row(c, c.begun-1); err != nil {
			return err
		}
		a.left--
	}
	c.ended = a.left <= 0
	return nil
}

// row decodes one row.
func (a *arrowColumn) row(c *column, i int64) error {
	if len(a.lists) == 0 {
		return a.leaf.read(c, i, 1, nullRow)
	}
	from, n, there, err := a.lists[0].next(i)
	if err != nil {
		return err
	}
	if !there {
		c.lack(nullRow)
		return nil
	}
	if len(a.lists) == 1 {
		return a.leaf.read(c, from, n, nullInside)
	}
	if int64(c.limit) < 4*n {
		return c.tooLarge()
	}
	return a.inner(c, from, n)
}

// inner decodes the inner lists of a row. Their values mostly stand one behind the other: they are read at once.
func (a *arrowColumn) inner(c *column, from, n int64) error {
	var first, values int64 // those not yet read
	for j := range n {
		at, m, there, err := a.lists[1].next(from + j)
		if err != nil {
			return err
		}
		if !there {
			c.lack(nullInside)
			m = 0
		}
		if at != first+values && m > 0 {
			if err := a.leaf.read(c, first, values, nullInside); err != nil {
				return err
			}
			values = 0
		}
		if values == 0 {
			first = at
		}
		if int64(c.limit) < 4*(values+m) {
			return c.tooLarge()
		}
		c.inner = append(c.inner, int32(int64(c.values.len())+values))
		values += m
	}
	return a.leaf.read(c, first, values, nullInside)
}
