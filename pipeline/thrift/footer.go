package thrift

// CheckFooter compares every length in a Parquet footer with its size and its schema with a depth, so that
// a library can parse it without allocating what a forged length claims.
func CheckFooter(b []byte) error {
	c := &Reader{B: b}
	deep := false
	for id, typ := range c.Fields() {
		if id == 2 && typ == List {
			deep = !completeSchema(c)
			continue
		}
		c.Skip(typ)
	}
	if deep {
		return ErrInvalid
	}
	return c.Err
}

// completeSchema passes the list of schema elements over and says whether its tree is complete and not too deep.
func completeSchema(c *Reader) bool {
	n, typ := c.List()
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
