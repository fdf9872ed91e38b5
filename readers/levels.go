package readers

import "math/bits"

// piece is how many levels are decoded at once.
const piece = 4096

// nesting says what the levels of a Parquet column mean.
type nesting struct {
	maxRep, maxDef uint8
	// element [list depth from 1]: the definition level from which a list of that depth has an element. One
	// less is an empty list, below that it is null, or a list around it is.
	element [3]uint8
}

// leveled fills a column from the pages of a Parquet column chunk: it assembles rows out of repetition and
// definition levels as the Dremel paper describes, which is the same work for lists, large lists, lists of
// fixed size, two-level lists and whatever may be null in them.
type leveled struct {
	nesting
	pages  pages
	values decoder

	texts    int   // how many texts the next piece has
	chunk    int64 // values of the chunk still to come, missing ones included
	left     int   // those of the page
	rep, def hybrid
	reps     [piece]uint8
	defs     [piece]uint8
	marks    [piece]mark
}

// begin starts a column chunk of so many values.
func (l *leveled) begin(values int64) {
	l.chunk, l.left = values, 0
	l.values.reset()
}

// fill decodes the next piece of a page.
func (l *leveled) fill(c *column) error {
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
	return l.values.end()
}

// next begins a piece of n values with their definition levels, or ends the column: then n is 0. full: every value
// is there.
func (l *leveled) next(c *column) (n int, full bool, err error) {
	for l.left == 0 {
		if l.chunk == 0 {
			c.ended = true
			return 0, false, nil
		}
		if err := l.page(); err != nil {
			return 0, false, err
		}
	}
	n = l.step(c)
	l.left -= n
	full, err = l.present(n)
	return n, full, err
}

// step is the size of the next piece. Texts may be of any size, so there it depends on those before.
func (l *leveled) step(c *column) int {
	if c.texts == nil {
		return min(l.left, piece)
	}
	if n := c.texts.len(); n > 0 && len(c.texts.b)/n > 1<<8 {
		l.texts = max(min(l.texts, 1<<16*n/len(c.texts.b)), 1)
	} else {
		l.texts = min(2*l.texts+16, piece)
	}
	return min(l.left, l.texts)
}

// page begins the next data page.
func (l *leveled) page() error {
	h, body, err := l.pages.next()
	if err != nil {
		return err
	}
	if h.kind == pageDictionary {
		if h.encoding != encPlain && h.encoding != encPlainDictionary {
			return cannotDecode(l.pages.name, h.encoding)
		}
		return l.values.dictionary(body, int(h.values))
	}
	if h.values > l.chunk {
		return damaged("column %s has more values than the file announces", l.pages.name)
	}
	l.chunk -= h.values
	l.left = int(h.values)
	if h.kind == pageV2 {
		l.rep.reset(body[:h.repLength], width(l.maxRep))
		l.def.reset(body[h.repLength:h.repLength+h.defLength], width(l.maxDef))
		body = body[h.repLength+h.defLength:]
	} else {
		if body, err = l.levelsV1(&l.rep, l.maxRep, h.repEncoding, body); err != nil {
			return err
		}
		if body, err = l.levelsV1(&l.def, l.maxDef, h.defEncoding, body); err != nil {
			return err
		}
	}
	if l.left == 0 {
		return nil
	}
	return l.values.page(h.encoding, body, l.left)
}

func width(level uint8) uint { return uint(bits.Len8(level)) }

// levelsV1 finds the levels of one kind in a page of version 1 and gives what follows them.
func (l *leveled) levelsV1(h *hybrid, level uint8, encoding int64, body []byte) ([]byte, error) {
	if level == 0 {
		return body, nil
	}
	if encoding != encRLE {
		return nil, cannotDecode(l.pages.name, encoding)
	}
	if len(body) < 4 || uint64(le.Uint32(body)) > uint64(len(body)-4) {
		return nil, damaged("a page of column %s has more levels than bytes", l.pages.name)
	}
	size := 4 + int(le.Uint32(body))
	h.reset(body[4:size], width(level))
	return body[size:], nil
}

// present gets the next n definition levels, unless they are not needed. full: every value is there.
func (l *leveled) present(n int) (full bool, err error) {
	if l.maxDef == 0 {
		return true, nil
	}
	if level, same := l.def.uniform(n); same {
		if level > uint32(l.maxDef) {
			return false, l.senseless()
		}
		if full = level == uint32(l.maxDef); !full || l.maxRep < 2 {
			repeat(l.defs[:n], uint8(level))
		}
		return full, nil
	}
	return false, decode(&l.def, l.defs[:n])
}

func (l *leveled) senseless() error {
	return damaged("the levels of column %s make no sense", l.pages.name)
}

// fullLists assembles lists of lists in which every value is there, the usual case of features and edges.
func (l *leveled) fullLists(c *column, n int) error {
	marks, err := l.rep.marks(l.marks[:0], n)
	if err != nil {
		return err
	}
	if len(c.inner) == 0 && (len(marks) == 0 || marks[0] != 0) { // values before the first list
		return l.senseless()
	}
	first := c.values.len()
	for _, m := range marks {
		switch m.level() {
		case 0:
			if err := c.row(); err != nil {
				return err
			}
		case 1:
			if len(c.starts) == 0 {
				return l.senseless()
			}
		default:
			return l.senseless()
		}
		c.inner = append(c.inner, int32(first+m.place()))
	}
	return l.values.take(n)
}

// assemble handles every other case.
func (l *leveled) assemble(c *column, n int) error {
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
		if r > l.maxRep || d > l.maxDef || r > 0 && (len(c.starts) == 0 || d < l.element[r]) {
			return l.senseless()
		}
		if r == 0 || c.field.depth == 2 && r == 1 {
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
			c.values.null()
			if l.maxRep > 0 {
				c.lack(nullInside)
			}
		}
	}
	return l.values.take(present)
}

// open begins a row or an inner list.
func (l *leveled) open(c *column, r, d uint8) error {
	if r == 0 {
		if err := c.row(); err != nil {
			return err
		}
		if l.maxRep == 0 {
			if d < l.maxDef {
				c.lack(nullRow)
			}
			return nil
		}
		if d < l.element[1]-1 {
			c.lack(nullRow)
		}
	}
	if c.field.depth < 2 || d < l.element[1] {
		return nil
	}
	if len(c.inner) > 0 && c.values.len() > maxValues {
		return c.tooLarge()
	}
	c.inner = append(c.inner, int32(c.values.len()))
	if d < l.element[2]-1 {
		c.lack(nullInside)
	}
	return nil
}

// maxValues keeps places within int32.
const maxValues = 1<<31 - 1 - piece
