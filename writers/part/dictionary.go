package part

import (
	"encoding/binary"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/klauspost/compress/zstd"
)

// encoderWindow is the window of the encoder of a part. It has to be at least a block of Zstandard.
const encoderWindow = 1 << 20

// dictionaryPage is the type of a page in its header.
const dictionaryPage = 2

// writeDictionary writes the page of a dictionary with so many entries, and returns the size of its header.
//
// The bytes are those that arrow's PageWriter makes. That one makes an encoder for each page, which takes 8 MB; the one of
// the part makes the same bytes of what fits into its window.
func writeDictionary(to Target, z *zstd.Encoder, plain []byte, entries int) (header int, err error) {
	var data []byte
	if len(plain) <= encoderWindow {
		data = z.EncodeAll(plain, nil)
	} else {
		codec, err := compress.GetCodec(compress.Codecs.Zstd)
		if err != nil {
			return 0, err
		}
		data = codec.EncodeLevel(nil, plain, zstdLevel)
	}
	const i32, structure, no = 0x05, 0x0c, 0x02 // types of Thrift's compact protocol, below how far a field is from the last one
	head := binary.AppendVarint([]byte{1<<4 | i32}, dictionaryPage)
	head = binary.AppendVarint(append(head, 1<<4|i32), int64(len(plain)))
	head = binary.AppendVarint(append(head, 1<<4|i32), int64(len(data)))
	head = append(head, 4<<4|structure) // the header of a dictionary: entries, encoding, not sorted
	head = binary.AppendVarint(append(head, 1<<4|i32), int64(entries))
	head = binary.AppendVarint(append(head, 1<<4|i32), int64(parquet.Encodings.Plain))
	head = append(head, 1<<4|no, 0, 0)
	if _, err := to.Write(head); err != nil {
		return 0, err
	}
	_, err = to.Write(data)
	return len(head), err
}
