package page

import (
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// Zstd decompresses pages and buffers that are in memory, one after the other. The zero value is ready; Close frees its
// decoder.
type Zstd struct {
	decoder *zstd.Decoder
}

// Fill decompresses src into dst, which has room for what src has to become, and no more is ever made. The caller has
// compared the room with [MostZstd]. The error goes on after what it is that was stored: "a page ...".
func (z *Zstd) Fill(dst, src []byte) error {
	if z.decoder == nil {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			return err
		}
		z.decoder = d
	}
	out, err := z.decoder.DecodeAll(src, dst[:0:len(dst)])
	if err != nil {
		return fmt.Errorf("cannot be decompressed (%w)", err)
	}
	if len(out) != len(dst) {
		return fmt.Errorf("has %d bytes, its header says %d", len(out), len(dst))
	}
	return nil
}

// Close frees the decoder. A Zstd may be used again.
func (z *Zstd) Close() {
	if z.decoder != nil {
		z.decoder.Close()
	}
	*z = Zstd{}
}
