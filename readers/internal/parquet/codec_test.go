package parquet

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/pierrec/lz4/v4"

	"graphscore/pipeline/page"
)

// stored is a page as writers store it. lz4: in one block, and as Hadoop and old parquet-rs frame it.
func stored(t *testing.T, codec compress.Compression, content []byte) map[string][]byte {
	t.Helper()
	if codec != compress.Codecs.Lz4 && codec != codecLZ4Raw {
		c, err := compress.GetCodec(codec)
		if err != nil {
			t.Fatal(err)
		}
		best := map[compress.Compression]int{compress.Codecs.Gzip: 9, compress.Codecs.Brotli: 11, compress.Codecs.Zstd: 22}[codec]
		return map[string][]byte{"": c.EncodeLevel(make([]byte, c.CompressBound(int64(len(content)))), content, best)}
	}
	var hc lz4.CompressorHC
	block := make([]byte, lz4.CompressBlockBound(len(content)))
	n, err := hc.CompressBlock(content, block)
	if err != nil {
		t.Fatal(err)
	}
	if codec == codecLZ4Raw {
		return map[string][]byte{"": block[:n]}
	}
	hadoop := binary.BigEndian.AppendUint32(nil, uint32(len(content)))
	hadoop = append(binary.BigEndian.AppendUint32(hadoop, uint32(n)), block[:n]...)
	var frames bytes.Buffer
	w := lz4.NewWriter(&frames)
	if err := w.Apply(lz4.CompressionLevelOption(lz4.Level9)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(w, bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{" by Hadoop": hadoop, " in frames": frames.Bytes()}
}

// TestPagesOfEqualBytes: the pages that compress best are read, of each codec, and one that claims the most that a header can
// say is refused before there is room for it, but for Brotli, which may make 16 MiB of eight bytes.
func TestPagesOfEqualBytes(t *testing.T) {
	t.Parallel()
	for codec, bounded := range map[compress.Compression]bool{
		compress.Codecs.Snappy: true, compress.Codecs.Gzip: true, compress.Codecs.Brotli: false, compress.Codecs.Zstd: true,
		compress.Codecs.Lz4: true, codecLZ4Raw: true,
	} {
		name, _ := codecName(codec)
		for _, size := range []int{1, 1000, 8 << 20} {
			content := make([]byte, size)
			for form, raw := range stored(t, codec, content) {
				readsEqualBytes(t, name+form, codec, raw, content)
				if bounded {
					refusesMost(t, name+form, codec, raw)
				}
			}
		}
	}
}

// readsEqualBytes decompresses a page of version 1, and one of version 2 behind three bytes of levels.
func readsEqualBytes(t *testing.T, name string, codec compress.Compression, raw, content []byte) {
	t.Helper()
	var z decompressor
	defer z.close()
	for _, levels := range [][]byte{nil, {1, 2, 3}} {
		h := &page.Header{Kind: page.V1, Size: int64(len(levels) + len(content)), Stored: int64(len(levels) + len(raw))}
		if levels != nil {
			h.Kind, h.DefLength, h.RepLength = page.V2, 2, 1
		}
		p := pages{name: "score", codec: codec, decompressor: &z, limit: math.MaxInt32, raw: append(bytes.Clone(levels), raw...)}
		got, err := p.decompress(h)
		if err != nil || !bytes.Equal(got, append(bytes.Clone(levels), content...)) {
			t.Errorf("%s: %d bytes of %d behind %d of levels: %v", name, len(content), len(raw), len(levels), err)
		}
	}
}

// refusesMost lets the page claim the most that a header can say.
func refusesMost(t *testing.T, name string, codec compress.Compression, raw []byte) {
	t.Helper()
	var z decompressor
	defer z.close()
	p := pages{name: "score", codec: codec, decompressor: &z, limit: math.MaxInt32, raw: raw}
	_, err := p.decompress(&page.Header{Kind: page.V1, Size: math.MaxInt32, Stored: int64(len(raw))})
	if err == nil || !strings.Contains(err.Error(), "can become") || cap(p.body) > 0 {
		t.Errorf("%s: room for %d bytes of %d: %v", name, cap(p.body), len(raw), err)
	}
}
