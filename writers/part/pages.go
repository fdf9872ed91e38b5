package part

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"graphscore/pipeline/graph"
)

// scorePages reads a column of scores.
type scorePages struct {
	chunkPages
	values []float32
}

func (c *scorePages) begin(chunk *io.SectionReader, _ bool) error {
	c.open(chunk)
	return nil
}

func (c *scorePages) next() (int, error) {
	data, n, _, err := c.data(encodingPlain)
	if err != nil {
		return 0, err
	}
	if len(data) != 4*n {
		return 0, fmt.Errorf("a page has %d bytes for %d scores", len(data), n)
	}
	c.values = resize(c.values, n)
	for i := range c.values {
		c.values[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return n, nil
}

// nodePages reads the column of node ids: plain pages, and packed ones where there is a dictionary.
type nodePages struct {
	chunkPages
	kind   graph.IDKind
	packed bool // the chunk has a dictionary
	dict   graph.IDs
	ids    graph.IDs
}

func (c *nodePages) begin(chunk *io.SectionReader, dictionary bool) error {
	c.open(chunk)
	if c.packed = dictionary; !dictionary {
		return nil
	}
	return c.dictionary(&c.dict, c.kind)
}

func (c *nodePages) next() (int, error) {
	data, n, encoding, err := c.data(encodingPlain, encodingDictionary)
	switch {
	case err != nil:
		return 0, err
	case encoding == encodingPlain:
		return n, plainIDs(&c.ids, c.kind, data, n)
	case !c.packed || c.kind != graph.Int64:
		return 0, errors.New("it has no dictionary")
	}
	return n, c.unpack(data, n)
}

// unpack decodes n numbers as nodeIDs.cut writes them: their width, and one run of all of them. A number takes 64
// times the memory that it may have in the page, so that the rows of a block are the bound.
func (c *nodePages) unpack(data []byte, n int) error {
	if n > blockRows {
		return fmt.Errorf("a page has %d packed numbers, not at most %d", n, blockRows)
	}
	if len(data) == 0 || data[0] == 0 || data[0] > 32 {
		return errors.New("a page does not say how wide its indices are")
	}
	width := uint(data[0])
	head, size := binary.Uvarint(data[1:])
	if size <= 0 || head != uint64(n+7)/8<<1|1 || uint64(len(data)-1-size) != head>>1*uint64(width) {
		return fmt.Errorf("a page has no %d packed numbers", n)
	}
	data = data[1+size:]
	c.ids.Kind, c.ids.Ints = c.kind, resize(c.ids.Ints, n)
	var word uint64
	have := uint(0)
	for i := range c.ids.Ints {
		for ; have < width; have += 8 {
			word |= uint64(data[0]) << have
			data = data[1:]
		}
		index := word & (1<<width - 1)
		if index >= uint64(c.dict.Len()) {
			return fmt.Errorf("a page has the index %d into a dictionary of %d", index, c.dict.Len())
		}
		c.ids.Ints[i] = c.dict.Ints[index]
		word >>= width
		have -= width
	}
	return nil
}

// plainIDs decodes n ids, which must take all of data.
func plainIDs(ids *graph.IDs, kind graph.IDKind, data []byte, n int) error {
	ids.Kind = kind
	if kind == graph.Int64 {
		if len(data) != 8*n {
			return fmt.Errorf("a page has %d bytes for %d integers", len(data), n)
		}
		ids.Ints = resize(ids.Ints, n)
		for i := range ids.Ints {
			ids.Ints[i] = int64(binary.LittleEndian.Uint64(data[8*i:]))
		}
		return nil
	}
	if 4*n > len(data) {
		return fmt.Errorf("a page has %d bytes for %d texts", len(data), n)
	}
	ids.Bytes, ids.Offsets = ids.Bytes[:0], append(ids.Offsets[:0], 0)
	for range n {
		if len(data) < 4 {
			return errors.New("a page ends within a text")
		}
		size := binary.LittleEndian.Uint32(data)
		if data = data[4:]; int64(size) > int64(len(data)) {
			return errors.New("a page ends within a text")
		}
		ids.Bytes = append(ids.Bytes, data[:size]...)
		ids.Offsets = append(ids.Offsets, uint32(len(ids.Bytes)))
		data = data[size:]
	}
	if len(data) > 0 {
		return fmt.Errorf("a page has %d bytes too many", len(data))
	}
	return nil
}

// maxIDBytes is far more than the ids of a block are together: a forged page may repeat a long one for ever.
const maxIDBytes = 1 << 30

// graphPages reads the column of graph ids: a dictionary a row group, and runs of its indices.
type graphPages struct {
	chunkPages
	kind graph.IDKind
	dict graph.IDs
	ids  graph.IDs
	ends []int
}

func (c *graphPages) begin(chunk *io.SectionReader, _ bool) error {
	c.open(chunk)
	return c.dictionary(&c.dict, c.kind)
}

// next decodes runs as graphIDs.cut writes them: the width of an index, then for each run its length times two
// and the index.
func (c *graphPages) next() (int, error) {
	data, n, _, err := c.data(encodingDictionary)
	if err != nil {
		return 0, err
	}
	if len(data) == 0 || data[0] == 0 || data[0] > 32 {
		return 0, errors.New("a page does not say how wide its indices are")
	}
	bytes := (int(data[0]) + 7) / 8
	data = data[1:]
	c.ids = graph.IDs{Kind: c.kind, Ints: c.ids.Ints[:0], Bytes: c.ids.Bytes[:0], Offsets: c.ids.Offsets[:0]}
	c.ends = c.ends[:0]
	end := 0
	for len(data) > 0 {
		head, size := binary.Uvarint(data)
		if size <= 0 || head&1 != 0 || head>>1 == 0 || head>>1 > uint64(n-end) || len(data) < size+bytes {
			return 0, errors.New("a page has indices that are no runs")
		}
		index := 0
		for i := range bytes {
			index |= int(data[size+i]) << (8 * i)
		}
		data = data[size+bytes:]
		if index >= c.dict.Len() {
			return 0, fmt.Errorf("a page has the index %d into a dictionary of %d", index, c.dict.Len())
		}
		end += int(head >> 1)
		c.ends = append(c.ends, end)
		if c.kind == graph.Int64 {
			c.ids.Ints = append(c.ids.Ints, c.dict.Ints[index])
			continue
		}
		if c.ids.AppendBytes(c.dict.At(index)); len(c.ids.Bytes) > maxIDBytes {
			return 0, errors.New("the ids of a page are too long")
		}
	}
	if end != n {
		return 0, fmt.Errorf("a page has %d indices for %d rows", end, n)
	}
	return n, nil
}

// resize returns a slice of n elements of any content.
func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
