package page

import (
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"
)

// MostGzip is the most bytes that gzip makes of so many: 258 of two bits.
func MostGzip(stored int64) int64 { return 258 * 8 / 2 * stored }

// MostLZ4 is the same of LZ4, in blocks and frames: 255 of each byte of a length.
func MostLZ4(stored int64) int64 { return 255 * stored }

// MostSnappy is the same of Snappy: a copy of 64 bytes takes three.
func MostSnappy(stored int64) int64 { return 64 * stored / 3 }

// MostBrotli is the same of Brotli: a meta-block of at most 16 MiB takes eight at least.
func MostBrotli(stored int64) int64 { return 16 << 20 / 8 * stored }

// zstdBlock is the most bytes that a block of zstd becomes. It takes four where all are the same.
const zstdBlock = 128 << 10

// ZstdRatio bounds what a file of any bytes becomes by zstd.
const ZstdRatio = zstdBlock / 4

// MostZstd is the most bytes that the frames of zstd in src become: 128 KiB for each block whose bytes are compressed. The
// error says that they are no frames. What is in the blocks is not looked at.
func MostZstd(src []byte) (most int64, err error) {
	for len(src) > 0 {
		var frame zstd.Header
		if err := frame.Decode(src); err != nil {
			return 0, err
		}
		rest := src[frame.HeaderSize:]
		if frame.Skippable {
			if src, err = after(rest, int64(frame.SkippableSize)); err != nil {
				return 0, err
			}
			continue
		}
		blocks, rest, err := zstdBlocks(rest)
		if err != nil {
			return 0, err
		}
		most += blocks
		if frame.HasCheckSum {
			if rest, err = after(rest, 4); err != nil {
				return 0, err
			}
		}
		src = rest
	}
	return most, nil
}

// zstdBlocks passes the blocks of a frame and returns the most that they become.
func zstdBlocks(src []byte) (most int64, rest []byte, err error) {
	const raw, repeated, compressed = 0, 1, 2
	for last := false; !last; {
		if len(src) < 3 {
			return 0, nil, io.ErrUnexpectedEOF
		}
		head := int64(src[0]) | int64(src[1])<<8 | int64(src[2])<<16
		last = head&1 == 1
		stored, becomes := head>>3, head>>3
		switch head >> 1 & 3 {
		case raw:
		case repeated:
			stored = 1
		case compressed:
			becomes = zstdBlock
		default:
			return 0, nil, errors.New("a block of no kind")
		}
		if src, err = after(src[3:], stored); err != nil {
			return 0, nil, err
		}
		most += min(becomes, zstdBlock)
	}
	return most, src, nil
}

// after returns what follows n bytes.
func after(b []byte, n int64) ([]byte, error) {
	if n > int64(len(b)) {
		return nil, io.ErrUnexpectedEOF
	}
	return b[n:], nil
}
