package parquet

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/apache/arrow/go/v15/parquet/compress"

	"graphscore/pipeline/page"
	"graphscore/readers/internal/column"
)

// decompressor decompresses pages. What comes out is never larger than the room that the caller made.
type decompressor struct {
	zstd page.Zstd
}

// codecLZ4Raw is the number of LZ4_RAW in parquet.thrift.
const codecLZ4Raw compress.Compression = 7

// codecName returns the name that users know, and whether this package reads it.
func codecName(c compress.Compression) (name string, readable bool) {
	switch c {
	case compress.Codecs.Uncompressed, compress.Codecs.Snappy, compress.Codecs.Gzip, compress.Codecs.Brotli, compress.Codecs.Zstd:
		return c.String(), true
	case compress.Codecs.Lz4:
		return "LZ4", true
	case codecLZ4Raw:
		return "LZ4_RAW", true
	case compress.Codecs.Lzo:
		return "LZO", false
	}
	return "of an unknown kind", false
}

// most is the most bytes that a codec makes of src.
func most(codec compress.Compression, src []byte) (int64, error) {
	stored := int64(len(src))
	switch codec {
	case compress.Codecs.Snappy:
		return page.MostSnappy(stored), nil
	case compress.Codecs.Gzip:
		return page.MostGzip(stored), nil
	case compress.Codecs.Lz4, codecLZ4Raw:
		return page.MostLZ4(stored), nil
	case compress.Codecs.Zstd:
		n, err := page.MostZstd(src)
		if err != nil {
			return 0, column.Damaged("a zstd page cannot be decompressed (%v)", err)
		}
		return n, nil
	}
	return page.MostBrotli(stored), nil
}

// decompress fills dst from src.
func (z *decompressor) decompress(codec compress.Compression, dst, src []byte) error {
	if len(dst) == 0 && len(src) == 0 {
		return nil
	}
	switch codec {
	case compress.Codecs.Uncompressed:
		if len(src) != len(dst) {
			return column.Damaged("a page has %d bytes, its header says %d", len(src), len(dst))
		}
		copy(dst, src)
		return nil
	case compress.Codecs.Snappy:
		if size, n := binary.Uvarint(src); n <= 0 || size != uint64(len(dst)) {
			return column.Damaged("a snappy page does not have the %d bytes that its header says", len(dst))
		}
		c, err := compress.GetCodec(codec)
		if err != nil {
			return err
		}
		c.Decode(dst, src)
		return nil
	case compress.Codecs.Zstd:
		if err := z.zstd.Fill(dst, src); err != nil {
			return column.Damaged("a zstd page %v", err)
		}
		return nil
	case codecLZ4Raw:
		return decompressLZ4Raw(dst, src)
	case compress.Codecs.Lz4:
		return decompressLZ4(dst, src)
	}
	return decompressStream(codec, dst, src)
}

func decompressStream(codec compress.Compression, dst, src []byte) error {
	c, err := compress.GetCodec(codec)
	if err != nil {
		return err
	}
	r := c.NewReader(bytes.NewReader(src))
	if _, err := io.ReadFull(r, dst); err != nil {
		return column.Damaged("a page cannot be decompressed (%v)", err)
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != nil && err != io.EOF {
		return column.Damaged("a page has more than the %d bytes that its header says", len(dst))
	}
	return r.Close()
}

// close frees what the decoders hold.
func (z *decompressor) close() { z.zstd.Close() }
