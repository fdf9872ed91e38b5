package parquet

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/compress"

	"graphscore/pipeline/thrift"
)

// writtenChunk writes a chunk with the metadata given, one after the other.
func writtenChunk(metas ...[]byte) []byte {
	fields := []rawField{{chunkOffset, thrift.I64, []byte{0}}}
	for _, m := range metas {
		fields = append(fields, rawField{chunkMeta, thrift.Struct, m})
	}
	return appendStruct(nil, fields)
}

// metaOf writes the metadata of a chunk of 5 values.
func metaOf(typ, codec, encoding int64, more ...rawField) []byte {
	number := func(v int64) []byte { return binary.AppendVarint(nil, v) }
	return appendStruct(nil, append([]rawField{
		{metaType, thrift.I32, number(typ)},
		{metaEncodings, thrift.List, append([]byte{1<<4 | thrift.I32}, number(encoding)...)},
		{metaPath, thrift.List, []byte{thrift.Binary}},
		{metaCodec, thrift.I32, number(codec)},
		{metaValues, thrift.I64, number(5)},
		{metaSize, thrift.I64, number(40)},
		{metaStored, thrift.I64, number(40)},
		{metaData, thrift.I64, number(4)},
	}, more...))
}

// TestNumbersOf32Bits: a type, a codec or an encoding beyond 32 bits is an error, not another one.
func TestNumbersOf32Bits(t *testing.T) {
	t.Parallel()
	const beyond = 1 << 32
	for _, tc := range []struct {
		typ, codec, encoding int64
		want                 error
	}{
		{typ: 1},
		{typ: 1, codec: 6, encoding: 40},
		{typ: 1, codec: -1, encoding: -1 << 31},
		{typ: 1 + beyond, want: thrift.ErrInvalid},
		{typ: 1, codec: beyond, want: thrift.ErrInvalid},
		{typ: 1, codec: 1 << 31, want: thrift.ErrInvalid},
		{typ: 1, encoding: beyond, want: thrift.ErrInvalid},
		{typ: 1, encoding: -beyond, want: thrift.ErrInvalid},
	} {
		c := &thrift.Reader{B: writtenChunk(metaOf(tc.typ, tc.codec, tc.encoding))}
		k := readChunk(c)
		if !errors.Is(c.Err, tc.want) {
			t.Errorf("%+v: %v", tc, c.Err)
		}
		if tc.want != nil {
			continue
		}
		strange := int32(0)
		if tc.encoding < 0 || tc.encoding > 31 {
			strange = int32(tc.encoding)
		}
		if k.typ != parquet.Type(tc.typ) || k.codec != compress.Compression(tc.codec) || k.strange != strange || c.At != len(c.B) {
			t.Errorf("%+v is read as %+v", tc, k)
		}
	}
}

// TestMetadataTwice: of metadata that a chunk has twice the last counts, and nothing of the first is left.
func TestMetadataTwice(t *testing.T) {
	t.Parallel()
	first := metaOf(2, 1, 40, rawField{metaDictionary, thrift.I64, binary.AppendVarint(nil, 9)})
	twice := &thrift.Reader{B: writtenChunk(first, metaOf(1, 0, 3))}
	once := &thrift.Reader{B: writtenChunk(metaOf(1, 0, 3))}
	if got, want := readChunk(twice), readChunk(once); got != want || twice.Err != nil || want.values != 5 {
		t.Errorf("read as %+v, not %+v (%v)", got, want, twice.Err)
	}
	lacking := appendStruct(nil, []rawField{{metaType, thrift.I32, []byte{2}}})
	if c := (&thrift.Reader{B: writtenChunk(first, lacking)}); readChunk(c).described && c.Err == nil {
		t.Error("what the last metadata lack is taken from the first")
	}
}
