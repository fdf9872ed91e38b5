package thrift

import "fmt"

// maxElements is the most columns, and groups of columns, that a schema may have: the library takes a kilobyte for one, which
// takes eight bytes in a file.
const maxElements = 1 << 17

// SchemaSizeError is that of a schema which is too large to be parsed.
type SchemaSizeError struct {
	Elements int // columns and groups of columns
}

func (e *SchemaSizeError) Error() string {
	return fmt.Sprintf("it has %d columns and groups of columns, more than %d", e.Elements, maxElements)
}

// CheckFooter compares every length in a Parquet footer with its size and its schema with a depth and a number, so that
// a library can parse it without allocating what a forged length claims. The error is a *SchemaSizeError for a schema that is
// too large.
func CheckFooter(b []byte) error {
	c := &Reader{B: b}
	deep := false
	for id, typ := range c.Fields() {
		if id == 2 && typ == List {
			n, of := c.List()
			if n > maxElements {
				return &SchemaSizeError{n}
			}
			deep = !completeSchema(c, n, of)
			continue
		}
		c.Skip(typ)
	}
	if deep {
		return ErrInvalid
	}
	return c.Err
}

// completeSchema passes a list of n schema elements over and says whether its tree is complete and not too deep.
func completeSchema(c *Reader, n int, typ byte) bool {
	if typ != Struct {
		return false
	}
	var open []int64 // children still to come, from the root down
	for i := 0; i < n && c.Err == nil; i++ {
		var children int64
		for id, t := range c.Fields() {
			if id == 5 && t == I32 {
				children = c.Int()
				continue
			}
			c.Skip(t)
		}
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
		if len(open) > maxDepth {
			return false
		}
	}
	return len(open) == 0
}
