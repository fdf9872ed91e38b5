package thrift

import (
	"encoding/binary"
	"errors"
	"testing"
)

// schemaOf is a footer whose schema has elements with so many children each.
func schemaOf(children ...int64) []byte {
	b := []byte{2<<4 | List, 0xf0 | Struct}
	b = binary.AppendUvarint(b, uint64(len(children)))
	for _, n := range children {
		b = append(binary.AppendVarint(append(b, 5<<4|I32), n), 0)
	}
	return append(b, 0)
}

// ones is a schema in which each element has one below it, and the last none.
func ones(depth int) []int64 {
	children := make([]int64, depth+1)
	for i := range depth {
		children[i] = 1
	}
	return children
}

// TestCheckFooter: what makes a library allocate or recurse without bound is refused.
func TestCheckFooter(t *testing.T) {
	t.Parallel()
	claim := binary.AppendUvarint([]byte{4<<4 | List, 0xf0 | Struct}, 100_000_000)
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"flat":               {schemaOf(2, 0, 0), nil},
		"nested":             {schemaOf(ones(maxDepth)...), nil},
		"too deep":           {schemaOf(ones(maxDepth + 1)...), ErrInvalid},
		"children missing":   {schemaOf(3, 0, 0), ErrInvalid},
		"too many children":  {schemaOf(1, 0, 0), ErrInvalid},
		"negative":           {schemaOf(-1), ErrInvalid},
		"a list claims much": {append(claim, make([]byte, 1000)...), ErrShort},
		"a text claims much": {append(binary.AppendUvarint([]byte{6<<4 | Binary}, 1<<40), make([]byte, 1000)...), ErrShort},
		"nothing":            {nil, ErrShort},
	} {
		if err := CheckFooter(c.b); !errors.Is(err, c.want) || err != nil && c.want == nil {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
