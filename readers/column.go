package readers

import (
	"encoding/binary"
	"math"
	"slices"
	"sort"
	"unsafe"
)

// leaf is the type of the values of a column.
type leaf uint8

const (
	leafOther leaf = iota
	leafInt8
	leafInt16
	leafInt32
	leafInt64
	leafUint8
	leafUint16
	leafUint32
	leafUint64
	leafFloat32
	leafFloat64
	leafText   // UTF-8
	leafBinary // bytes, of any or of one length
)

func (l leaf) integer() bool { return l >= leafInt8 && l <= leafUint64 }
func (l leaf) number() bool  { return l >= leafInt8 && l <= leafFloat64 }
func (l leaf) bytes() bool   { return l == leafText || l == leafBinary }

// What a row of a column lacks.
const (
	nullRow    = 1 // the value or list itself is null
	nullInside = 2 // a list or value inside of it is
)

// column holds some rows of one column, decoded. Formats fill it, the source takes rows from its front.
type column struct {
	role  role
	field field
	limit int // bytes that a row may take

	// starts has the place of each row: in inner for lists of lists, else in the values.
	starts []int32
	// inner has the place of each inner list in the values.
	inner []int32
	// flags has nullRow or nullInside of each row.
	flags []uint8
	// values is floats, ints or texts.
	values store
	floats *numbers[float32]
	ints   *numbers[int64]
	texts  *texts

	in    filler
	want  int64 // rows of the group
	begun int64 // rows begun
	ended bool  // no more rows will come in this group
}

// filler decodes a piece of a column: it adds rows or values, or sets ended.
type filler interface {
	fill(c *column) error
}

func newColumn(r role, f field, limit int64) *column {
	c := &column{role: r, field: f, limit: int(limit)}
	switch {
	case f.leaf.bytes():
		c.texts = &texts{off: []uint32{0}}
		c.values = c.texts
	case r == roleFeatures || r == roleWeights:
		c.floats = newFloats(f.leaf)
		c.values = c.floats
	default:
		c.ints = newInts(f.leaf)
		c.values = c.ints
	}
	return c
}

// begin starts a group of that many rows.
func (c *column) begin(in filler, rows int64) {
	c.starts, c.inner, c.flags = c.starts[:0], c.inner[:0], c.flags[:0]
	c.values.drop(c.values.len())
	c.in, c.want, c.begun, c.ended = in, rows, 0, false
}

// row begins a row. Later values and lists belong to it.
func (c *column) row() error {
	if c.begun++; c.begun > c.want {
		return damaged("column %s has more rows than the %d that the file announces", c.field.name, c.want)
	}
	at := c.values.len()
	if c.field.depth == 2 {
		at = len(c.inner)
	}
	if at > math.MaxInt32 {
		return c.tooLarge()
	}
	c.starts = append(c.starts, int32(at))
	c.flags = append(c.flags, 0)
	return nil
}

func (c *column) tooLarge() error {
	return unusable("split the graph", "a graph takes more than %d bytes in column %s", c.limit, c.field.name)
}

// lack marks the row that was begun last.
func (c *column) lack(flag uint8) { c.flags[len(c.flags)-1] |= flag }

// complete is the number of rows that can be taken.
func (c *column) complete() int {
	if c.ended {
		return len(c.starts)
	}
	return max(len(c.starts)-1, 0)
}

// size is about what the column holds in memory.
func (c *column) size() int { return c.values.size() + 4*len(c.inner) + 5*len(c.starts) }

// fill decodes until there are so many rows or about so many bytes, but at least one row.
func (c *column) fill(rows, bytes int) error {
	for !c.ended && c.complete() < rows && (c.complete() == 0 || c.size() < bytes) {
		if err := c.in.fill(c); err != nil {
			return err
		}
		if c.complete() == 0 && c.size() > c.limit {
			return c.tooLarge()
		}
	}
	if c.ended && c.begun != c.want {
		return damaged("column %s has %d rows, the file announces %d", c.field.name, c.begun, c.want)
	}
	return nil
}

// finish makes sure that nothing is left of the group.
func (c *column) finish() error {
	for !c.ended {
		if err := c.in.fill(c); err != nil {
			return err
		}
		if len(c.starts) > 0 {
			break
		}
	}
	if len(c.starts) > 0 || c.begun != c.want {
		return damaged("column %s has other rows than the %d that the file announces", c.field.name, c.want)
	}
	return nil
}

// span gives the place of row i: in inner for lists of lists, else in the values.
func (c *column) span(i int) (from, to int) {
	if i+1 < len(c.starts) {
		return int(c.starts[i]), int(c.starts[i+1])
	}
	if c.field.depth == 2 {
		return int(c.starts[i]), len(c.inner)
	}
	return int(c.starts[i]), c.values.len()
}

// list gives the place of inner list j in the values.
func (c *column) list(j int) (from, to int) {
	if j+1 < len(c.inner) {
		return int(c.inner[j]), int(c.inner[j+1])
	}
	return int(c.inner[j]), c.values.len()
}

// within gives how many of the first n rows take about so many bytes, at least one.
func (c *column) within(n, bytes int) int {
	if c.size() <= bytes {
		return n
	}
	return max(1, sort.Search(n, func(i int) bool {
		_, at := c.span(i)
		if c.field.depth == 2 && at > 0 {
			_, at = c.list(at - 1)
		}
		return c.values.bytes(at) > bytes
	}))
}

// drop takes n complete rows from the front.
func (c *column) drop(n int) {
	if n == 0 {
		return
	}
	cut, lists := c.values.len(), len(c.inner)
	if n < len(c.starts) {
		if c.field.depth == 2 {
			if lists = int(c.starts[n]); lists < len(c.inner) {
				cut = int(c.inner[lists])
			}
		} else {
			cut = int(c.starts[n])
		}
	}
	c.values.drop(cut)
	first := cut
	if c.field.depth == 2 {
		c.inner = shift(c.inner, lists, cut)
		first = lists
	}
	c.starts = shift(c.starts, n, first)
	c.flags = c.flags[:copy(c.flags, c.flags[n:])]
}

// shift drops n places from the front and moves the others down.
func shift(s []int32, n, by int) []int32 {
	s = s[:copy(s, s[n:])]
	for i := range s {
		s[i] -= int32(by)
	}
	return s
}

// store holds the values of a column.
type store interface {
	len() int
	size() int
	// bytes is the size of the first n.
	bytes(n int) int
	// null adds a value that stands for one that is missing.
	null()
	// drop takes values from the front.
	drop(n int)
}

// numbers are values of one type in memory, whatever it is in the file.
type numbers[T float32 | int64] struct {
	v []T
	// width is the size of a stored value, and convert decodes as many as dst holds.
	width   int
	convert func(dst []T, src []byte)
}

func (n *numbers[T]) len() int        { return len(n.v) }
func (n *numbers[T]) size() int       { return len(n.v) * max(n.width, 4) }
func (n *numbers[T]) bytes(k int) int { return k * max(n.width, 4) }
func (n *numbers[T]) null()           { n.v = append(n.v, 0) }
func (n *numbers[T]) drop(k int)      { n.v = n.v[:copy(n.v, n.v[k:])] }

// extend makes room for k values and gives it.
func (n *numbers[T]) extend(k int) []T {
	at := len(n.v)
	n.v = slices.Grow(n.v, k)[:at+k]
	return n.v[at:]
}

// add decodes stored values.
func (n *numbers[T]) add(src []byte) { n.convert(n.extend(len(src)/n.width), src) }

// texts are byte strings back to back: i is b[off[i]:off[i+1]].
type texts struct {
	b   []byte
	off []uint32
}

func (t *texts) len() int        { return len(t.off) - 1 }
func (t *texts) size() int       { return len(t.b) + 4*len(t.off) }
func (t *texts) bytes(n int) int { return int(t.off[n]) + 4*n }
func (t *texts) null()           { t.off = append(t.off, uint32(len(t.b))) }
func (t *texts) at(i int) []byte {
	return t.b[t.off[i]:t.off[i+1]]
}

func (t *texts) add(v []byte) {
	t.b = append(t.b, v...)
	t.off = append(t.off, uint32(len(t.b)))
}

func (t *texts) drop(k int) {
	cut := t.off[k]
	t.b = t.b[:copy(t.b, t.b[cut:])]
	t.off = t.off[:copy(t.off, t.off[k:])]
	for i := range t.off {
		t.off[i] -= cut
	}
}

func convert[S, T any](width int, get func([]byte) S, to func(S) T) func([]T, []byte) {
	return func(dst []T, src []byte) {
		for i := range dst {
			dst[i] = to(get(src[i*width:]))
		}
	}
}

var le = binary.LittleEndian

func newInts(l leaf) *numbers[int64] {
	n := &numbers[int64]{width: l.width()}
	switch l {
	case leafInt8:
		n.convert = func(dst []int64, src []byte) {
			for i := range dst {
				dst[i] = int64(int8(src[i]))
			}
		}
	case leafUint8:
		n.convert = func(dst []int64, src []byte) {
			for i := range dst {
				dst[i] = int64(src[i])
			}
		}
	case leafInt16:
		n.convert = convert(2, le.Uint16, func(v uint16) int64 { return int64(int16(v)) })
	case leafUint16:
		n.convert = convert(2, le.Uint16, func(v uint16) int64 { return int64(v) })
	case leafInt32:
		n.convert = func(dst []int64, src []byte) {
			for i := range dst {
				dst[i] = int64(int32(le.Uint32(src[4*i:])))
			}
		}
	case leafUint32:
		n.convert = convert(4, le.Uint32, func(v uint32) int64 { return int64(v) })
	default:
		n.convert = func(dst []int64, src []byte) {
			for i := range dst {
				dst[i] = int64(le.Uint64(src[8*i:]))
			}
		}
	}
	return n
}

func newFloats(l leaf) *numbers[float32] {
	n := &numbers[float32]{width: l.width()}
	switch l {
	case leafFloat32:
		n.convert = floatsOf
	case leafFloat64:
		n.convert = convert(8, le.Uint64, func(v uint64) float32 { return float32(math.Float64frombits(v)) })
	case leafUint64:
		n.convert = convert(8, le.Uint64, func(v uint64) float32 { return float32(v) })
	default:
		ints := newInts(l)
		n.convert = func(dst []float32, src []byte) {
			ints.v = ints.v[:0]
			ints.add(src[:len(dst)*n.width])
			for i, v := range ints.v {
				dst[i] = float32(v)
			}
		}
	}
	return n
}

// native says whether numbers lie in memory as they do in files.
var native = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// floatsOf decodes little-endian float32.
func floatsOf(dst []float32, src []byte) {
	if native {
		copy(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(dst))), 4*len(dst)), src[:4*len(dst)])
		return
	}
	for i := range dst {
		dst[i] = math.Float32frombits(le.Uint32(src[4*i:]))
	}
}

// width is the size of a value in Arrow memory.
func (l leaf) width() int {
	switch l {
	case leafInt8, leafUint8:
		return 1
	case leafInt16, leafUint16:
		return 2
	case leafInt32, leafUint32, leafFloat32:
		return 4
	}
	return 8
}
