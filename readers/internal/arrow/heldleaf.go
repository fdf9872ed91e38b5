package arrow

import (
	"graphscore/readers/internal/column"
)

// read adds n values from place from on. The column's row gets the flag if one of them is null.
func (a *held) read(c *column.Column, from, n int64, flag uint8) error {
	if n > int64(c.Limit)/4 {
		return c.TooLarge()
	}
	for n > 0 {
		k := int64(1)
		leaf, at, there, err := a.find(from)
		if err != nil {
			return err
		}
		for leaf == a && there && k < n && leaf.exists(at+k) { // those of runs are read one after the other
			k++
		}
		if there {
			err = leaf.add(c, at, k, flag)
		} else {
			c.SetFlag(flag)
			c.Values.AddNull()
		}
		if err != nil {
			return err
		}
		if c.Texts != nil && len(c.Texts.Data) > c.Limit {
			return c.TooLarge()
		}
		from, n = from+k, n-k
	}
	return nil
}

// exists says whether there is a value i and it is not null.
func (a *held) exists(i int64) bool {
	return i < a.length && (len(a.valid) == 0 || a.valid[i/8]>>(i%8)&1 == 1)
}

// add adds n values that exist.
func (a *held) add(c *column.Column, at, n int64, flag uint8) error {
	switch {
	case a.field.coded:
		b, err := a.values.slice(at, n)
		if err != nil {
			return err
		}
		a.index.Values = a.index.Values[:0]
		a.index.Add(b)
		return a.dict.add(c, a.index.Values, flag)
	case c.Texts != nil:
		for i := range n {
			if err := a.text(c, at+i); err != nil {
				return err
			}
		}
		return nil
	case a.field.leaf == column.LeafBool:
		return a.truths(c, at, n)
	}
	b, err := a.values.slice(at, n)
	if err != nil {
		return err
	}
	if a.field.leaf == column.LeafDecimal {
		for width := a.values.width; len(b) > 0; b = b[width:] {
			if err := addDecimal(c, b[:width], true); err != nil {
				return err
			}
		}
		return nil
	}
	addNumbers(c, b)
	return nil
}

func addNumbers(c *column.Column, b []byte) {
	if c.Floats != nil {
		c.Floats.Add(b)
		return
	}
	c.Ints.Add(b)
}

// truths adds n truth values, which are bits.
func (a *held) truths(c *column.Column, at, n int64) error {
	if at+n > 8*int64(len(a.values.b)) {
		return column.Damaged("a buffer is shorter than its rows need")
	}
	for i := at; i < at+n; i++ {
		addNumbers(c, []byte{a.values.b[i/8] >> (i % 8) & 1})
	}
	return nil
}

// text adds a text.
func (a *held) text(c *column.Column, i int64) error {
	switch {
	case a.field.viewed():
		b, err := a.values.slice(i, 1)
		if err != nil {
			return err
		}
		v, err := viewed(c, a.views, b)
		if err != nil {
			return err
		}
		return addText(c, v)
	case a.field.kind == typeFixedBinary:
		v, err := a.values.slice(i, 1)
		if err != nil {
			return err
		}
		return addText(c, v)
	}
	from, err := a.places.offset(i)
	if err != nil {
		return err
	}
	end, err := a.places.offset(i + 1)
	if err != nil {
		return err
	}
	if from < 0 || end < from || end > int64(len(a.data)) {
		return column.Damaged("a text of column %s is at bytes %d to %d of %d", c.Field.Name, from, end, len(a.data))
	}
	return addText(c, a.data[from:end])
}

// addText adds a text where the column has room for it.
func addText(c *column.Column, v []byte) error {
	if len(v) > c.Limit-len(c.Texts.Data) {
		return c.TooLarge()
	}
	c.Texts.Add(v)
	return nil
}
