package arrow

import (
	"graphscore/pipeline/graph"
	"graphscore/readers/internal/column"
)

// dictionary holds the values that the numbers of a column stand for.
type dictionary struct {
	values *column.Column // one row a value
}

func (d *dictionary) size() int64 { return int64(d.values.Values.Len()) }

// applyDictionaries reads the dictionaries that hold for record batch i: in a stream those before it, in a
// file all, as there they only ever grow.
func (a *File) applyDictionaries(i int) error {
	for ; a.applied < len(a.dictionaries); a.applied++ {
		m := a.dictionaries[a.applied]
		if !a.random && m.after > i {
			return nil
		}
		if err := a.applyDictionary(m); err != nil {
			return err
		}
	}
	return nil
}

func (a *File) applyDictionary(m message) error {
	header, err := a.readMeta(m)
	if err != nil {
		return err
	}
	id := header.long(0)
	f := a.coded(id)
	if f == nil {
		return nil // of a column that is not read
	}
	data, ok := header.table(1)
	if !ok {
		return column.Damaged("dictionary %d is empty", id)
	}
	b, err := newRecordBatch(m, data)
	if err != nil {
		return err
	}
	if b.rows = data.long(0); b.rows < 0 {
		return column.Damaged("dictionary %d has %d values", id, b.rows)
	}
	old := a.dicts[id]
	d := &dictionary{values: column.New(graph.InputGraphID, column.Field{Name: f.name, Leaf: f.leaf}, a.limit)}
	if header.byte(2, 0) != 0 && old != nil {
		d = old
	}
	plain := *f
	plain.coded = false
	in := newBatchReader(d.values, &plain, a)
	defer in.close()
	if err := in.begin(b, cursor{}); err != nil {
		return err
	}
	a.dicts[id] = d
	return d.read(in, b.rows)
}

// read appends the values of one dictionary message.
func (d *dictionary) read(in batchReader, rows int64) error {
	c := d.values
	c.More(in, rows)
	for !c.Ended {
		if err := in.Fill(c); err != nil {
			return err
		}
		if c.Size() > c.Limit {
			return column.Unsupported("write it without a dictionary", "the dictionary of column %s takes more than %d bytes", c.Field.Name, c.Limit)
		}
	}
	return nil
}

// add adds the values of those numbers to a column. Its row gets the flag if one of them is null.
func (d *dictionary) add(c *column.Column, numbers []int64, flag uint8) error {
	there := d.size()
	for _, v := range numbers {
		switch {
		case c.Flags[len(c.Flags)-1] != 0: // the number of a null means nothing, and the row is lost anyway
			c.Values.AddNull()
		case v < 0 || v >= there:
			return column.Damaged("column %s names entry %d of a dictionary of %d", c.Field.Name, v, there)
		case d.values.Flags[v] != 0:
			c.SetFlag(flag)
			c.Values.AddNull()
		case c.Texts != nil:
			if err := addText(c, d.values.Texts.At(int(v))); err != nil {
				return err
			}
		case c.Floats != nil:
			c.Floats.Values = append(c.Floats.Values, d.values.Field.Leaf.ToFloat(d.values.Ints.Values[v]))
		default:
			c.Ints.Values = append(c.Ints.Values, d.values.Ints.Values[v])
		}
	}
	return nil
}

// coded finds the needed column with a dictionary.
func (a *File) coded(id int64) *field {
	for _, c := range a.columns {
		if f := c.coded(); f.coded && f.dict == id {
			return f
		}
	}
	return nil
}
