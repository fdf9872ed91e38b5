package arrow

import "encoding/binary"

var le = binary.LittleEndian

// fbTable is a table of a flatbuffer. Its methods go out of the range of a slice where the bytes are invalid,
// which guard turns into an error; nothing is allocated for a length that the bytes claim.
type fbTable struct {
	b  []byte
	at int
}

// rootTable returns the table that a flatbuffer begins with.
func rootTable(b []byte) fbTable { return fbTable{b, int(le.Uint32(b))} }

// place returns where field i is, 0 where it is not set.
func (t fbTable) place(i int) int {
	v := t.at - int(int32(le.Uint32(t.b[t.at:])))
	if size := int(le.Uint16(t.b[v:])); 4+2*i+2 > size {
		return 0
	}
	if off := int(le.Uint16(t.b[v+4+2*i:])); off != 0 {
		return t.at + off
	}
	return 0
}

func (t fbTable) byte(i int, missing byte) byte {
	if p := t.place(i); p != 0 {
		return t.b[p]
	}
	return missing
}

func (t fbTable) short(i int) int {
	if p := t.place(i); p != 0 {
		return int(int16(le.Uint16(t.b[p:])))
	}
	return 0
}

func (t fbTable) int(i int) int {
	if p := t.place(i); p != 0 {
		return int(int32(le.Uint32(t.b[p:])))
	}
	return 0
}

func (t fbTable) long(i int) int64 {
	if p := t.place(i); p != 0 {
		return int64(le.Uint64(t.b[p:]))
	}
	return 0
}

// table returns the table that field i points to.
func (t fbTable) table(i int) (fbTable, bool) {
	p := t.place(i)
	if p == 0 {
		return fbTable{}, false
	}
	return fbTable{t.b, p + int(le.Uint32(t.b[p:]))}, true
}

// vector returns the bytes of a vector of n elements of one size.
func (t fbTable) vector(i, size int) (b []byte, n int) {
	p := t.place(i)
	if p == 0 {
		return nil, 0
	}
	p += int(le.Uint32(t.b[p:]))
	n = int(le.Uint32(t.b[p:]))
	return t.b[p+4 : p+4+n*size : p+4+n*size], n
}

// tables returns element k of a vector of tables.
func (t fbTable) tables(i, k int) fbTable {
	p := t.place(i)
	p += int(le.Uint32(t.b[p:])) + 4 + 4*k
	return fbTable{t.b, p + int(le.Uint32(t.b[p:]))}
}

func (t fbTable) string(i int) string {
	b, _ := t.vector(i, 1)
	return string(b)
}
