package arrow

import (
	"bufio"
	"errors"
	"io"
	"math"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"graphscore/pipeline/display"
	"graphscore/readers/internal/column"
)

// bufferReader reads one buffer of a record batch from its beginning, decompressed.
type bufferReader struct {
	r    *bufio.Reader
	zstd *zstd.Decoder
	lz4  *lz4.Reader

	inflated counter // what came out of a compressed buffer
	claims   bool    // it is compressed, and finish has not come yet
	claimed  int64   // what it says that it holds
}

// counter counts the bytes that are read.
type counter struct {
	r io.Reader
	n int64
}

// Read implements io.Reader.
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// bufferWindow is how much of a buffer is held.
const bufferWindow = 32 << 10

// begin starts buffer i and returns its length, decompressed.
func (s *bufferReader) begin(f io.ReaderAt, b *recordBatch, i int) (int64, error) {
	s.claims = false
	at, length, err := b.buffer(i)
	if err != nil {
		return 0, err
	}
	if length > 0 && b.codec >= 0 {
		return s.compressed(f, b.codec, at, length)
	}
	return length, s.reset(io.NewSectionReader(f, at, length))
}

func (s *bufferReader) compressed(f io.ReaderAt, codec int, at, length int64) (int64, error) {
	var head [8]byte
	if length < 8 {
		return 0, column.Damaged("a compressed buffer has %d bytes", length)
	}
	if _, err := f.ReadAt(head[:], at); err != nil {
		return 0, err
	}
	size := int64(le.Uint64(head[:]))
	section := io.NewSectionReader(f, at+8, length-8)
	if size == -1 { // not worth compressing
		return length - 8, s.reset(section)
	}
	if size < 0 || size/most(codec) > length {
		return 0, column.Damaged("a compressed buffer of %d bytes claims %d bytes", length, size)
	}
	r, err := s.decompressor(codec, section)
	if err != nil {
		return 0, err
	}
	s.claims, s.claimed, s.inflated = true, size, counter{r: r}
	return size, s.reset(io.LimitReader(&s.inflated, size+1))
}

// most is more bytes than a codec can make of one.
func most(codec int) int64 {
	if codec == codecLZ4 {
		return 1 << 8
	}
	return 1 << 16
}

// finish reads what is left of the buffer, and compares what a compressed one held with what it claimed.
func (s *bufferReader) finish() error {
	if !s.claims {
		return nil
	}
	s.claims = false
	if _, err := io.Copy(io.Discard, s.r); err != nil {
		return brokenBuffer(err)
	}
	if s.inflated.n != s.claimed {
		return column.Damaged("a compressed buffer claims %d bytes and holds another number", s.claimed)
	}
	return nil
}

func (s *bufferReader) decompressor(codec int, r io.Reader) (io.Reader, error) {
	if codec == codecLZ4 {
		if s.lz4 == nil {
			s.lz4 = lz4.NewReader(r)
		}
		s.lz4.Reset(r)
		return s.lz4, nil
	}
	if s.zstd == nil {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(64<<20))
		if err != nil {
			return nil, err
		}
		s.zstd = d
	}
	return s.zstd, s.zstd.Reset(r)
}

func (s *bufferReader) reset(r io.Reader) error {
	if s.r == nil {
		s.r = bufio.NewReaderSize(r, bufferWindow)
	} else {
		s.r.Reset(r)
	}
	return nil
}

func (s *bufferReader) close() {
	if s.zstd != nil {
		s.zstd.Close()
	}
}

// peek returns the next n bytes, at most streamWindow, without passing them.
func (s *bufferReader) peek(n int) ([]byte, error) {
	b, err := s.r.Peek(n)
	if err != nil {
		return nil, brokenBuffer(err)
	}
	return b, nil
}

// pass moves on, by what was peeked or further.
func (s *bufferReader) pass(n int64) error {
	for n > 0 {
		step, err := s.r.Discard(int(min(n, math.MaxInt32)))
		if err != nil {
			return brokenBuffer(err)
		}
		n -= int64(step)
	}
	return nil
}

// append adds the next n bytes to dst.
func (s *bufferReader) append(dst []byte, n int) ([]byte, error) {
	for n > 0 {
		b, err := s.peek(min(n, bufferWindow))
		if err != nil {
			return dst, err
		}
		dst = append(dst, b...)
		n -= len(b)
		if err := s.pass(int64(len(b))); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

func brokenBuffer(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return column.Damaged("a buffer is shorter than its rows need")
	}
	return column.Damaged("a buffer cannot be read (%v)", display.Cause(err))
}

// offset reads an offset of 4 or 8 bytes.
func (s *bufferReader) offset(wide bool) (int64, error) {
	size := 4
	if wide {
		size = 8
	}
	b, err := s.peek(size)
	if err != nil {
		return 0, err
	}
	v := int64(int32(le.Uint32(b)))
	if wide {
		v = int64(le.Uint64(b))
	}
	return v, s.pass(int64(size))
}

// validity reports which values exist. One goroutine uses it.
type validity struct {
	bufferReader
	all  bool
	bits byte
	left int
}

// begin starts the validity of node and buffer i.
func (v *validity) begin(f io.ReaderAt, b *recordBatch, i int, nulls int64) error {
	v.all, v.left, v.claims = nulls == 0, 0, false
	if v.all {
		return nil
	}
	length, err := v.bufferReader.begin(f, b, i)
	v.all = length == 0
	return err
}

// there says whether all of the next n values are.
func (v *validity) there(n int64) (bool, error) {
	if v.all {
		return true, nil
	}
	all := true
	for ; n > 0; n-- {
		if v.left == 0 {
			b, err := v.peek(1)
			if err != nil {
				return false, err
			}
			v.bits, v.left = b[0], 8
			if err := v.pass(1); err != nil {
				return false, err
			}
		}
		all = all && v.bits&1 == 1
		v.bits >>= 1
		v.left--
	}
	return all, nil
}
