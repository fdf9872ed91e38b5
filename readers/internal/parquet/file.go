package parquet

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/metadata"
	"github.com/apache/arrow/go/v15/parquet/schema"

	"graphscore/pipeline/thrift"
	"graphscore/readers/internal/column"
)

// File is the footer of a Parquet file and the file behind it.
type File struct {
	r            io.ReaderAt
	size         int64
	tail         int64 // footer, its length and the magic
	footer       *footer
	whole        bool // the bytes of the footer were read
	cols         []column.Field
	limit        int64
	decompressor decompressor
	chunks       []*chunkReader // one a column being read, kept from row group to row group
}

// Open parses the footer of a file of that size. limit is how many bytes one page or row may take. known has footers that need
// not be parsed again, and may be nil. The file stays the caller's.
func Open(r io.ReaderAt, size, limit int64, known *Footers) (*File, error) {
	length, err := footerLength(r, size)
	if err != nil {
		return nil, err
	}
	now := stat(r, length)
	f, whole, raw, err := known.find(r, size, length, now)
	if err != nil {
		return nil, err
	}
	if f == nil {
		if f, err = parse(raw, size, known); err != nil {
			return nil, err
		}
		known.keep(f, raw, now)
	}
	return &File{r: r, size: size, tail: length + 8, footer: f, whole: whole, cols: f.cols, limit: limit}, nil
}

// footerLength is the number of bytes of a footer, without its length and the magic.
func footerLength(r io.ReaderAt, size int64) (int64, error) {
	var end [8]byte
	if size < 12 {
		return 0, column.Damaged("it has %d bytes, too few for Parquet", size)
	}
	if _, err := r.ReadAt(end[:], size-8); err != nil {
		return 0, err
	}
	switch string(end[4:]) {
	case "PAR1":
	case "PARE":
		return 0, column.Unsupported("decrypt it first", "it is encrypted, which cannot be read")
	default:
		return 0, column.Damaged("it begins like Parquet, but its footer is missing")
	}
	length := int64(binary.LittleEndian.Uint32(end[:4]))
	if length > size-12 {
		return 0, column.Damaged("its footer claims %d bytes of a file of %d", length, size)
	}
	return length, nil
}

// parse parses a footer.
func parse(raw []byte, size int64, known *Footers) (*footer, error) {
	f := &footer{size: size, length: int64(len(raw))}
	before, after, err := f.readGroups(raw)
	if err != nil {
		return nil, column.Damaged("its footer cannot be parsed (%v)", err)
	}
	if f.head = known.head(before, after); f.head != nil {
		return f, nil
	}
	f.head, err = parseHead(raw)
	var large *thrift.SchemaSizeError
	if errors.As(err, &large) {
		return nil, column.Unsupported("leave out columns that no model reads", "%v", large)
	}
	if err != nil {
		return nil, column.Damaged("its footer cannot be parsed (%v)", err)
	}
	known.keepHead(f.head, before, after)
	return f, nil
}

// The fields of a footer that differ from file to file.
const fileRows, fileGroups = 3, 4

// readGroups reads the number of rows and the row groups of a footer, and returns the bytes around them: nil where they are not
// side by side, each once.
func (f *footer) readGroups(raw []byte) (before, after []byte, err error) {
	c := &thrift.Reader{B: raw}
	side := true
	for last := int16(0); ; {
		from := c.At
		id, typ := c.Field(last)
		if typ == 0 {
			break
		}
		switch {
		case id == fileRows && typ == thrift.I64:
			side = side && before == nil
			before = raw[:from]
			f.rows = c.Int()
		case id == fileGroups && typ == thrift.List:
			side = side && last == fileRows && after == nil
			f.read(c)
			after = raw[c.At:]
		default:
			c.Skip(typ)
		}
		last = id
	}
	if c.Err != nil || !side || after == nil {
		return nil, nil, c.Err
	}
	return before, after, nil
}

// parseHead parses a footer without its rows and row groups.
func parseHead(raw []byte) (*head, error) {
	fields := rawFields(&thrift.Reader{B: raw})
	for i, f := range fields {
		switch {
		case f.id == fileRows && f.typ == thrift.I64:
			fields[i].value = []byte{0}
		case f.id == fileGroups && f.typ == thrift.List:
			fields[i].value = []byte{thrift.Struct}
		}
	}
	raw = appendStruct(nil, fields)
	if err := thrift.CheckFooter(raw); err != nil {
		return nil, err
	}
	plain, unknown := known(raw)
	meta, err := metadata.NewFileMetaData(plain, nil)
	if err != nil {
		return nil, err
	}
	h := &head{
		schema: meta.Schema, oldWriter: meta.WriterVersion().LessThan(metadata.Parquet816FixedVersion),
		cols: fieldsOf(meta.Schema, nodeNames(meta.Schema.Root(), unknown)),
	}
	if value := meta.KeyValueMetadata().FindValue("ARROW:schema"); value != nil {
		if schema, err := base64.StdEncoding.DecodeString(*value); err == nil { // a damaged one says nothing: it is not needed
			h.arrow = schema
		}
	}
	return h, nil
}

// Fields describes the top-level columns.
func (p *File) Fields() []column.Field { return p.cols }

// FooterSize is the size of the footer with its length and the magic.
func (p *File) FooterSize() int64 { return p.tail }

// Close frees what the decompressors hold. It does not close the file.
func (p *File) Close() { p.decompressor.close() }

// fieldsOf describes the top-level columns. place is that of the first leaf. unknown has the types that the library
// does not know.
func fieldsOf(s *schema.Schema, unknown map[schema.Node]string) []column.Field {
	root := s.Root()
	fields := make([]column.Field, root.NumFields())
	leaves := make(map[schema.Node]int, len(fields))
	for i := s.NumColumns() - 1; i >= 0; i-- {
		leaves[s.ColumnRoot(i)] = i
	}
	for i := range fields {
		n := root.Field(i)
		fields[i] = column.Field{Name: n.Name(), Place: leaves[n]}
		describeNode(n, &fields[i], unknown)
	}
	return fields
}

// describeNode finds type, depth of lists and leaf of a column.
func describeNode(n schema.Node, f *column.Field, unknown map[schema.Node]string) {
	if n.RepetitionType() == parquet.Repetitions.Repeated { // a list without a group around it
		f.Depth++
		defer func() { f.Type = "list<" + f.Type + ">" }()
	}
	if f.Type = unknown[n]; f.Type != "" {
		return
	}
	g, isGroup := n.(*schema.GroupNode)
	if !isGroup {
		describeLeaf(n.(*schema.PrimitiveNode), f)
		return
	}
	inner := listElement(g)
	if inner == nil {
		f.Type = "struct"
		if isMap(g) {
			f.Type = "map"
		}
		return
	}
	if inner.RepetitionType() == parquet.Repetitions.Repeated { // two levels
		describeNode(inner, f, unknown)
		return
	}
	f.Depth++
	describeNode(inner, f, unknown)
	f.Type = "list<" + f.Type + ">"
}

// listElement returns what a list holds: the element in the three-level form, or the repeated node itself in the
// two-level form. nil: it is no list.
func listElement(g *schema.GroupNode) schema.Node {
	if !isList(g) || g.NumFields() != 1 || g.Field(0).RepetitionType() != parquet.Repetitions.Repeated {
		return nil
	}
	repeated := g.Field(0)
	inner, isGroup := repeated.(*schema.GroupNode)
	if !isGroup || isList(inner) || inner.NumFields() != 1 || inner.Name() == "array" || inner.Name() == g.Name()+"_tuple" {
		return repeated
	}
	return inner.Field(0)
}

func isList(g *schema.GroupNode) bool {
	if g.ConvertedType() == schema.ConvertedTypes.List {
		return true
	}
	_, list := g.LogicalType().(schema.ListLogicalType)
	return list
}

func isMap(g *schema.GroupNode) bool {
	return g.ConvertedType() == schema.ConvertedTypes.Map || g.ConvertedType() == schema.ConvertedTypes.MapKeyValue
}

// describeLeaf finds type, leaf and hint of a primitive type.
func describeLeaf(n *schema.PrimitiveNode, f *column.Field) {
	f.Type, f.Leaf = leafOf(n)
	const size = 16
	_, uuid := n.LogicalType().(schema.UUIDLogicalType)
	f.UUID = uuid && n.TypeLength() == size
	f.Fixed = n.PhysicalType() == parquet.Types.FixedLenByteArray && !f.UUID
}

// leafOf returns name and kind of a primitive type.
func leafOf(n *schema.PrimitiveNode) (string, column.Leaf) {
	none := n.LogicalType() == nil || n.LogicalType().IsNone()
	switch t := n.LogicalType().(type) {
	case schema.NullLogicalType:
		return "null", column.LeafNull
	case *schema.DecimalLogicalType:
		return decimalLeaf(n, t)
	case schema.UUIDLogicalType:
		return "uuid", column.LeafBinary
	}
	switch n.PhysicalType() {
	case parquet.Types.Boolean:
		if none {
			return "bool", column.LeafBool
		}
	case parquet.Types.Float:
		return "float", column.LeafFloat32
	case parquet.Types.Double:
		return "double", column.LeafFloat64
	case parquet.Types.Int32, parquet.Types.Int64:
		return intLeaf(n, none)
	case parquet.Types.ByteArray:
		switch n.LogicalType().(type) {
		case schema.StringLogicalType, schema.EnumLogicalType, schema.JSONLogicalType:
			return "string", column.LeafText
		}
		if none {
			return "binary", column.LeafBinary
		}
	case parquet.Types.FixedLenByteArray:
		if _, half := n.LogicalType().(schema.Float16LogicalType); half && n.TypeLength() == 2 {
			return "halffloat", column.LeafFloat16
		}
		if none {
			return fmt.Sprintf("fixed_size_binary[%d]", n.TypeLength()), column.LeafBinary
		}
	}
	if !none {
		return fmt.Sprintf("%s (%s)", n.PhysicalType(), n.LogicalType()), column.LeafOther
	}
	return n.PhysicalType().String(), column.LeafOther
}

// decimalLeaf takes decimals of scale 0 for integers.
func decimalLeaf(n *schema.PrimitiveNode, t *schema.DecimalLogicalType) (string, column.Leaf) {
	name := fmt.Sprintf("decimal(%d, %d)", t.Precision(), t.Scale())
	switch {
	case t.Scale() != 0:
		return name, column.LeafOther
	case n.PhysicalType() == parquet.Types.Int32:
		return name, column.LeafInt32
	case n.PhysicalType() == parquet.Types.Int64:
		return name, column.LeafInt64
	}
	return name, column.LeafDecimal
}

func intLeaf(n *schema.PrimitiveNode, none bool) (string, column.Leaf) {
	wide := n.PhysicalType() == parquet.Types.Int64
	signed, bits := true, 32
	if wide {
		bits = 64
	}
	if t, is := n.LogicalType().(*schema.IntLogicalType); is {
		signed, bits = t.IsSigned(), int(t.BitWidth())
	} else if !none {
		return fmt.Sprintf("%s (%s)", n.PhysicalType(), n.LogicalType()), column.LeafOther
	}
	switch {
	case wide && signed:
		return fmt.Sprintf("int%d", bits), column.LeafInt64
	case wide:
		return fmt.Sprintf("uint%d", bits), column.LeafUint64
	case signed:
		return fmt.Sprintf("int%d", bits), column.LeafInt32
	}
	return fmt.Sprintf("uint%d", bits), column.LeafUint32
}

// nestingOf works out what the levels of a leaf mean.
func nestingOf(col *schema.Column) nesting {
	n := nesting{maxRep: uint8(col.MaxRepetitionLevel()), maxDef: uint8(col.MaxDefinitionLevel())}
	var path []schema.Node
	for node := col.SchemaNode(); node != nil && node.Parent() != nil; node = node.Parent() {
		path = append(path, node)
	}
	depth, def := 0, uint8(0)
	for i := len(path) - 1; i >= 0; i-- {
		switch path[i].RepetitionType() {
		case parquet.Repetitions.Optional:
			def++
		case parquet.Repetitions.Repeated:
			def++
			if depth++; depth < len(n.element) {
				n.element[depth] = def
			}
		}
	}
	return n
}
