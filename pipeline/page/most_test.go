package page

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// frames is zstd of so many equal bytes by its best level, and such that a program made of the format: a frame of repeated
// blocks, each 128 KiB of four bytes.
func frames(t testing.TB, size int, options ...zstd.EOption) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil, options...)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	return z.EncodeAll(make([]byte, size), nil)
}

// repeated is a frame of n blocks of 128 KiB that take four bytes each.
func repeated(n int) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0xFD2FB528)
	b = append(b, 0, 13<<3) // a window of 8 MiB, no size
	for i := range n {
		head := uint32(zstdBlock)<<3 | 1<<1
		if i == n-1 {
			head |= 1
		}
		b = append(b, byte(head), byte(head>>8), byte(head>>16), 'x')
	}
	return b
}

// TestMostZstd: no frame becomes more than is said, and where all blocks are repeated bytes it becomes just that.
func TestMostZstd(t *testing.T) {
	t.Parallel()
	skipped := binary.LittleEndian.AppendUint32([]byte{0x53, 0x2A, 0x4D, 0x18}, 5)
	skipped = append(skipped, "aside"...)
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for name, c := range map[string]struct {
		b    []byte
		most int64 // -1: what becomes of it, or more
	}{
		"nothing":       {nil, 0},
		"repeated":      {repeated(100), 100 * zstdBlock},
		"fastest":       {frames(t, 40<<20, zstd.WithEncoderLevel(zstd.SpeedFastest)), -1},
		"best":          {frames(t, 40<<20, zstd.WithEncoderLevel(zstd.SpeedBestCompression)), -1},
		"no checksum":   {frames(t, 1<<20, zstd.WithEncoderCRC(false)), -1},
		"a small one":   {frames(t, 1), -1},
		"no bytes":      {frames(t, 0, zstd.WithZeroFrames(true)), -1},
		"two":           {append(repeated(3), frames(t, 300<<10)...), -1},
		"skipped first": {append(bytes.Clone(skipped), repeated(2)...), 2 * zstdBlock},
		"skipped last":  {append(repeated(2), skipped...), 2 * zstdBlock},
	} {
		got, err := d.DecodeAll(c.b, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		most, err := MostZstd(c.b)
		if err != nil || most < int64(len(got)) || c.most >= 0 && (most != c.most || most != int64(len(got))) {
			t.Errorf("%s: %d bytes become %d, at most %d are due, %v", name, len(c.b), len(got), most, err)
		}
		if most > ZstdRatio*int64(len(c.b)) {
			t.Errorf("%s: %d of %d bytes are more than any of that length become", name, most, len(c.b))
		}
	}
}

// TestMostZstdOfChanged: what is decompressed after any change is no more than is said.
func TestMostZstdOfChanged(t *testing.T) {
	t.Parallel()
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	r := rand.New(rand.NewPCG(1, 1))
	seeds := [][]byte{repeated(3), frames(t, 3000), append(frames(t, 300<<10), repeated(1)...)}
	whole := 0
	for i := range 20_000 {
		b := bytes.Clone(seeds[i%len(seeds)])
		for range 1 + r.IntN(2) {
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		}
		b = b[:len(b)-r.IntN(2)*r.IntN(len(b))]
		most, refused := MostZstd(b)
		got, err := d.DecodeAll(b, nil)
		if err != nil {
			continue
		}
		if whole++; refused != nil || int64(len(got)) > most {
			t.Errorf("%x becomes %d bytes, at most %d are due, %v", b, len(got), most, refused)
		}
	}
	if whole < 100 {
		t.Errorf("only %d were decompressed", whole)
	}
}

// TestMostGzip: the most that gzip makes of equal bytes is not refused, and near what is said.
func TestMostGzip(t *testing.T) {
	t.Parallel()
	const size = 16 << 20
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if most := MostGzip(int64(b.Len())); most < size || most > size*11/10 {
		t.Errorf("%d bytes become %d, at most %d are due", b.Len(), size, most)
	}
}
