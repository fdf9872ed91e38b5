package readers

// dictionary holds the values that the numbers of a column stand for.
type dictionary struct {
	values *column // one row a value
}

func (d *dictionary) size() int64 { return int64(d.values.values.len()) }

// applyDictionaries reads the dictionaries that hold for record batch i: in a stream those before it, in a
// file all, as there they only ever grow.
func (a *arrowFile) applyDictionaries(i int) error {
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

func (a *arrowFile) applyDictionary(m message) error {
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
		return damaged("dictionary %d is empty", id)
	}
	b, err := newBatch(m, data)
	if err != nil {
		return err
	}
	if b.rows = data.long(0); b.rows < 0 {
		return damaged("dictionary %d has %d values", id, b.rows)
	}
	old := a.dicts[id]
	d := &dictionary{values: newColumn(roleGraphID, field{name: f.name, leaf: f.leaf}, a.limit)}
	if header.byte(2, 0) != 0 && old != nil {
		d = old
	}
	plain := *f
	plain.coded = false
	in := newArrowColumn(d.values, &plain, a)
	defer in.close()
	if err := in.begin(b, cursor{}); err != nil {
		return err
	}
	a.dicts[id] = d
	return d.read(in, b.rows)
}

// read appends the values of one dictionary message.
func (d *dictionary) read(in *arrowColumn, rows int64) error {
	c := d.values
	c.in, c.begun, c.want, c.ended = in, 0, rows, false
	for !c.ended {
		if err := in.fill(c); err != nil {
			return err
		}
		if c.size() > c.limit {
			return unusable("write it without a dictionary", "the dictionary of column %s takes more than %d bytes", c.field.name, c.limit)
		}
	}
	return nil
}

// coded finds the needed column with a dictionary.
func (a *arrowFile) coded(id int64) *arrowField {
	for _, c := range a.columns {
		if c.leaf.field.coded && c.leaf.field.dict == id {
			return c.leaf.field
		}
	}
	return nil
}
