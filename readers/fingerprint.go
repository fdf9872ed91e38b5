package readers

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
)

// edge is how much of each end of a file a fast fingerprint looks at.
const edge = 64 << 10

// copyBuffer is the largest piece of which a fast fingerprint is made.
const copyBuffer = 32 << 10

// fingerprint returns "fast:<hex>" or "full:<hex>", the sha256 of what the kind looks at. tail is the size of the
// footer of a Parquet file with its length and magic, 0 for other formats.
func fingerprint(ctx context.Context, f io.ReaderAt, size int64, kind string, tail int64) (string, error) {
	h := sha256.New()
	if kind == FingerprintFull {
		buf := make([]byte, 1<<20)
		for r := io.NewSectionReader(f, 0, size); ; {
			if err := ctx.Err(); err != nil {
				return "", err
			}
			n, err := r.Read(buf)
			h.Write(buf[:n])
			if err == io.EOF {
				break
			}
			if err != nil {
				return "", err
			}
		}
		return kind + ":" + hex.EncodeToString(h.Sum(nil)), nil
	}
	if tail == 0 {
		tail = min(edge, size)
	}
	var length [8]byte
	binary.LittleEndian.PutUint64(length[:], uint64(size))
	h.Write(length[:])
	buf := make([]byte, min(size, copyBuffer))
	for _, part := range []*io.SectionReader{
		io.NewSectionReader(f, 0, min(edge, size)), io.NewSectionReader(f, size-tail, tail),
	} {
		if _, err := io.CopyBuffer(h, part, buf); err != nil {
			return "", err
		}
	}
	return kind + ":" + hex.EncodeToString(h.Sum(nil)), nil
}
