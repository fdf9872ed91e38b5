package parquet

import (
	"encoding/binary"
	"errors"

	"graphscore/readers/internal/column"
)

// The types of thrift's compact protocol.
const (
	thriftTrue = iota + 1
	thriftFalse
	thriftByte
	thriftI16
	thriftI32
	thriftI64
	thriftDouble
	thriftBinary
	thriftList
	thriftSet
	thriftMap
	thriftStruct
)

var (
	errShort  = errors.New("the bytes end too early")
	errThrift = errors.New("invalid thrift")
)

// compact reads thrift's compact protocol. It allocates nothing and keeps its first error.
type compact struct {
	b   []byte
	at  int
	err error
}

func (c *compact) fail(err error) {
	if c.err == nil {
		c.err = err
	}
	c.at = len(c.b)
}

func (c *compact) byte() byte {
	if c.at >= len(c.b) {
		c.fail(errShort)
		return 0
	}
	c.at++
	return c.b[c.at-1]
}

func (c *compact) uvarint() uint64 {
	v, n := binary.Uvarint(c.b[c.at:])
	if n <= 0 {
		c.fail(errShort)
		if n < 0 {
			c.err = errThrift
		}
		return 0
	}
	c.at += n
	return v
}

func (c *compact) int() int64 {
	v := c.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

// field returns number and type of the next field of a struct, type 0 at its end or after an error.
func (c *compact) field(last int16) (id int16, typ byte) {
	b := c.byte()
	typ = b & 0xf
	if c.err != nil || typ == 0 {
		return 0, 0
	}
	if delta := int16(b >> 4); delta != 0 {
		return last + delta, typ
	}
	return int16(c.int()), typ
}

// list returns size and element type of a list. Every element takes at least a byte, so a forged size shows.
func (c *compact) list() (n int, typ byte) {
	b := c.byte()
	size := uint64(b >> 4)
	if size == 15 {
		size = c.uvarint()
	}
	if size > uint64(len(c.b)-c.at) {
		c.fail(errShort)
		return 0, 0
	}
	return int(size), b & 0xf
}

func (c *compact) skipBytes(n uint64) {
	if n > uint64(len(c.b)-c.at) {
		c.fail(errShort)
		return
	}
	c.at += int(n)
}

// skip passes a value over; element: in a list, where a truth value takes a byte.
func (c *compact) skip(typ byte, element bool, depth int) {
	if depth > column.MaxDepth {
		c.fail(errThrift)
		return
	}
	switch typ {
	case thriftTrue, thriftFalse:
		if element {
			c.byte()
		}
	case thriftByte:
		c.byte()
	case thriftI16, thriftI32, thriftI64:
		c.uvarint()
	case thriftDouble:
		c.skipBytes(8)
	case thriftBinary:
		c.skipBytes(c.uvarint())
	case thriftList, thriftSet:
		n, of := c.list()
		for i := 0; i < n && c.err == nil; i++ {
			c.skip(of, true, depth+1)
		}
	case thriftMap:
		c.skipMap(depth)
	case thriftStruct:
		c.fields(func(_ int16, t byte) { c.skip(t, false, depth+1) })
	default:
		c.fail(errThrift)
	}
}

func (c *compact) skipMap(depth int) {
	n := c.uvarint()
	if n > uint64(len(c.b)-c.at) {
		c.fail(errShort)
		return
	}
	if n == 0 {
		return
	}
	types := c.byte()
	for i := uint64(0); i < n && c.err == nil; i++ {
		c.skip(types>>4, true, depth+1)
		c.skip(types&0xf, true, depth+1)
	}
}

// fields calls f for every field of a struct; f must read or skip the value.
func (c *compact) fields(f func(id int16, typ byte)) {
	for last := int16(0); c.err == nil; {
		id, typ := c.field(last)
		if typ == 0 {
			return
		}
		f(id, typ)
		last = id
	}
}

// checkFooter compares every length in a Parquet footer with its size and its schema with a depth, so that
// the library can parse it without allocating what a forged length claims.
func checkFooter(b []byte) error {
	c := &compact{b: b}
	deep := false
	c.fields(func(id int16, typ byte) {
		if id == 2 && typ == thriftList {
			deep = !c.schema()
			return
		}
		c.skip(typ, false, 0)
	})
	if deep {
		return errThrift
	}
	return c.err
}

// schema passes the list of schema elements over and says whether its tree is complete and not too deep.
func (c *compact) schema() bool {
	n, typ := c.list()
	if typ != thriftStruct {
		return false
	}
	var open []int64 // children still to come, from the root down
	for i := 0; i < n && c.err == nil; i++ {
		var children int64
		c.fields(func(id int16, t byte) {
			if id == 5 && t == thriftI32 {
				children = c.int()
				return
			}
			c.skip(t, false, 0)
		})
		if children < 0 || children > int64(n) || i > 0 && len(open) == 0 {
			return false
		}
		if len(open) > 0 {
			open[len(open)-1]--
		}
		if children > 0 {
			open = append(open, children)
		}
		for len(open) > 0 && open[len(open)-1] == 0 {
			open = open[:len(open)-1]
		}
		if len(open) > column.MaxDepth {
			return false
		}
	}
	return len(open) == 0
}
