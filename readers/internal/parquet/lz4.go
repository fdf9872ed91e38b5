package parquet

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/pierrec/lz4/v4"

	"graphscore/readers/internal/column"
)

// decompressLZ4Raw fills dst from one LZ4 block, which is codec LZ4_RAW.
func decompressLZ4Raw(dst, src []byte) error {
	n, err := lz4Block(dst, src)
	if err != nil {
		return column.Damaged("an LZ4 page cannot be decompressed (%v)", err)
	}
	if n != len(dst) {
		return column.Damaged("an LZ4 page has %d bytes, its header says %d", n, len(dst))
	}
	return nil
}

// lz4Block decompresses a block into the front of dst and returns how many bytes that took.
func lz4Block(dst, src []byte) (int, error) {
	if len(dst) == 0 && len(src) == 1 && src[0] == 0 { // the block of nothing
		return 0, nil
	}
	return lz4.UncompressBlock(src, dst)
}

// decompressLZ4 fills dst from a page of codec LZ4, which three kinds of writers understand in three ways: Hadoop's
// frames (parquet-mr, Spark, Arrow C++), LZ4's own frame format (old parquet-rs), one block (old Arrow C++). Only
// what has the size that the page announces is taken for one of them.
func decompressLZ4(dst, src []byte) error {
	if hadoopLZ4(dst, src) || framedLZ4(dst, src) {
		return nil
	}
	return decompressLZ4Raw(dst, src)
}

// hadoopLZ4 decompresses Hadoop's frames and says whether src was made of them. Each is the big-endian size of what
// it holds, then blocks until that is complete, each after its own big-endian size.
func hadoopLZ4(dst, src []byte) bool {
	const word = 4
	for len(src) > 0 {
		if len(src) < 2*word {
			return false
		}
		size := binary.BigEndian.Uint32(src)
		if uint64(size) > uint64(len(dst)) {
			return false
		}
		frame := dst[:size]
		dst, src = dst[size:], src[word:]
		for first := true; len(frame) > 0 || first; first = false {
			if len(src) < word {
				return false
			}
			stored := binary.BigEndian.Uint32(src)
			if src = src[word:]; uint64(stored) > uint64(len(src)) {
				return false
			}
			n, err := lz4Block(frame, src[:stored])
			if err != nil || n == 0 && len(frame) > 0 {
				return false
			}
			frame, src = frame[n:], src[stored:]
		}
	}
	return len(dst) == 0
}

// framedLZ4 decompresses LZ4's frame format and says whether src was that.
func framedLZ4(dst, src []byte) bool {
	const magic = 0x184D2204
	if len(src) < 4 || binary.LittleEndian.Uint32(src) != magic {
		return false
	}
	r := lz4.NewReader(bytes.NewReader(src))
	if _, err := io.ReadFull(r, dst); err != nil {
		return false
	}
	n, err := r.Read(make([]byte, 1))
	return n == 0 && err == io.EOF
}
