package parquet

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/pierrec/lz4/v4"
	"pgregory.net/rapid"
)

// lz4BlockOf compresses data, which may be empty, to a block.
func lz4BlockOf(t interface{ Fatal(...any) }, data []byte) []byte {
	if len(data) == 0 {
		return []byte{0}
	}
	dst := make([]byte, lz4.CompressBlockBound(len(data)))
	n, err := lz4.CompressBlock(data, dst, nil)
	if err != nil || n == 0 {
		t.Fatal("not compressed", err)
	}
	return dst[:n]
}

// hadoopOf writes frames of at most frame bytes, of blocks of at most block bytes.
func hadoopOf(t interface{ Fatal(...any) }, data []byte, frame, block int) []byte {
	var out []byte
	for {
		n := min(frame, len(data))
		out = binary.BigEndian.AppendUint32(out, uint32(n))
		for part := data[:n]; ; {
			k := min(block, len(part))
			b := lz4BlockOf(t, part[:k])
			out = append(binary.BigEndian.AppendUint32(out, uint32(len(b))), b...)
			if part = part[k:]; len(part) == 0 {
				break
			}
		}
		if data = data[n:]; len(data) == 0 {
			return out
		}
	}
}

// TestLZ4 decompresses what the writers of the codecs LZ4 and LZ4_RAW make of bytes.
func TestLZ4(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		data := bytes.Repeat(rapid.SliceOfN(rapid.Byte(), 0, 50).Draw(t, "data"), rapid.IntRange(1, 40).Draw(t, "times"))
		frame, block := rapid.IntRange(1, 900).Draw(t, "frame"), rapid.IntRange(1, 900).Draw(t, "block")
		var framed bytes.Buffer
		w := lz4.NewWriter(&framed)
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		for name, src := range map[string][]byte{
			"one Hadoop frame": hadoopOf(t, data, 1<<20, 1<<20), "Hadoop frames": hadoopOf(t, data, frame, 1<<20),
			"Hadoop blocks": hadoopOf(t, data, frame, block), "LZ4 frame": framed.Bytes(), "raw block": lz4BlockOf(t, data),
		} {
			got := make([]byte, len(data))
			if err := (&decompressor{}).decompress(compress.Codecs.Lz4, got, src); err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%s: %v", name, err)
			}
			short := make([]byte, len(data)+1)
			if err := (&decompressor{}).decompress(compress.Codecs.Lz4, short, src); err == nil {
				t.Fatalf("%s of %d bytes fills %d", name, len(data), len(short))
			}
		}
		got := make([]byte, len(data))
		if err := (&decompressor{}).decompress(codecLZ4Raw, got, lz4BlockOf(t, data)); err != nil || !bytes.Equal(got, data) {
			t.Fatal(err)
		}
	})
}

// FuzzLZ4: whatever the bytes are, no codec panics or writes beyond its page.
func FuzzLZ4(f *testing.F) {
	data := bytes.Repeat([]byte("graph"), 20)
	f.Add(hadoopOf(f, data, 30, 12), uint16(len(data)))
	f.Add(lz4BlockOf(f, data), uint16(len(data)))
	f.Fuzz(func(t *testing.T, src []byte, size uint16) {
		for _, codec := range []compress.Compression{compress.Codecs.Lz4, codecLZ4Raw} {
			dst := make([]byte, int(size)+8)
			_ = (&decompressor{}).decompress(codec, dst[:size:size], src)
			if !bytes.Equal(dst[size:], make([]byte, 8)) {
				t.Fatal("written beyond the page")
			}
		}
	})
}
