package part

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow/go/v15/parquet"

	"graphscore/pipeline/graph"
	"graphscore/pipeline/page"
)

// The encodings of the values of a part.
const (
	encodingPlain      = int64(0)
	encodingDictionary = int64(8)
)

// inflater decompresses the pages of a part, one after the other. The zero value is ready; close frees what it holds.
type inflater struct {
	zstd      page.Zstd
	raw, body []byte // of the last page
}

// inflate returns the bytes of the page that r is behind the header of. They are valid until the next call. Room for them is
// made only where the stored bytes may become as many as the header claims.
func (z *inflater) inflate(h *page.Header, r io.Reader) (body []byte, err error) {
	if z.raw, err = h.Contents(r, z.raw); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, errors.New("it ends within a page")
		}
		return nil, err
	}
	most, err := page.MostZstd(z.raw)
	switch {
	case err != nil:
		return nil, fmt.Errorf("a page cannot be decompressed (%w)", err)
	case h.Size > most:
		return nil, fmt.Errorf("a page claims %d bytes, its %d stored ones can become %d", h.Size, h.Stored, most)
	}
	z.body = page.Room(z.body, h.Size)
	if err := z.zstd.Fill(z.body, z.raw); err != nil {
		return nil, fmt.Errorf("a page %w", err)
	}
	return z.body, nil
}

func (z *inflater) close() {
	z.zstd.Close()
	*z = inflater{}
}

// chunkPages reads the pages of a column chunk.
type chunkPages struct {
	inflater *inflater // of the part
	window   int       // how much is read ahead
	r        *bufio.Reader
	left     int64 // bytes of the chunk
	header   page.Header
}

// open begins the chunk. What is read ahead is no more than it has.
func (c *chunkPages) open(chunk *io.SectionReader) {
	c.left = chunk.Size()
	if size := int(min(int64(c.window), c.left)); c.r == nil || c.r.Size() < size {
		c.r = bufio.NewReaderSize(chunk, size)
		return
	}
	c.r.Reset(chunk)
}

// next reads the header of the next page, io.EOF where there is none.
func (c *chunkPages) next() (*page.Header, error) {
	h := &c.header
	n, err := h.Read(c.r)
	if err != nil {
		return nil, err
	}
	c.left -= int64(n)
	if h.Stored < 0 || h.Size < 0 || h.Values < 0 || h.Stored > c.left {
		return nil, fmt.Errorf("a page claims %d bytes for %d values where %d are left", h.Stored, h.Values, c.left)
	}
	c.left -= h.Stored
	return h, nil
}

// dictionary reads the page that a chunk with a dictionary begins with.
func (c *chunkPages) dictionary(ids *graph.IDs, kind graph.IDKind) error {
	h, err := c.next()
	if err == io.EOF || err == nil && h.Kind != page.Dictionary {
		return errors.New("it has no dictionary")
	}
	if err != nil {
		return err
	}
	body, err := c.inflater.inflate(h, c.r)
	if err != nil {
		return err
	}
	return plainIDs(ids, kind, body, int(h.Values))
}

// data returns the values of the next page as they are stored, and their number. Its encoding must be one of those
// given. The values are valid until a page of any column is read.
func (c *chunkPages) data(encodings ...int64) (values []byte, n int, encoding int64, err error) {
	h, err := c.next()
	switch {
	case err == io.EOF:
		return nil, 0, 0, errors.New("it ends before its last row")
	case err != nil:
		return nil, 0, 0, err
	case h.Kind != page.V1:
		return nil, 0, 0, fmt.Errorf("it has a page of type %s among its data", h.Kind)
	case !slices.Contains(encodings, h.Encoding):
		return nil, 0, 0, fmt.Errorf("its values are encoded as %s, not %s", encodingText(h.Encoding), encodingText(encodings[0]))
	}
	values, err = c.inflater.inflate(h, c.r)
	return values, int(h.Values), h.Encoding, err
}

func encodingText(e int64) string { return parquet.Encoding(e).String() }
