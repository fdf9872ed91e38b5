// Package thrift reads the compact protocol of Thrift, in which Parquet has its footers and the headers of its pages.
package thrift

import (
	"encoding/binary"
	"errors"
	"iter"
)

// The types of values.
const (
	True = iota + 1
	False
	Byte
	I16
	I32
	I64
	Double
	Binary
	List
	Set
	Map
	Struct
)

// The errors of a Reader.
var (
	ErrShort   = errors.New("the bytes end too early")
	ErrInvalid = errors.New("invalid thrift")
)

// maxDepth is how deep values may be nested.
const maxDepth = 64

// Reader reads values one by one. It allocates nothing and keeps its first error.
type Reader struct {
	// B is what is read, At the place of the next byte, and Err the first error: then nothing is left.
	B   []byte
	At  int
	Err error
}

// Fail keeps an error, if it is the first, and leaves nothing to read.
func (c *Reader) Fail(err error) {
	if c.Err == nil {
		c.Err = err
	}
	c.At = len(c.B)
}

func (c *Reader) byte() byte {
	if c.At >= len(c.B) {
		c.Fail(ErrShort)
		return 0
	}
	c.At++
	return c.B[c.At-1]
}

func (c *Reader) uvarint() uint64 {
	if c.At < len(c.B) && c.B[c.At] < 0x80 { // most are
		c.At++
		return uint64(c.B[c.At-1])
	}
	v, n := binary.Uvarint(c.B[c.At:])
	if n <= 0 {
		c.Fail(ErrShort)
		if n < 0 {
			c.Err = ErrInvalid
		}
		return 0
	}
	c.At += n
	return v
}

// Int reads an integer of any size.
func (c *Reader) Int() int64 {
	v := c.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

// Field returns number and type of the next field of a struct, type 0 at its end or after an error.
func (c *Reader) Field(last int16) (id int16, typ byte) {
	b := c.byte()
	typ = b & 0xf
	if c.Err != nil || typ == 0 {
		return 0, 0
	}
	if delta := int16(b >> 4); delta != 0 {
		return last + delta, typ
	}
	return int16(c.Int()), typ
}

// List returns size and element type of a list. Every element takes at least a byte, so a forged size shows.
func (c *Reader) List() (n int, typ byte) {
	b := c.byte()
	size := uint64(b >> 4)
	if size == 15 {
		size = c.uvarint()
	}
	if size > uint64(len(c.B)-c.At) {
		c.Fail(ErrShort)
		return 0, 0
	}
	return int(size), b & 0xf
}

// Bytes reads bytes or a text. They are those of B.
func (c *Reader) Bytes() []byte { return c.bytes(c.uvarint()) }

func (c *Reader) bytes(n uint64) []byte {
	if n > uint64(len(c.B)-c.At) {
		c.Fail(ErrShort)
		return nil
	}
	from := c.At
	c.At += int(n)
	return c.B[from:c.At]
}

// Skip passes the value of a field over.
func (c *Reader) Skip(typ byte) { c.skip(typ, false, 0) }

func (c *Reader) skipStruct(depth int) {
	for _, typ := range c.Fields() {
		c.skip(typ, false, depth+1)
	}
}

// skip passes a value over; element: in a list, where a truth value takes a byte.
func (c *Reader) skip(typ byte, element bool, depth int) {
	if depth > maxDepth {
		c.Fail(ErrInvalid)
		return
	}
	switch typ {
	case True, False:
		if element {
			c.byte()
		}
	case Byte:
		c.byte()
	case I16, I32, I64:
		c.uvarint()
	case Double:
		c.bytes(8)
	case Binary:
		c.Bytes()
	case List, Set:
		n, of := c.List()
		for i := 0; i < n && c.Err == nil; i++ {
			c.skip(of, true, depth+1)
		}
	case Map:
		c.skipMap(depth)
	case Struct:
		c.skipStruct(depth)
	default:
		c.Fail(ErrInvalid)
	}
}

func (c *Reader) skipMap(depth int) {
	n := c.uvarint()
	if n > uint64(len(c.B)-c.At) {
		c.Fail(ErrShort)
		return
	}
	if n == 0 {
		return
	}
	types := c.byte()
	for i := uint64(0); i < n && c.Err == nil; i++ {
		c.skip(types>>4, true, depth+1)
		c.skip(types&0xf, true, depth+1)
	}
}

// Fields are number and type of every field of a struct, until its end or an error. The value of each must be read or
// skipped.
func (c *Reader) Fields() iter.Seq2[int16, byte] {
	return func(yield func(int16, byte) bool) {
		for last := int16(0); ; {
			id, typ := c.Field(last)
			if typ == 0 || !yield(id, typ) {
				return
			}
			last = id
		}
	}
}
