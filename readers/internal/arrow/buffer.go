package arrow

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"graphscore/pipeline/display"
	"graphscore/pipeline/page"
	"graphscore/readers/internal/column"
)

// bufferReader reads one buffer of a record batch from its beginning, decompressed.
type bufferReader struct {
	r      *bufio.Reader
	zstd   *zstd.Decoder // of one buffer after the other, in pieces
	atOnce page.Zstd     // of whole buffers
	lz4    *lz4.Reader

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
	if size < 0 || size > most(codec, section.Size()) {
		return 0, column.Damaged("a compressed buffer of %d bytes claims %d bytes", length, size)
	}
	r, err := s.decompressor(codec, section, size)
	if err != nil {
		return 0, err
	}
	s.claims, s.claimed, s.inflated = true, size, counter{r: r}
	return size, s.reset(io.LimitReader(&s.inflated, size+1))
}

// most is the most bytes that a codec makes of so many.
func most(codec int, stored int64) int64 {
	if codec == codecLZ4 {
		return page.MostLZ4(stored)
	}
	return page.ZstdRatio * stored
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

// maxWindow is the largest window that is held, and the most that is decompressed at once.
const maxWindow = 64 << 20

// decompressor reads what a buffer holds, which should be size bytes.
func (s *bufferReader) decompressor(codec int, section *io.SectionReader, size int64) (io.Reader, error) {
	if codec == codecLZ4 {
		if s.lz4 == nil {
			s.lz4 = lz4.NewReader(section)
		}
		s.lz4.Reset(section)
		return s.lz4, nil
	}
	var head [zstd.HeaderMaxSize]byte
	n, err := section.ReadAt(head[:], 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	var frame zstd.Header
	if err := frame.Decode(head[:n]); err == nil {
		switch {
		case frame.FrameContentSize > uint64(size):
			return nil, column.Damaged("a compressed buffer claims %d bytes and holds another number", size)
		case frame.WindowSize > uint64(size) && size <= maxWindow && section.Size() <= 2*size+1<<10:
			return s.whole(section, size)
		}
	}
	if s.zstd == nil {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		s.zstd = d
	}
	return s.zstd, s.zstd.Reset(section)
}

// whole decompresses a buffer at once, which takes less memory than the window where that is larger than what it holds.
func (s *bufferReader) whole(section *io.SectionReader, size int64) (io.Reader, error) {
	raw := make([]byte, section.Size())
	if _, err := section.ReadAt(raw, 0); err != nil && err != io.EOF {
		return nil, err
	}
	most, err := page.MostZstd(raw)
	if err != nil {
		return nil, brokenBuffer(err)
	}
	if size > most {
		return nil, column.Damaged("a compressed buffer of %d bytes claims %d bytes", section.Size(), size)
	}
	content := make([]byte, size)
	if err := s.atOnce.Fill(content, raw); err != nil {
		return nil, column.Damaged("a compressed buffer %v", err)
	}
	return bytes.NewReader(content), nil
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
	s.atOnce.Close()
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
