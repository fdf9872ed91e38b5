package thrift

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// TestReader: fields, numbers, texts and lists come out as they were written, and what is passed over is passed as a whole.
func TestReader(t *testing.T) {
	t.Parallel()
	b := []byte{
		1<<4 | I32, 5, // field 1: -3
		0<<4 | Binary, 40, 2, 'h', 'i', // field 20
		1<<4 | List, 2<<4 | I64, 1, 2, // field 21: -1 and 1
		1<<4 | Struct, 1<<4 | True, 3<<4 | Double, 0, 0, 0, 0, 0, 0, 0, 0, 1<<4 | Map, 1, I32<<4 | Byte, 4, 9, 0, // field 22
		1<<4 | False, // field 23
		0, 'x',
	}
	c := &Reader{B: b}
	var ids []int16
	for id, typ := range c.Fields() {
		switch ids = append(ids, id); id {
		case 1:
			if v := c.Int(); v != -3 {
				t.Errorf("number %d", v)
			}
		case 20:
			if v := c.Bytes(); !bytes.Equal(v, []byte("hi")) {
				t.Errorf("text %q", v)
			}
		case 21:
			n, of := c.List()
			if first, second := c.Int(), c.Int(); n != 2 || of != I64 || first != -1 || second != 1 {
				t.Errorf("%d values of type %d: %d, %d", n, of, first, second)
			}
		default:
			c.Skip(typ)
		}
	}
	if len(ids) != 5 || ids[4] != 23 || c.Err != nil || c.At != len(b)-1 {
		t.Errorf("fields %v up to byte %d of %d, %v", ids, c.At, len(b), c.Err)
	}
}

// TestReaderTakesAnyBytes: no bytes lead beyond their end, and the first error stays.
func TestReaderTakesAnyBytes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := &Reader{B: rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "bytes")}
		for c.Err == nil && c.At < len(c.B) {
			before := c.At
			if c.Skip(rapid.ByteRange(0, 14).Draw(t, "type")); c.At < before || c.At > len(c.B) {
				t.Fatalf("byte %d of %d", c.At, len(c.B))
			}
			c.Int()
		}
		if c.Err != nil && !errors.Is(c.Err, ErrShort) && !errors.Is(c.Err, ErrInvalid) {
			t.Errorf("error %v", c.Err)
		}
	})
}

// TestReaderErrors: sizes that are forged, numbers that end too early and values that are nested too deep are errors.
func TestReaderErrors(t *testing.T) {
	t.Parallel()
	deep := bytes.Repeat([]byte{1<<4 | Struct}, maxDepth+2)
	for name, tc := range map[string]struct {
		b    []byte
		typ  byte
		want error
	}{
		"text":     {[]byte{200, 1, 'x'}, Binary, ErrShort},
		"list":     {[]byte{0xf0 | I32, 0xff, 0xff, 0xff, 0xff, 0x0f}, List, ErrShort},
		"map":      {[]byte{9, I32<<4 | I32}, Map, ErrShort},
		"number":   {[]byte{0x80, 0x80}, I64, ErrShort},
		"overflow": {bytes.Repeat([]byte{0xff}, 12), I64, ErrInvalid},
		"depth":    {deep, Struct, ErrInvalid},
		"type":     {[]byte{1}, 13, ErrInvalid},
	} {
		c := &Reader{B: tc.b}
		if c.Skip(tc.typ); !errors.Is(c.Err, tc.want) || c.At != len(c.B) {
			t.Errorf("%s: %v at byte %d", name, c.Err, c.At)
		}
	}
	c := &Reader{B: []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}}
	if v := c.Int(); v != math.MinInt64 || c.Err != nil {
		t.Errorf("number %d, %v", v, c.Err)
	}
}
