package readers

import (
	"fmt"
	"io"
)

// The types of Schema.fbs.
const (
	arrowNull = iota + 1
	arrowInt
	arrowFloat
	arrowBinary
	arrowUtf8
	arrowBool
	arrowDecimal
	arrowDate
	arrowTime
	arrowTimestamp
	arrowInterval
	arrowList
	arrowStruct
	arrowUnion
	arrowFixedBinary
	arrowFixedList
	arrowMap
	arrowDuration
	arrowLargeBinary
	arrowLargeUtf8
	arrowLargeList
	arrowRunEnd
	arrowBinaryView
	arrowUtf8View
	arrowListView
	arrowLargeListView
)

var arrowNames = [...]string{
	"unknown", "null", "int", "float", "binary", "string", "bool", "decimal", "date", "time", "timestamp", "interval",
	"list", "struct", "union", "fixed_size_binary", "fixed_size_list", "map", "duration", "large_binary",
	"large_string", "large_list", "run_end_encoded", "binary_view", "string_view", "list_view", "large_list_view",
}

// arrowField is a field of an Arrow schema.
type arrowField struct {
	name     string
	kind     int
	leaf     leaf
	size     int // of lists or values of fixed size
	dense    bool
	coded    bool // a dictionary stands for the values
	dict     int64
	index    leaf // the type of its numbers
	children []arrowField
}

// arrowFile is the framing of an Arrow IPC file or stream and the file behind it.
type arrowFile struct {
	r            io.ReaderAt
	limit        int64
	random       bool // a file: any record batch may be read at any time
	schema       []arrowField
	cols         []field
	batches      []message
	dictionaries []message

	columns []*arrowColumn
	applied int // dictionary messages applied
	dicts   map[int64]*dictionary
}

func openArrow(r io.ReaderAt, size int64, format Format, limit int64) (*arrowFile, error) {
	a := &arrowFile{r: r, limit: limit, random: format == ArrowFile, dicts: make(map[int64]*dictionary)}
	read := a.streamMessages
	if a.random {
		read = a.fileMessages
	}
	if err := read(size); err != nil {
		return nil, err
	}
	a.cols = make([]field, len(a.schema))
	for i := range a.schema {
		a.cols[i] = field{name: a.schema[i].name, place: i}
		a.schema[i].describe(&a.cols[i])
	}
	return a, nil
}

func (a *arrowFile) fields() []field { return a.cols }
func (a *arrowFile) footer() int64   { return 0 }

func (a *arrowFile) close() {
	for _, c := range a.columns {
		c.close()
	}
}

// readSchema parses the schema message.
func (a *arrowFile) readSchema(t table) error {
	if t.short(0) != 0 {
		return unusable("write it on a little-endian machine", "its numbers are big-endian, which cannot be read")
	}
	_, n := t.vector(1, 4)
	a.schema = make([]arrowField, n)
	for i := range a.schema {
		f, err := parseField(t.tables(1, i), 0)
		if err != nil {
			return err
		}
		a.schema[i] = f
	}
	return nil
}

func parseField(t table, depth int) (arrowField, error) {
	f := arrowField{name: t.string(0), kind: int(t.byte(2, 0))}
	if depth > maxDepth {
		return f, damaged("its columns are nested too deep")
	}
	if typ, ok := t.table(3); ok {
		f.parseType(typ)
	}
	if d, ok := t.table(4); ok {
		f.coded, f.dict, f.index = true, d.long(0), leafInt32
		if typ, ok := d.table(1); ok {
			f.index = intType(typ)
		}
	}
	_, n := t.vector(5, 4)
	for i := range n {
		c, err := parseField(t.tables(5, i), depth+1)
		if err != nil {
			return f, err
		}
		f.children = append(f.children, c)
	}
	return f, nil
}

func (f *arrowField) parseType(t table) {
	switch f.kind {
	case arrowInt:
		f.leaf = intType(t)
	case arrowFloat:
		switch t.short(0) {
		case 1:
			f.leaf = leafFloat32
		case 2:
			f.leaf = leafFloat64
		}
	case arrowUtf8, arrowLargeUtf8, arrowUtf8View:
		f.leaf = leafText
	case arrowBinary, arrowLargeBinary, arrowBinaryView:
		f.leaf = leafBinary
	case arrowFixedBinary:
		f.leaf, f.size = leafBinary, t.int(0)
	case arrowFixedList:
		f.size = t.int(0)
	case arrowUnion:
		f.dense = t.short(0) == 1
	}
}

func intType(t table) leaf {
	signed := t.byte(1, 0) != 0
	for i, bits := range []int{8, 16, 32, 64} {
		if t.int(0) != bits {
			continue
		}
		if signed {
			return leafInt8 + leaf(i)
		}
		return leafUint8 + leaf(i)
	}
	return leafOther
}

// describe finds type, depth of lists and leaf of a column.
func (f *arrowField) describe(to *field) {
	to.typ = f.typeName()
	for f.isList() && !f.coded {
		to.depth++
		f = &f.children[0]
	}
	to.leaf = f.leaf
	if f.coded && (!f.leaf.integer() && !f.leaf.bytes() || f.viewed() || f.index == leafOther) {
		to.leaf = leafOther
	}
}

func (f *arrowField) isList() bool {
	return (f.kind == arrowList || f.kind == arrowLargeList || f.kind == arrowFixedList) && len(f.children) == 1
}

func (f *arrowField) viewed() bool { return f.kind == arrowBinaryView || f.kind == arrowUtf8View }

var leafNames = [...]string{"", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float", "double"}

func (f *arrowField) typeName() string {
	name := arrowNames[0]
	if f.kind > 0 && f.kind < len(arrowNames) {
		name = arrowNames[f.kind]
	}
	switch {
	case f.leaf.number():
		name = leafNames[f.leaf]
	case f.kind == arrowFloat:
		name = "halffloat"
	case f.kind == arrowFixedBinary:
		name = fmt.Sprintf("%s[%d]", name, f.size)
	case f.isList():
		name = fmt.Sprintf("%s<%s>", name, f.children[0].typeName())
		if f.kind == arrowFixedList {
			name = fmt.Sprintf("%s[%d]", name, f.size)
		}
	}
	if f.coded {
		return fmt.Sprintf("dictionary<%s>", name)
	}
	return name
}

// footprint is how many nodes, buffers and variadic counts a column takes in a record batch.
type footprint struct {
	nodes, buffers, variadic int
	unknown                  bool
}

func (f *arrowField) footprint(version int) footprint {
	p := footprint{nodes: 1, buffers: 2}
	switch {
	case f.coded:
		return p
	case f.kind == arrowNull, f.kind == arrowRunEnd:
		p.buffers = 0
	case f.kind == arrowBinary || f.kind == arrowUtf8 || f.kind == arrowLargeBinary || f.kind == arrowLargeUtf8 ||
		f.kind == arrowListView || f.kind == arrowLargeListView:
		p.buffers = 3
	case f.kind == arrowFixedList || f.kind == arrowStruct:
		p.buffers = 1
	case f.kind == arrowUnion:
		p.buffers = 1
		if f.dense {
			p.buffers = 2
		}
		if version < 4 { // V5 has no validity
			p.buffers++
		}
	case f.viewed():
		p.variadic = 1
	case f.kind <= 0 || f.kind >= len(arrowNames):
		p.unknown = true
	}
	for i := range f.children {
		p = p.plus(f.children[i].footprint(version))
	}
	return p
}

func (p footprint) plus(q footprint) footprint {
	return footprint{p.nodes + q.nodes, p.buffers + q.buffers, p.variadic + q.variadic, p.unknown || q.unknown}
}

// groups gives rows and bytes of the record batches.
func (a *arrowFile) groups(b binding) ([]group, error) {
	for r := range roles {
		for i := range b[r] {
			if a.schema[i].footprint(4).unknown {
				return nil, unusable("drop the column", "column %s has a type that is not known, so what follows cannot be read", a.schema[i].name)
			}
		}
	}
	groups := make([]group, len(a.batches))
	for i, m := range a.batches {
		groups[i] = group{m.rows, m.bodyLen, a.sizes(m, b)}
	}
	return groups, nil
}

// open starts record batch i for the columns in use.
func (a *arrowFile) open(i int, columns []*column) error {
	for len(a.columns) < len(columns) {
		c := columns[len(a.columns)]
		a.columns = append(a.columns, newArrowColumn(c, &a.schema[c.field.place], a))
	}
	if err := a.applyDictionaries(i); err != nil {
		return err
	}
	t, err := a.readMeta(a.batches[i])
	if err != nil {
		return err
	}
	b, err := newBatch(a.batches[i], t)
	if err != nil {
		return err
	}
	for k, c := range columns {
		if err := a.columns[k].begin(b, a.before(c.field.place, b)); err != nil {
			return err
		}
		c.begin(a.columns[k], b.rows)
	}
	return nil
}

// cursor is a place in the nodes and buffers of a record batch.
type cursor struct{ node, buffer, variadic int }

// before gives where a column begins.
func (a *arrowFile) before(place int, b *batch) cursor {
	var p footprint
	for i := range place {
		p = p.plus(a.schema[i].footprint(b.version))
	}
	c := cursor{p.nodes, p.buffers, p.variadic}
	for i := range p.variadic {
		c.buffer += int(le.Uint64(b.variadic[8*i:]))
	}
	return c
}
