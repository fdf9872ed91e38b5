package parquet

import (
	"encoding/binary"
	"math/bits"

	"graphscore/pipeline/page"
	"graphscore/readers/internal/column"
)

// piece is how many levels are decoded at once.
const piece = column.Piece

// nesting says what the levels of a Parquet column mean.
type nesting struct {
	maxRep, maxDef uint8
	// element [list depth from 1]: the definition level from which a list of that depth has an element. One
	// less is an empty list, below that it is null, or a list around it is.
	element [3]uint8
}

// chunkReader fills a column from the pages of a Parquet column chunk: it assembles rows out of repetition and
// definition levels as the Dremel paper describes, which is the same work for lists, large lists, lists of
// fixed size, two-level lists and whatever may be null in them.
type chunkReader struct {
	nesting
	pages  pages
	values decoder

	texts      int   // how many texts the next piece has
	whole      int64 // values of the chunk, missing ones included ...
	chunk      int64 // ... and those still to come
	left       int   // those of the page
	rep, def   rleDecoder
	reps       [piece]uint8
	defs       [piece]uint8
	listStarts [piece]listStart
}

// begin starts a column chunk of so many values.
func (l *chunkReader) begin(values int64) {
	l.whole, l.chunk, l.left = values, values, 0
	l.values.reset()
}

// Fill decodes the next piece of a page.
func (l *chunkReader) Fill(c *column.Column) error {
	n, full, err := l.next(c)
	if n == 0 || err != nil {
		return err
	}
	if full && l.maxRep == 2 {
		err = l.fullLists(c, n)
	} else {
		err = l.assemble(c, n)
	}
	if err != nil || l.left > 0 {
		return err
	}
	if err := l.values.end(); err != nil {
		return err
	}
	l.pages.free()
	c.Page = 0
	return nil
}

// takes says that a page of one row is about to be read. One that has at most twice the values of the mean row is taken for
// such a page.
func (l *chunkReader) takes(c *column.Column, h *page.Header) error {
	if rows := c.Rows(); rows == 0 || h.Values > 2*(l.whole/rows) {
		return nil
	}
	c.Page = max(h.Stored, h.Size)
	return c.Takes(c.Page)
}

// next begins a piece of n values with their definition levels, or ends the column: then n is 0. full: every value
// exists.
func (l *chunkReader) next(c *column.Column) (n int, full bool, err error) {
	for l.left == 0 {
		if l.chunk == 0 {
			c.Ended = true
			return 0, false, nil
		}
		if err := l.page(); err != nil {
			return 0, false, err
		}
	}
	n = l.step(c)
	l.left -= n
	c.Whole = l.maxRep == 0
	if c.Texts == nil {
		if err := c.Expect(n, int64(n)+int64(l.left)+l.chunk, c.Left()); err != nil {
			return 0, false, err
		}
	}
	full, err = l.present(n)
	return n, full, err
}

// step is the size of the next piece. Texts may be of any size, so there it depends on those before.
func (l *chunkReader) step(c *column.Column) int {
	if c.Texts == nil {
		return min(l.left, piece)
	}
	if n := c.Texts.Len(); n > 0 && len(c.Texts.Data)/n > 1<<8 {
		l.texts = max(min(l.texts, 1<<16*n/len(c.Texts.Data)), 1)
	} else {
		l.texts = min(2*l.texts+1, piece)
	}
	return min(l.left, l.texts)
}

// page begins the next data page.
func (l *chunkReader) page() error {
	h, body, err := l.pages.next()
	if err != nil {
		return err
	}
	if h.Kind == page.Dictionary {
		if h.Encoding != encPlain && h.Encoding != encPlainDictionary {
			return cannotDecode(l.pages.name, h.Encoding)
		}
		return l.values.dictionary(body, int(h.Values))
	}
	if h.Values > l.chunk {
		return column.Damaged("column %s has more values than the file announces", l.pages.name)
	}
	l.chunk -= h.Values
	l.left = int(h.Values)
	if h.Kind == page.V2 {
		l.rep.reset(body[:h.RepLength], width(l.maxRep))
		l.def.reset(body[h.RepLength:h.RepLength+h.DefLength], width(l.maxDef))
		body = body[h.RepLength+h.DefLength:]
	} else {
		if body, err = l.levelsV1(&l.rep, l.maxRep, h.RepEncoding, body); err != nil {
			return err
		}
		if body, err = l.levelsV1(&l.def, l.maxDef, h.DefEncoding, body); err != nil {
			return err
		}
	}
	if l.left == 0 {
		return nil
	}
	l.texts = min(l.texts, max(1, piece*l.left/max(1, len(body)))) // one at a time where they are large
	return l.values.page(h.Encoding, body, l.left)
}

func width(level uint8) uint { return uint(bits.Len8(level)) }

// levelsV1 finds the levels of one kind in a page of version 1 and returns what follows them.
func (l *chunkReader) levelsV1(h *rleDecoder, level uint8, encoding int64, body []byte) ([]byte, error) {
	if level == 0 {
		return body, nil
	}
	if encoding != encRLE {
		return nil, cannotDecode(l.pages.name, encoding)
	}
	if len(body) < 4 || uint64(binary.LittleEndian.Uint32(body)) > uint64(len(body)-4) {
		return nil, column.Damaged("a page of column %s has more levels than bytes", l.pages.name)
	}
	size := 4 + int(binary.LittleEndian.Uint32(body))
	h.reset(body[4:size], width(level))
	return body[size:], nil
}

// present gets the next n definition levels, unless they are not needed. full: every value exists.
func (l *chunkReader) present(n int) (full bool, err error) {
	if l.maxDef == 0 {
		return true, nil
	}
	if level, same := l.def.uniform(n); same {
		if level > uint32(l.maxDef) {
			return false, l.invalid()
		}
		if full = level == uint32(l.maxDef); !full || l.maxRep < 2 {
			repeat(l.defs[:n], uint8(level))
		}
		return full, nil
	}
	return false, decode(&l.def, l.defs[:n])
}

func (l *chunkReader) invalid() error {
	return column.Damaged("column %s: invalid levels", l.pages.name)
}

// fullLists assembles lists of lists in which every value exists, the usual case of features and edges.
func (l *chunkReader) fullLists(c *column.Column, n int) error {
	marks, err := l.rep.listStarts(l.listStarts[:0], n)
	if err != nil {
		return err
	}
	if len(c.Inner) == 0 && (len(marks) == 0 || marks[0] != 0) { // values before the first list
		return l.invalid()
	}
	first := c.Values.Len()
	for _, m := range marks {
		switch m.level() {
		case 0:
			if err := c.BeginRow(); err != nil {
				return err
			}
		case 1:
			if len(c.Starts) == 0 {
				return l.invalid()
			}
		default:
			return l.invalid()
		}
		c.Inner = append(c.Inner, int32(first+m.place()))
	}
	return l.values.take(n)
}

// assemble handles every other case.
func (l *chunkReader) assemble(c *column.Column, n int) error {
	if l.maxRep > 0 {
		if err := decode(&l.rep, l.reps[:n]); err != nil {
			return err
		}
	}
	present := 0 // values not yet taken from the page
	for i := range n {
		r, d := uint8(0), l.maxDef
		if l.maxRep > 0 {
			r = l.reps[i]
		}
		if l.maxDef > 0 {
			d = l.defs[i]
		}
		if r > l.maxRep || d > l.maxDef || r > 0 && (len(c.Starts) == 0 || d < l.element[r]) {
			return l.invalid()
		}
		if r == 0 || c.Field.Depth == 2 && r == 1 {
			if err := l.values.take(present); err != nil {
				return err
			}
			present = 0
			if err := l.open(c, r, d); err != nil {
				return err
			}
		}
		switch {
		case d == l.maxDef:
			present++
		case l.maxRep == 0 || d >= l.element[l.maxRep]: // a value that is null
			if err := l.values.take(present); err != nil {
				return err
			}
			present = 0
			c.Values.AddNull()
			if l.maxRep > 0 {
				c.SetFlag(column.NullInside)
			}
		}
	}
	return l.values.take(present)
}

// open begins a row or an inner list.
func (l *chunkReader) open(c *column.Column, r, d uint8) error {
	if r == 0 {
		if err := c.BeginRow(); err != nil {
			return err
		}
		if l.maxRep == 0 {
			if d < l.maxDef {
				c.SetFlag(column.NullRow)
			}
			return nil
		}
		if d < l.element[1]-1 {
			c.SetFlag(column.NullRow)
		}
	}
	if c.Field.Depth < 2 || d < l.element[1] {
		return nil
	}
	if len(c.Inner) > 0 && c.Values.Len() > maxValues {
		return c.TooLarge()
	}
	c.Inner = append(c.Inner, int32(c.Values.Len()))
	if d < l.element[2]-1 {
		c.SetFlag(column.NullInside)
	}
	return nil
}

// maxValues keeps places within int32.
const maxValues = 1<<31 - 1 - piece
