package arrow

import (
	"fmt"
	"io"
	"slices"

	"graphscore/pipeline/graph"
	"graphscore/readers/internal/column"
)

// The types of Schema.fbs.
const (
	typeNull = iota + 1
	typeInt
	typeFloat
	typeBinary
	typeUtf8
	typeBool
	typeDecimal
	typeDate
	typeTime
	typeTimestamp
	typeInterval
	typeList
	typeStruct
	typeUnion
	typeFixedBinary
	typeFixedList
	typeMap
	typeDuration
	typeLargeBinary
	typeLargeUtf8
	typeLargeList
	typeRunEnd
	typeBinaryView
	typeUtf8View
	typeListView
	typeLargeListView
)

var typeNames = [...]string{
	"unknown", "null", "int", "float", "binary", "string", "bool", "decimal", "date", "time", "timestamp", "interval",
	"list", "struct", "union", "fixed_size_binary", "fixed_size_list", "map", "duration", "large_binary",
	"large_string", "large_list", "run_end_encoded", "binary_view", "string_view", "list_view", "large_list_view",
}

// field is a field of an Arrow schema.
type field struct {
	name     string
	kind     int
	leaf     column.Leaf
	size     int // of lists or values of fixed size
	dense    bool
	coded    bool // the values are in a dictionary
	dict     int64
	index    column.Leaf // the type of its numbers
	children []field
	ext      extension
	scale    int // of a decimal
}

// File is the framing of an Arrow IPC file or stream and the file behind it.
type File struct {
	r            io.ReaderAt
	limit        int64
	random       bool // a file: any record batch may be read at any time
	schema       []field
	cols         []column.Field
	batches      []message
	dictionaries []message

	columns []batchReader
	applied int // dictionary messages applied
	dicts   map[int64]*dictionary
}

// Open reads the schema and finds the record batches of an Arrow IPC file (random) or stream. limit is how many bytes
// one row, or one buffer that must be held, may take. The file stays the caller's.
func Open(r io.ReaderAt, size int64, random bool, limit int64) (*File, error) {
	a := &File{r: r, limit: limit, random: random, dicts: make(map[int64]*dictionary)}
	read := a.streamMessages
	if a.random {
		read = a.fileMessages
	}
	if err := read(size); err != nil {
		return nil, err
	}
	a.cols = a.describe()
	return a, nil
}

// describe describes the columns of the schema.
func (a *File) describe() []column.Field {
	fields := make([]column.Field, len(a.schema))
	for i := range a.schema {
		fields[i] = column.Field{Name: a.schema[i].name, Place: i}
		a.schema[i].describe(&fields[i])
	}
	return fields
}

// Fields describes the columns.
func (a *File) Fields() []column.Field { return a.cols }

// FooterSize is 0: the footer of an Arrow file says nothing that the rest does not.
func (a *File) FooterSize() int64 { return 0 }

// Close frees what the decompressors hold. It does not close the file.
func (a *File) Close() {
	for _, c := range a.columns {
		c.close()
	}
}

// readSchema parses the schema message.
func (a *File) readSchema(t fbTable) error {
	if t.short(0) != 0 {
		return column.Unsupported("write it on a little-endian machine", "its numbers are big-endian, which cannot be read")
	}
	_, n := t.vector(1, 4)
	a.schema = make([]field, n)
	for i := range a.schema {
		f, err := parseField(t.tables(1, i), 0)
		if err != nil {
			return err
		}
		a.schema[i] = f
	}
	return nil
}

func parseField(t fbTable, depth int) (field, error) {
	f := field{name: t.string(0), kind: int(t.byte(2, 0)), ext: extensionOf(t)}
	if depth > column.MaxDepth {
		return f, column.Damaged("its columns are nested too deep")
	}
	if typ, ok := t.table(3); ok {
		f.parseType(typ)
	}
	if d, ok := t.table(4); ok {
		f.coded, f.dict, f.index = true, d.long(0), column.LeafInt32
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

func (f *field) parseType(t fbTable) {
	switch f.kind {
	case typeNull:
		f.leaf = column.LeafNull
	case typeDecimal:
		f.parseDecimal(t)
	case typeInt:
		f.leaf = intType(t)
	case typeFloat:
		switch t.short(0) {
		case 0:
			f.leaf = column.LeafFloat16
		case 1:
			f.leaf = column.LeafFloat32
		case 2:
			f.leaf = column.LeafFloat64
		}
	case typeBool:
		f.leaf = column.LeafBool
	case typeUtf8, typeLargeUtf8, typeUtf8View:
		f.leaf = column.LeafText
	case typeBinary, typeLargeBinary, typeBinaryView:
		f.leaf = column.LeafBinary
	case typeFixedBinary:
		f.leaf, f.size = column.LeafBinary, t.int(0)
	case typeFixedList:
		f.size = t.int(0)
	case typeUnion:
		f.dense = t.short(0) == 1
	}
}

// parseDecimal takes decimals of scale 0 for integers.
func (f *field) parseDecimal(t fbTable) {
	f.size, f.scale = 16, t.int(1)
	if bits := t.int(2); bits != 0 {
		f.size = bits / 8
	}
	if f.scale == 0 && (f.size == 4 || f.size == 8 || f.size == 16 || f.size == 32) {
		f.leaf = column.LeafDecimal
	}
}

func intType(t fbTable) column.Leaf {
	signed := t.byte(1, 0) != 0
	for i, bits := range []int{8, 16, 32, 64} {
		if t.int(0) != bits {
			continue
		}
		if signed {
			return column.LeafInt8 + column.Leaf(i)
		}
		return column.LeafUint8 + column.Leaf(i)
	}
	return column.LeafOther
}

// describe finds type, depth of lists and leaf of a column.
func (f *field) describe(to *column.Field) {
	to.Type = f.typeName()
	top := f
	for !f.coded && (f.isList() || f.isRuns()) {
		if f.isRuns() {
			f = &f.children[1]
			continue
		}
		to.Depth++
		f = &f.children[0]
	}
	defer top.hints(to)
	to.Leaf = f.leaf
	if f.coded && f.index == column.LeafOther {
		to.Leaf = column.LeafOther
	}
}

// leafField is the field below lists and runs.
func (f *field) leafField() *field {
	for !f.coded && (f.isList() || f.isRuns()) {
		f = &f.children[len(f.children)-1]
	}
	return f
}

// inOrder says whether the buffers of a column can be read from their beginning to their end.
func (f *field) inOrder() bool {
	for !f.coded && f.isList() && !f.listView() {
		f = &f.children[0]
	}
	return f.coded || !f.listView() && !f.isRuns() && f.leaf != column.LeafBool
}

func (f *field) isList() bool {
	return (f.kind == typeList || f.kind == typeLargeList || f.kind == typeFixedList || f.listView()) && len(f.children) == 1
}

// listView says whether lists have a place and a size each.
func (f *field) listView() bool { return f.kind == typeListView || f.kind == typeLargeListView }

// isRuns says whether values are stored once a run, after the ends of the runs.
func (f *field) isRuns() bool {
	if f.kind != typeRunEnd || len(f.children) != 2 || f.children[0].coded {
		return false
	}
	ends := f.children[0].leaf
	return ends == column.LeafInt16 || ends == column.LeafInt32 || ends == column.LeafInt64
}

func (f *field) viewed() bool { return f.kind == typeBinaryView || f.kind == typeUtf8View }

var leafNames = [...]string{"", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float", "double"}

func (f *field) typeName() string {
	name := typeNames[0]
	if f.kind > 0 && f.kind < len(typeNames) {
		name = typeNames[f.kind]
	}
	switch ext := f.extensionName(); {
	case ext != "":
		name = ext
	case f.kind == typeDecimal:
		name = fmt.Sprintf("decimal(scale %d)", f.scale)
	case f.leaf == column.LeafFloat16:
		name = "halffloat"
	case int(f.leaf) < len(leafNames) && leafNames[f.leaf] != "":
		name = leafNames[f.leaf]
	case f.isRuns():
		name = fmt.Sprintf("%s<%s>", name, f.children[1].typeName())
	case f.kind == typeFixedBinary:
		name = fmt.Sprintf("%s[%d]", name, f.size)
	case f.isList():
		name = fmt.Sprintf("%s<%s>", name, f.children[0].typeName())
		if f.kind == typeFixedList {
			name = fmt.Sprintf("%s[%d]", name, f.size)
		}
	}
	if f.coded {
		return fmt.Sprintf("dictionary<%s>", name)
	}
	return name
}

// footprint is how many nodes, buffers and variadic counts a column takes in a record batch. Every field has one node;
// where a type is not known, buffers and variadic counts are the least that there are.
type footprint struct {
	nodes, buffers, variadic int
	unknown                  bool
}

func (f *field) footprint(version int) footprint {
	p := footprint{nodes: 1, buffers: 2}
	switch {
	case f.coded:
		return p
	case f.kind == typeNull, f.kind == typeRunEnd:
		p.buffers = 0
	case f.kind == typeBinary || f.kind == typeUtf8 || f.kind == typeLargeBinary || f.kind == typeLargeUtf8 ||
		f.kind == typeListView || f.kind == typeLargeListView:
		p.buffers = 3
	case f.kind == typeFixedList || f.kind == typeStruct:
		p.buffers = 1
	case f.kind == typeUnion:
		p.buffers = 1
		if f.dense {
			p.buffers = 2
		}
		if version < 4 { // V5 has no validity
			p.buffers++
		}
	case f.viewed():
		p.variadic = 1
	case f.kind <= 0 || f.kind >= len(typeNames):
		p.buffers, p.unknown = 0, true
	}
	for i := range f.children {
		p = p.plus(f.children[i].footprint(version))
	}
	return p
}

func (p footprint) plus(q footprint) footprint {
	return footprint{p.nodes + q.nodes, p.buffers + q.buffers, p.variadic + q.variadic, p.unknown || q.unknown}
}

// Groups returns rows and bytes of the record batches.
func (a *File) Groups(b column.Binding) ([]column.Group, error) {
	for r := range graph.NumInputColumns {
		if err := a.located(b[r]); err != nil {
			return nil, err
		}
	}
	groups := make([]column.Group, len(a.batches))
	for i, m := range a.batches {
		groups[i] = column.Group{Rows: m.rows, Bytes: m.bodyLen, Sizes: a.sizes(m, b)}
	}
	return groups, nil
}

// Same reports whether [File.Groups] are those that were planned.
func (a *File) Same(b column.Binding, planned []column.Group) (bool, error) {
	groups, err := a.Groups(b)
	return err == nil && slices.Equal(groups, planned), err
}

// located refuses a column between two of types that are not known: it can be counted off neither from the beginning
// nor from the end.
func (a *File) located(place int) error {
	unknown := func(f field) bool { return f.footprint(4).unknown }
	if place < 0 {
		return nil
	}
	before, after := slices.IndexFunc(a.schema[:place], unknown), slices.IndexFunc(a.schema[place:], unknown)
	if before < 0 || after < 0 {
		return nil
	}
	return column.Unsupported("drop one of them", "columns %s and %s have types that are not known, so %s, which is between them, cannot be found",
		a.schema[before].name, a.schema[place+after].name, a.schema[place].name)
}

// Open starts record batch i for the columns being read.
func (a *File) Open(i int, columns []*column.Column) error {
	for len(a.columns) < len(columns) {
		c := columns[len(a.columns)]
		a.columns = append(a.columns, newBatchReader(c, &a.schema[c.Field.Place], a))
	}
	if err := a.applyDictionaries(i); err != nil {
		return err
	}
	t, err := a.readMeta(a.batches[i])
	if err != nil {
		return err
	}
	b, err := newRecordBatch(a.batches[i], t)
	if err != nil {
		return err
	}
	for k, c := range columns {
		at, err := a.locate(c.Field.Place, b)
		if err != nil {
			return err
		}
		if err := a.columns[k].begin(b, at); err != nil {
			return err
		}
		c.Begin(a.columns[k], b.rows)
		c.Whole = true
	}
	return nil
}

// cursor is a place in the nodes and buffers of a record batch.
type cursor struct{ node, buffer, variadic int }

// locate returns where a column begins. Behind a column of a type that is not known it is counted off from the end: its
// node must then be the one that it has from the beginning.
func (a *File) locate(place int, b *recordBatch) (cursor, error) {
	before := a.footprint(a.schema[:place], b)
	c := cursor{before.nodes, before.buffers, before.variadic}
	if !before.unknown {
		views, err := b.views(0, before.variadic)
		c.buffer += views
		return c, err
	}
	rest, counts := a.footprint(a.schema[place:], b), len(b.variadic)/8
	views, err := b.views(counts-rest.variadic, counts)
	if err != nil {
		return c, err
	}
	at := cursor{b.nodeLen - rest.nodes, b.bufLen - rest.buffers - views, counts - rest.variadic}
	if at.node != c.node || at.buffer < c.buffer || at.variadic < c.variadic {
		return c, column.Damaged("a record batch has %d nodes, %d buffers and %d counts of buffers, which are not those of its columns", b.nodeLen, b.bufLen, counts)
	}
	return at, nil
}

// footprint is that of columns side by side.
func (a *File) footprint(fields []field, b *recordBatch) (p footprint) {
	for i := range fields {
		p = p.plus(fields[i].footprint(b.version))
	}
	return p
}

// views is how many buffers views have on top of their own, by the variadic counts from one place to another.
func (b *recordBatch) views(from, to int) (buffers int, err error) {
	if from < 0 || to > len(b.variadic)/8 {
		return 0, column.Damaged("a record batch has %d counts of buffers, too few for its columns", len(b.variadic)/8)
	}
	for i := from; i < to; i++ {
		n := le.Uint64(b.variadic[8*i:])
		if n > uint64(b.bufLen-buffers) {
			return 0, column.Damaged("a view claims %d buffers of %d", n, b.bufLen)
		}
		buffers += int(n)
	}
	return buffers, nil
}
