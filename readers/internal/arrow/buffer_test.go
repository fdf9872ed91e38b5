package arrow

import (
	"bytes"
	"io"
	"runtime/metrics"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// buffered is a compressed buffer that claims a number of bytes, in a record batch of its own.
func buffered(codec int, claim int64, content []byte) (io.ReaderAt, *recordBatch) {
	b := append(le.AppendUint64(nil, uint64(claim)), content...)
	place := le.AppendUint64(le.AppendUint64(nil, 0), uint64(len(b)))
	return bytes.NewReader(b), &recordBatch{message: message{bodyLen: int64(len(b))}, buffers: place, codec: codec}
}

// read reads a buffer to its end.
func read(r io.ReaderAt, b *recordBatch) ([]byte, error) {
	var s bufferReader
	defer s.close()
	size, err := s.begin(r, b, 0)
	if err != nil {
		return nil, err
	}
	got, err := s.append(nil, int(size))
	if err != nil {
		return got, err
	}
	return got, s.finish()
}

// inZstd is some bytes in a frame. window 0: of one segment; size false: the frame does not say how many.
func inZstd(t *testing.T, content []byte, window int, size bool) []byte {
	t.Helper()
	var b bytes.Buffer
	options := []zstd.EOption{zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithSingleSegment(window == 0)}
	if window > 0 {
		options = append(options, zstd.WithWindowSize(window))
	}
	w, err := zstd.NewWriter(&b, options...)
	if err != nil {
		t.Fatal(err)
	}
	if size {
		b.Write(w.EncodeAll(content, nil))
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	for len(content) > 0 { // as a stream, whose end is not known at its beginning
		n := min(len(content), 100<<10)
		if _, err := w.Write(content[:n]); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		content = content[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestBuffersOfEqualBytes: the buffers that compress best are read, whatever their frames say of themselves.
func TestBuffersOfEqualBytes(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 1000, 300 << 10, 20 << 20} {
		content := make([]byte, size)
		var frame bytes.Buffer
		w := lz4.NewWriter(&frame)
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			codec int
			b     []byte
		}{
			"lz4":            {codecLZ4, frame.Bytes()},
			"one segment":    {codecZstd, inZstd(t, content, 0, true)},
			"a size":         {codecZstd, inZstd(t, content, 1<<20, true)},
			"a small window": {codecZstd, inZstd(t, content, 1<<10, false)},
			"a large window": {codecZstd, inZstd(t, content, 64<<20, false)},
		} {
			got, err := read(buffered(c.codec, int64(size), c.b))
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("%s: %d bytes of %d: %v", name, size, len(c.b), err)
			}
			for _, claim := range []int64{int64(size) + 1, int64(size) - 1} {
				if _, err := read(buffered(c.codec, claim, c.b)); err == nil {
					t.Errorf("%s: %d bytes that claim %d are read", name, size, claim)
				}
			}
		}
	}
}

// A window takes memory at once, whatever the frame holds: a buffer of a few bytes is decompressed without.
func TestWindowClaimsMuch(t *testing.T) { // alone, as it measures what is allocated
	content := make([]byte, 1000)
	r, b := buffered(codecZstd, int64(len(content)), inZstd(t, content, 64<<20, false))
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	before := sample[0].Value.Uint64()
	_, err := read(r, b)
	metrics.Read(sample)
	if took := sample[0].Value.Uint64() - before; err != nil || took > 8<<20 {
		t.Errorf("%d bytes allocated for %d: %v", took, len(content), err)
	}
}

// A claim of more than the stored bytes can become is refused at once.
func TestBufferClaims(t *testing.T) {
	t.Parallel()
	small := inZstd(t, make([]byte, 1000), 64<<20, false)
	for name, c := range map[string]struct {
		codec int
		claim int64
		want  string
	}{
		"more than any zstd":       {codecZstd, 32768*int64(len(small)) + 1, "claims"},
		"more than its blocks":     {codecZstd, 32768 * int64(len(small)), "claims"},
		"more than any lz4":        {codecLZ4, 255*int64(len(small)) + 1, "claims"},
		"fewer than the frame has": {codecZstd, 10, "cannot be decompressed"},
		"negative":                 {codecZstd, -2, "claims"},
	} {
		_, err := read(buffered(c.codec, c.claim, small))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
