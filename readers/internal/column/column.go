package column

import (
	"math"
	"sort"

	"graphscore/pipeline/graph"
)

// Piece is how many values most fillers add at once.
const Piece = 4096

// What a row of a column lacks.
const (
	NullRow    = 1 // the value or list itself is null
	NullInside = 2 // a list or value inside of it is
)

// Column holds some rows of one column, decoded. Decoders fill it, the source takes rows from its front.
type Column struct {
	role  graph.InputColumn
	Field Field
	Limit int // bytes that a row may take

	// Large is called each time before a row takes the memory of a giant, where it is set. Its error ends Fill.
	Large func() error
	// Page is set by the filler: the memory of a page of which a part is decoded, where that is a page of one row.
	Page int64

	// Starts has the place of each row: in Inner for lists of lists, else in Values.
	Starts []int32
	// Inner has the place of each inner list in Values.
	Inner []int32
	// Flags has NullRow, NullInside or both for each row.
	Flags []uint8
	// Values is Floats, Ints or Texts, whichever is not nil.
	Values Values
	Floats *Numbers[float32]
	Ints   *Numbers[int64]
	Texts  *Texts

	// Begun is how many rows of the group were begun.
	Begun int64
	// Ended is set by the filler: no more rows will come in this group.
	Ended bool
	// Whole is set by the filler: a row is complete when Fill returns, and not only when the next one begins.
	Whole bool

	in   Filler
	want int64 // rows of the group
	lent int64 // values of the giant that was dropped last
}

// Filler is the decoder's side of a column.
type Filler interface {
	// Fill decodes a piece: it adds rows or values to c, or sets c.Ended.
	Fill(c *Column) error
}

// New returns a column without rows. A row of it may take limit bytes.
func New(r graph.InputColumn, f Field, limit int64) *Column {
	c := &Column{role: r, Field: f, Limit: int(limit)}
	switch {
	case f.Leaf.Bytes():
		c.Texts = &Texts{Offsets: []uint32{0}}
		c.Values = c.Texts
	case r == graph.InputWeights || featured(r) && !f.Leaf.Integer():
		c.Floats = NewFloats(f.Leaf)
		c.Values = c.Floats
	default:
		c.Ints = NewInts(f.Leaf)
		c.Values = c.Ints
	}
	return c
}

// featured says whether the values of a column are features. Where they are integers in the file, they stay so until they
// are known to be those that float32 holds.
func featured(r graph.InputColumn) bool {
	return r == graph.InputFeatures || r == graph.InputEdgeAttr || r == graph.InputGraphAttr
}

// Begin starts a group of that many rows.
func (c *Column) Begin(in Filler, rows int64) {
	c.Starts, c.Inner, c.Flags = c.Starts[:0], c.Inner[:0], c.Flags[:0]
	c.Values.drop(c.Values.Len())
	c.in, c.want, c.Begun, c.Ended, c.Whole, c.Page = in, rows, 0, false, false, 0
}

// More starts another piece of values, which are added to those that the column holds.
func (c *Column) More(in Filler, rows int64) {
	c.in, c.Begun, c.want, c.Ended = in, 0, rows, false
}

// BeginRow begins a row. Later values and lists belong to it.
func (c *Column) BeginRow() error {
	if c.Begun++; c.Begun > c.want {
		return Damaged("column %s has more rows than the %d that the file announces", c.Field.Name, c.want)
	}
	at := c.Values.Len()
	if c.Field.Depth == 2 {
		at = len(c.Inner)
	}
	if at > math.MaxInt32 {
		return c.TooLarge()
	}
	c.Starts = append(c.Starts, int32(at))
	c.Flags = append(c.Flags, 0)
	return nil
}

// TooLarge is the error of a row that takes more than Limit.
func (c *Column) TooLarge() error {
	return Unsupported("split the graph", "a graph takes more than %d bytes in column %s", c.Limit, c.Field.Name)
}

// SetFlag marks the row that was begun last.
func (c *Column) SetFlag(flag uint8) { c.Flags[len(c.Flags)-1] |= flag }

// Complete is the number of rows that can be taken.
func (c *Column) Complete() int {
	if c.Ended || c.Whole {
		return len(c.Starts)
	}
	return max(len(c.Starts)-1, 0)
}

// Size is about what the column holds in memory.
func (c *Column) Size() int { return c.Values.size() + 4*len(c.Inner) + 5*len(c.Starts) }

// Fill decodes until there are so many rows or about so many bytes, but at least one row.
func (c *Column) Fill(rows, bytes int) error {
	c.Values.aimAt(bytes)
	for !c.Ended && c.Complete() < rows && (c.Complete() == 0 || c.Size() < bytes) {
		if err := c.in.Fill(c); err != nil {
			return err
		}
		if c.Complete() > 0 {
			continue
		}
		if c.Size() > c.Limit {
			return c.TooLarge()
		}
		if err := c.Takes(int64(c.Size())); err != nil {
			return err
		}
	}
	if c.Ended && c.Begun != c.want {
		return Damaged("column %s has %d rows, the file announces %d", c.Field.Name, c.Begun, c.want)
	}
	return nil
}

// Finish makes sure that nothing is left of the group.
func (c *Column) Finish() error {
	for !c.Ended {
		if err := c.in.Fill(c); err != nil {
			return err
		}
		if len(c.Starts) > 0 {
			break
		}
	}
	if len(c.Starts) > 0 || c.Begun != c.want {
		return Damaged("column %s has other rows than the %d that the file announces", c.Field.Name, c.want)
	}
	return nil
}

// Span returns the place of row i: in inner for lists of lists, else in the values.
func (c *Column) Span(i int) (from, to int) {
	if i+1 < len(c.Starts) {
		return int(c.Starts[i]), int(c.Starts[i+1])
	}
	if c.Field.Depth == 2 {
		return int(c.Starts[i]), len(c.Inner)
	}
	return int(c.Starts[i]), c.Values.Len()
}

// List returns the place of inner list j in the values.
func (c *Column) List(j int) (from, to int) {
	if j+1 < len(c.Inner) {
		return int(c.Inner[j]), int(c.Inner[j+1])
	}
	return int(c.Inner[j]), c.Values.Len()
}

// Within returns how many of the first n rows take about so many bytes, at least one.
func (c *Column) Within(n, bytes int) int {
	if c.Size() <= bytes {
		return n
	}
	return max(1, sort.Search(n, func(i int) bool { return c.Values.bytes(c.end(i)) > bytes }))
}

// end is where the values of row i end.
func (c *Column) end(i int) int {
	_, at := c.Span(i)
	if c.Field.Depth == 2 && at > 0 {
		_, at = c.List(at - 1)
	}
	return at
}

// giant is the size of a row from which it is one of its own kind: such a row is not copied, where that can be helped, and
// its memory is not kept for others.
const giant = 4 << 20

// Giant says whether the first row, which is complete, is a giant. [Column.Drop] of it alone leaves its values as they are:
// they may be kept.
func (c *Column) Giant() bool { return c.Complete() > 0 && c.Values.bytes(c.end(0)) >= giant }

// Heavy says whether memory of a giant is held, beside what is kept for the next rows.
func (c *Column) Heavy() bool { return int64(c.Size())+c.Page >= giant }

// Takes calls Large where so many bytes are about to be taken, and are those of a giant.
func (c *Column) Takes(bytes int64) error {
	if c.Large == nil || bytes < giant {
		return nil
	}
	return c.Large()
}

// Expect makes room for k values that are added to the row that was begun last, where that row is large. The next rows
// rows, this one included, have at most rest values more. Memory would be copied again and again if it grew with the
// values alone; and little is reserved that the values read so far do not make likely, as rest may be forged. The error is that of Large.
func (c *Column) Expect(k int, rest, rows int64) error {
	row := c.Values.Len() - c.last()
	if c.Values.room() >= k || c.Values.bytes(row) < giant/16 {
		return nil
	}
	whole := int64(row) + rest
	size := whole
	if mean := whole / max(rows, 1); rows > 1 {
		switch more := int64(row + k); {
		case c.lent >= more: // as large as the last giant
			size = c.lent + c.lent/8
		case mean >= more:
			size = mean + mean/8
		default:
			size = 2 * more
		}
	}
	const most = 64 // times what is there
	more := max(k, int(min(size, whole, most*int64(row)))-row)
	if err := c.Takes(int64(c.Values.bytes(row + more))); err != nil {
		return err
	}
	c.Values.reserve(more)
	return nil
}

// last is where the values of the row begin that was begun last.
func (c *Column) last() int {
	if len(c.Starts) == 0 {
		return 0
	}
	at := int(c.Starts[len(c.Starts)-1])
	if c.Field.Depth < 2 {
		return at
	}
	if at < len(c.Inner) {
		return int(c.Inner[at])
	}
	return c.Values.Len()
}

// Rows is how many rows the group has.
func (c *Column) Rows() int64 { return c.want }

// Left is how many rows of the group are not complete.
func (c *Column) Left() int64 { return c.want - c.Begun + 1 }

// Drop takes n complete rows from the front.
func (c *Column) Drop(n int) {
	if n == 0 {
		return
	}
	cut, lists := c.behind(n)
	if n == 1 && c.Giant() {
		c.lent = int64(cut)
		c.Values.lend(cut)
	} else {
		c.Values.drop(cut)
	}
	c.shift(n, cut, lists)
}

// Lendable returns the values of the first n rows, which are floats, where they take most of the memory of all: they may be
// kept if these rows are then taken by [Column.Trade]. Else it returns nil.
func (c *Column) Lendable(n int) []float32 {
	if c.Floats == nil || n == 0 {
		return nil
	}
	if cut, _ := c.behind(n); cut > cap(c.Floats.Values)/2 {
		return c.Floats.Values[:cut]
	}
	return nil
}

// Trade is Drop for rows whose values, which are floats, somebody keeps. The other values move to memory, which is the
// column's from then on.
func (c *Column) Trade(n int, memory []float32) {
	cut, lists := c.behind(n)
	c.Floats.trade(cut, memory)
	c.shift(n, cut, lists)
}

// behind is how many values, and inner lists, the first n rows have. n is not 0.
func (c *Column) behind(n int) (cut, lists int) {
	cut, lists = c.Values.Len(), len(c.Inner)
	if n == len(c.Starts) {
		return cut, lists
	}
	if c.Field.Depth < 2 {
		return int(c.Starts[n]), lists
	}
	if lists = int(c.Starts[n]); lists < len(c.Inner) {
		cut = int(c.Inner[lists])
	}
	return cut, lists
}

// shift takes n rows from the front of all but the values.
func (c *Column) shift(n, cut, lists int) {
	first := cut
	if c.Field.Depth == 2 {
		c.Inner = shift(c.Inner, lists, cut)
		first = lists
	}
	c.Starts = shift(c.Starts, n, first)
	c.Flags = c.Flags[:copy(c.Flags, c.Flags[n:])]
}

// shift drops n places from the front and moves the others down.
func shift(s []int32, n, by int) []int32 {
	s = s[:copy(s, s[n:])]
	for i := range s {
		s[i] -= int32(by)
	}
	return s
}

// Values holds the values of a column: Numbers or Texts.
type Values interface {
	// Len is the number of values.
	Len() int
	// AddNull adds a value in the place of one that is missing.
	AddNull()
	// size is about how many bytes they take in memory.
	size() int
	// bytes is the size of the first n.
	bytes(n int) int
	// aimAt sets about how many bytes the values will take.
	aimAt(bytes int)
	// room is how many more values, or bytes of texts, have room.
	room() int
	// reserve makes room for exactly so many more.
	reserve(n int)
	// drop takes n values from the front.
	drop(n int)
	// lend is drop, and leaves those n values as they are: the others are in other memory from then on.
	lend(n int)
}
