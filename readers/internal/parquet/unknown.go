package parquet

import (
	"encoding/binary"
	"fmt"

	"github.com/apache/arrow/go/v15/parquet/schema"

	"graphscore/pipeline/thrift"
)

// The fields of thrift structs that the library rejects a whole file for where it does not know their values.
const (
	fileSchema       = 2
	fileColumnOrders = 7

	elementType      = 1
	elementConverted = 6
	elementLogical   = 10

	physicalTypes  = 8  // 0 to 7
	convertedTypes = 22 // 0 to 21
)

// rawField is a field of a struct with the bytes of its value.
type rawField struct {
	id    int16
	typ   byte
	value []byte
}

// rawFields returns the fields of a struct. Their values are part of the bytes that are read.
func rawFields(c *thrift.Reader) []rawField {
	var out []rawField
	for id, typ := range c.Fields() {
		from := c.At
		c.Skip(typ)
		out = append(out, rawField{id, typ, c.B[from:c.At]})
	}
	return out
}

// appendStruct writes a struct in the compact protocol.
func appendStruct(dst []byte, fields []rawField) []byte {
	last := int16(0)
	for _, f := range fields {
		if delta := f.id - last; delta > 0 && delta <= 15 {
			dst = append(dst, byte(delta)<<4|f.typ)
		} else {
			dst = binary.AppendVarint(append(dst, f.typ), int64(f.id))
		}
		dst = append(dst, f.value...)
		last = f.id
	}
	return append(dst, 0)
}

// known returns a footer in which no element of the schema has a type that the library does not know, so that it can
// parse it, and the names of such types by the place of their elements in the schema. A footer without them is
// returned as it is. The footer must have passed thrift.CheckFooter.
func known(footer []byte) (plain []byte, unknown map[int]string) {
	c := &thrift.Reader{B: footer}
	fields := rawFields(c)
	unknown = map[int]string{}
	var kept []rawField
	for _, f := range fields {
		switch {
		case f.id == fileSchema && f.typ == thrift.List:
			f.value = knownSchema(f.value, unknown)
		case f.id == fileColumnOrders && f.typ == thrift.List && !knownOrders(f.value):
			continue // they are for statistics, which nothing here reads
		}
		kept = append(kept, f)
	}
	if len(unknown) == 0 && len(kept) == len(fields) || c.Err != nil {
		return footer, unknown
	}
	return appendStruct(nil, kept), unknown
}

// knownSchema is known for the list of schema elements.
func knownSchema(list []byte, unknown map[int]string) []byte {
	c := &thrift.Reader{B: list}
	n, _ := c.List()
	out := append([]byte(nil), list[:c.At]...)
	for i := range n {
		fields := rawFields(c)
		if name := unknownType(fields); name != "" {
			unknown[i] = name
			fields = withoutType(fields)
		}
		out = appendStruct(out, fields)
	}
	return out
}

// unknownType names the type of a schema element if the library does not know it, else it is empty.
func unknownType(fields []rawField) string {
	for _, f := range fields {
		c := &thrift.Reader{B: f.value}
		switch {
		case f.id == elementType && f.typ == thrift.I32:
			if v := c.Int(); v < 0 || v >= physicalTypes {
				return fmt.Sprintf("unknown type %d", v)
			}
		case f.id == elementConverted && f.typ == thrift.I32:
			if v := c.Int(); v < 0 || v >= convertedTypes {
				return fmt.Sprintf("unknown converted type %d", v)
			}
		case f.id == elementLogical && f.typ == thrift.Struct:
			if name := unknownLogical(rawFields(c)); name != "" {
				return name
			}
		}
	}
	return ""
}

// unknownLogical names a logical type, the one field of a union, if the library does not know it.
func unknownLogical(union []rawField) string {
	if len(union) != 1 {
		return "unknown logical type"
	}
	switch id := union[0].id; id {
	case 1, 2, 3, 4, 5, 6, 10, 11, 12, 13, 14, 15:
		return ""
	case 7, 8:
		if !knownUnit(union[0].value) {
			return "time of an unknown unit"
		}
		return ""
	case 16:
		return "variant"
	case 17:
		return "geometry"
	case 18:
		return "geography"
	default:
		return fmt.Sprintf("unknown logical type %d", id)
	}
}

// knownUnit says whether the unit of a time is one of three.
func knownUnit(value []byte) bool {
	const unit, last = 2, 3
	c := &thrift.Reader{B: value}
	for _, f := range rawFields(c) {
		if f.id == unit && f.typ == thrift.Struct {
			u := rawFields(&thrift.Reader{B: f.value})
			return len(u) == 1 && u[0].id >= 1 && u[0].id <= last
		}
	}
	return false
}

// withoutType returns a schema element without its logical and converted type, and with bytes for a physical type that
// is not known.
func withoutType(fields []rawField) []rawField {
	out := make([]rawField, 0, len(fields))
	for _, f := range fields {
		if f.id == elementConverted || f.id == elementLogical {
			continue
		}
		if v := (&thrift.Reader{B: f.value}).Int(); f.id == elementType && (v < 0 || v >= physicalTypes) {
			const bytes = 6
			f.value = binary.AppendVarint(nil, bytes)
		}
		out = append(out, f)
	}
	return out
}

// knownOrders says whether all orders of columns are the one that the library knows.
func knownOrders(list []byte) bool {
	c := &thrift.Reader{B: list}
	n, typ := c.List()
	if typ != thrift.Struct {
		return false
	}
	for range n {
		if union := rawFields(c); len(union) != 1 || union[0].id != 1 {
			return false
		}
	}
	return c.Err == nil
}

// nodeNames returns the names of types that are not known by the node that has them.
func nodeNames(root *schema.GroupNode, unknown map[int]string) map[schema.Node]string {
	names := make(map[schema.Node]string, len(unknown))
	if len(unknown) == 0 {
		return names
	}
	at := 0
	var walk func(n schema.Node)
	walk = func(n schema.Node) {
		if name := unknown[at]; name != "" {
			names[n] = name
		}
		at++
		if g, is := n.(*schema.GroupNode); is {
			for i := range g.NumFields() {
				walk(g.Field(i))
			}
		}
	}
	walk(root)
	return names
}
