package page

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math"
	"testing"

	"graphscore/pipeline/thrift"
)

// encoded is a header in thrift's compact protocol. struct 5 is that of a data page, 7 of a dictionary, 8 of V2.
func encoded(kind Kind, size, stored int64, inner byte, fields ...int64) []byte {
	i32 := func(b []byte, v int64) []byte { return binary.AppendVarint(append(b, 1<<4|thrift.I32), v) }
	b := i32(i32(i32(nil, int64(kind)), size), stored)
	b = append(b, (inner-3)<<4|thrift.Struct)
	for _, v := range fields {
		b = i32(b, v)
	}
	if inner == 8 {
		b = append(b, 1<<4|thrift.False)
	}
	return append(b, 0, 0)
}

func TestHeader(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		b    []byte
		want Header
		err  error
	}{
		"data":       {encoded(V1, 9, 7, 5, 3, 8, 3, 4), Header{Kind: V1, Size: 9, Stored: 7, Values: 3, Encoding: 8, DefEncoding: 3, RepEncoding: 4}, nil},
		"dictionary": {encoded(Dictionary, 9, 7, 7, 3, 2), Header{Kind: Dictionary, Size: 9, Stored: 7, Values: 3, Encoding: 2}, nil},
		"v2": {
			encoded(V2, 9, 7, 8, 3, 1, 2, 8, 5, 6),
			Header{Kind: V2, Size: 9, Stored: 7, Values: 3, Nulls: 1, Encoding: 8, DefLength: 5, RepLength: 6, Uncompressed: true}, nil,
		},
		"negative":    {encoded(V1, math.MinInt32, -1, 5, -3, 0, 0, 0), Header{Kind: V1, Size: math.MinInt32, Stored: -1, Values: -3}, nil},
		"64 bits":     {encoded(V1, math.MaxInt32+1, 1, 5, 3), Header{}, ErrInvalid},
		"64 bits in":  {encoded(V1, 1, 1, 5, math.MinInt32-1), Header{}, ErrInvalid},
		"no contents": {[]byte{1<<4 | thrift.I32, 0, 1<<4 | thrift.I32, 0, 1<<4 | thrift.I32, 0, 0}, Header{}, ErrInvalid},
		"index":       {[]byte{1<<4 | thrift.I32, 2, 1<<4 | thrift.I32, 2, 1<<4 | thrift.I32, 4, 0}, Header{Kind: Index, Size: 1, Stored: 2}, nil},
		"no size":     {[]byte{1<<4 | thrift.I32, 2, 0}, Header{}, ErrInvalid},
		"cut":         {encoded(V1, 9, 7, 5, 3, 8)[:9], Header{}, ErrInvalid},
		"nothing":     {nil, Header{}, io.EOF},
	} {
		var got Header
		n, err := got.Read(bufio.NewReader(bytes.NewReader(c.b)))
		if !errors.Is(err, c.err) || (err == nil && (got != c.want || n != len(c.b))) {
			t.Errorf("%s: %+v of %d bytes, %v", name, got, n, err)
		}
	}
}

// TestLongHeader: a header may take what the buffer has, and no more.
func TestLongHeader(t *testing.T) {
	t.Parallel()
	long := encoded(V1, 9, 7, 5, 3, 8)
	long = append(long[:len(long)-1], 1<<4|thrift.Binary)
	long = append(append(binary.AppendUvarint(long, 3000), make([]byte, 3000)...), 0)
	for buffer, want := range map[int]error{1 << 10: ErrInvalid, 4 << 10: nil} {
		var h Header
		n, err := h.Read(bufio.NewReaderSize(bytes.NewReader(append(bytes.Clone(long), 1, 2, 3)), buffer))
		if !errors.Is(err, want) || err == nil && (n != len(long) || h.Values != 3) {
			t.Errorf("buffer of %d: %d bytes, %+v, %v", buffer, n, h, err)
		}
	}
}

func TestContents(t *testing.T) {
	t.Parallel()
	page := []byte("what is stored")
	sum := crc32.ChecksumIEEE(page)
	for name, c := range map[string]struct {
		h    Header
		b    []byte
		want error
	}{
		"no checksum": {Header{Stored: 14}, page, nil},
		"signed":      {Header{Stored: 14, hasCRC: true, crc: int64(int32(sum))}, page, nil},
		"unsigned":    {Header{Stored: 14, hasCRC: true, crc: int64(sum)}, page, nil},
		"other":       {Header{Stored: 14, hasCRC: true, crc: int64(sum) ^ 1}, page, ErrChecksum},
		"short":       {Header{Stored: 15}, page, io.ErrUnexpectedEOF},
		"none":        {Header{Stored: 15}, nil, io.EOF},
	} {
		got, err := c.h.Contents(bytes.NewReader(c.b), nil)
		if !errors.Is(err, c.want) || err == nil && !bytes.Equal(got, page) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestKinds(t *testing.T) {
	t.Parallel()
	for k, want := range map[Kind]string{V1: "DATA_PAGE", Index: "INDEX_PAGE", Dictionary: "DICTIONARY_PAGE", V2: "DATA_PAGE_V2", 7: "7", -1: "-1"} {
		if k.String() != want || k.Holds() != (k == V1 || k == Dictionary || k == V2) {
			t.Errorf("%d: %s %t", k, k, k.Holds())
		}
	}
}
