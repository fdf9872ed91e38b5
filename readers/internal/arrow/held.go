package arrow

import (
	"graphscore/readers/internal/column"
)

// heldReader fills a column whose buffers cannot be read in order: list views name elements anywhere, run ends are
// looked up, truth values are bits. It holds the buffers of a record batch in memory.
type heldReader struct {
	file *File
	in   bufferReader
	room int64 // how many more bytes the buffers of the batch may take
	top  held
	rows int64
	left int64
}

// held is an array in memory.
type held struct {
	field  *field
	length int64
	valid  []byte // a bit for each value, none where all exist
	values buffer // numbers, bytes of a fixed size, views, or numbers of a dictionary
	places buffer // offsets
	sizes  buffer // of list views
	data   []byte
	views  [][]byte
	dict   *dictionary
	index  *column.Numbers[int64]
	child  *held // elements of lists, or the values of runs
	ends   *held // of runs
}

// buffer is the content of a buffer with values of one width in bytes.
type buffer struct {
	b     []byte
	width int
}

// slice returns n values from place from on.
func (s buffer) slice(from, n int64) ([]byte, error) {
	if s.width <= 0 || n > int64(len(s.b)/s.width) || from > int64(len(s.b)/s.width)-n {
		return nil, column.Damaged("a buffer is shorter than its rows need")
	}
	return s.b[int(from)*s.width : int(from+n)*s.width], nil
}

// offset returns an offset, size or run end.
func (s buffer) offset(i int64) (int64, error) {
	b, err := s.slice(i, 1)
	if err != nil {
		return 0, err
	}
	switch s.width {
	case 2:
		return int64(int16(le.Uint16(b))), nil
	case 4:
		return int64(int32(le.Uint32(b))), nil
	}
	return int64(le.Uint64(b)), nil
}

func newHeldReader(f *field, file *File) *heldReader {
	return &heldReader{file: file, top: held{field: f}}
}

func (h *heldReader) close() { h.in.close() }

// coded is the field below lists and runs, if its values are in a dictionary.
func (h *heldReader) coded() *field { return h.top.field.leafField() }

func (h *heldReader) begin(b *recordBatch, at cursor) error {
	h.left, h.rows, h.room = b.rows, b.rows, h.file.limit
	if err := h.load(&h.top, b, &at); err != nil {
		return err
	}
	if h.top.length != b.rows {
		return column.Damaged("a column has %d rows in a record batch of %d", h.top.length, b.rows)
	}
	return nil
}

// load reads an array and what is below it.
func (h *heldReader) load(a *held, b *recordBatch, at *cursor) error {
	var nulls int64
	f := a.field
	a.length, nulls = b.node(at.node)
	at.node++
	a.valid = nil
	if a.length < 0 {
		return column.Damaged("column %s has %d values", f.name, a.length)
	}
	if f.kind == typeNull && !f.coded {
		return nil
	}
	if f.kind == typeRunEnd && !f.coded {
		return h.loadRuns(a, b, at)
	}
	valid, err := h.buffer(b, at)
	if err != nil {
		return err
	}
	if nulls != 0 && len(valid) > 0 {
		if a.valid = valid; int64(len(valid)) < (a.length+7)/8 {
			return column.Damaged("column %s has fewer marks of nulls than values", f.name)
		}
	}
	switch {
	case f.coded:
		if a.dict = h.file.dicts[f.dict]; a.dict == nil {
			return column.Damaged("dictionary %d of column %s is missing", f.dict, f.name)
		}
		a.index = column.NewInts(f.index)
		return h.into(&a.values, f.index.Width(), b, at)
	case f.isList():
		return h.loadList(a, b, at)
	}
	return h.loadLeaf(a, b, at)
}

// buffer reads the next buffer whole.
func (h *heldReader) buffer(b *recordBatch, at *cursor) ([]byte, error) {
	size, err := h.in.begin(h.file.r, b, at.buffer)
	at.buffer++
	if err != nil {
		return nil, err
	}
	if h.room -= size; h.room < 0 {
		return nil, column.Unsupported("write smaller record batches",
			"column %s takes more than %d bytes in a record batch", h.top.field.name, h.file.limit)
	}
	return h.in.append(nil, int(size))
}

func (h *heldReader) into(to *buffer, width int, b *recordBatch, at *cursor) (err error) {
	to.width = width
	to.b, err = h.buffer(b, at)
	return err
}

func (h *heldReader) loadRuns(a *held, b *recordBatch, at *cursor) error {
	a.ends, a.child = &held{field: &a.field.children[0]}, &held{field: &a.field.children[1]}
	if err := h.load(a.ends, b, at); err != nil {
		return err
	}
	return h.load(a.child, b, at)
}

func (h *heldReader) loadList(a *held, b *recordBatch, at *cursor) error {
	width := 4
	if a.field.kind == typeLargeList || a.field.kind == typeLargeListView {
		width = 8
	}
	if a.field.kind != typeFixedList {
		if err := h.into(&a.places, width, b, at); err != nil {
			return err
		}
	}
	if a.field.listView() {
		if err := h.into(&a.sizes, width, b, at); err != nil {
			return err
		}
	}
	a.child = &held{field: &a.field.children[0]}
	return h.load(a.child, b, at)
}

func (h *heldReader) loadLeaf(a *held, b *recordBatch, at *cursor) (err error) {
	switch a.field.kind {
	case typeBinary, typeUtf8:
		err = h.into(&a.places, 4, b, at)
	case typeLargeBinary, typeLargeUtf8:
		err = h.into(&a.places, 8, b, at)
	case typeBinaryView, typeUtf8View:
		if err := h.into(&a.values, 16, b, at); err != nil {
			return err
		}
		n := int64(le.Uint64(b.variadic[8*at.variadic:]))
		at.variadic++
		a.views = nil
		for range n {
			view, err := h.buffer(b, at)
			if err != nil {
				return err
			}
			a.views = append(a.views, view)
		}
		return nil
	case typeFixedBinary, typeDecimal:
		return h.into(&a.values, a.field.size, b, at)
	default:
		return h.into(&a.values, a.field.leaf.Width(), b, at)
	}
	if err != nil {
		return err
	}
	a.data, err = h.buffer(b, at)
	return err
}

// Fill decodes some rows.
func (h *heldReader) Fill(c *column.Column) error {
	const rows, bytes = 256, 64 << 10
	most := c.Size() + bytes
	for k := 0; k < rows && h.left > 0 && c.Size() < most; k++ {
		if err := c.BeginRow(); err != nil {
			return err
		}
		if err := h.top.row(c, h.rows-h.left, c.Field.Depth); err != nil {
			return err
		}
		h.left--
	}
	c.Ended = h.left <= 0
	return nil
}

// row adds value i of the column, a list of so many levels.
func (a *held) row(c *column.Column, i int64, depth int) error {
	if depth == 0 {
		return a.read(c, i, 1, column.NullRow)
	}
	a, i, there, err := a.find(i)
	if err != nil {
		return err
	}
	if !there {
		c.SetFlag(column.NullRow)
		return nil
	}
	from, n, err := a.span(i)
	if err != nil {
		return err
	}
	if n > int64(c.Limit)/4 {
		return c.TooLarge()
	}
	if depth == 1 {
		return a.child.read(c, from, n, column.NullInside)
	}
	return a.child.lists(c, from, n)
}

// lists adds n inner lists of a row.
func (a *held) lists(c *column.Column, from, n int64) error {
	first := c.Values.Len()
	for k := range n {
		c.Inner = append(c.Inner, int32(c.Values.Len()))
		list, i, there, err := a.find(from + k)
		if err != nil {
			return err
		}
		if !there {
			c.SetFlag(column.NullInside)
			continue
		}
		at, m, err := list.span(i)
		if err != nil {
			return err
		}
		if m > int64(c.Limit)/4-int64(c.Values.Len()-first) {
			return c.TooLarge()
		}
		if err := list.child.read(c, at, m, column.NullInside); err != nil {
			return err
		}
	}
	return nil
}

// find returns the array and the place in it of value i, behind runs, and whether the value exists.
func (a *held) find(i int64) (*held, int64, bool, error) {
	for a.ends != nil {
		k, _, err := a.run(i)
		if err != nil {
			return a, 0, false, err
		}
		a, i = a.child, k
	}
	if i < 0 || i >= a.length {
		return a, 0, false, column.Damaged("column %s goes beyond its %d values", a.field.name, a.length)
	}
	there := len(a.valid) == 0 || a.valid[i/8]>>(i%8)&1 == 1
	return a, i, there && (a.field.kind != typeNull || a.field.coded), nil
}

// run returns the number of the run that has value i, and where the run ends.
func (a *held) run(i int64) (k, end int64, err error) {
	if i < 0 || i >= a.length {
		return 0, 0, column.Damaged("column %s goes beyond its %d values", a.field.name, a.length)
	}
	low, high := int64(0), min(a.ends.length, int64(len(a.ends.values.b)/a.ends.values.width))
	for low < high {
		middle := (low + high) / 2
		if end, err = a.ends.values.offset(middle); err != nil {
			return 0, 0, err
		}
		if end > i {
			high = middle
		} else {
			low = middle + 1
		}
	}
	if low >= a.ends.length || len(a.ends.valid) > 0 {
		return 0, 0, column.Damaged("the runs of column %s end before value %d", a.field.name, i)
	}
	end, err = a.ends.values.offset(low)
	if err == nil && end <= i {
		err = column.Damaged("the runs of column %s end before value %d", a.field.name, i)
	}
	return low, end, err
}

// span returns the place of the elements of list i, which exists.
func (a *held) span(i int64) (from, n int64, err error) {
	switch {
	case a.field.kind == typeFixedList:
		if n = int64(a.field.size); n < 0 || n > 0 && i > a.child.length/n {
			return 0, 0, column.Damaged("lists have %d elements", n)
		}
		from = i * n
	case a.field.listView():
		if from, err = a.places.offset(i); err != nil {
			return 0, 0, err
		}
		if n, err = a.sizes.offset(i); err != nil {
			return 0, 0, err
		}
	default:
		if from, err = a.places.offset(i); err != nil {
			return 0, 0, err
		}
		if n, err = a.places.offset(i + 1); err != nil {
			return 0, 0, err
		}
		n -= from
	}
	if from < 0 || n < 0 || from > a.child.length || n > a.child.length-from {
		return 0, 0, column.Damaged("a list has elements %d to %d of %d", from, from+n, a.child.length)
	}
	return from, n, nil
}
