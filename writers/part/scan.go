package part

import (
	"bytes"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow/go/v15/parquet/metadata"

	"graphscore/pipeline/thrift"
)

// scanned is what is read of a footer: the number of its rows, and its keys and values. What it has are bytes of the footer.
type scanned struct {
	rows  int64
	pairs []pair
	// before and after are the bytes around rows, row groups and keys.
	before, after []byte
}

type pair struct{ key, value []byte }

// of returns the value of a key, nil where it is not there.
func (s *scanned) of(key string) (value []byte) {
	for i := range s.pairs {
		if string(s.pairs[i].key) == key {
			value = s.pairs[i].value
		}
	}
	return value
}

// text is of as a text: like where it is the same, so that footers of many parts share it.
func (s *scanned) text(key, like string) string {
	if value := s.of(key); string(value) != like {
		return string(value)
	}
	return like
}

// shape is what the footers of parts with the same columns have in common beside keys and row groups. The library has parsed
// one with it.
type shape struct{ before, after []byte }

// shapes keeps the shape that was met last, and memory for footers. It is safe for concurrent use.
type shapes struct {
	last    atomic.Pointer[shape]
	buffers sync.Pool // of *room
}

// room is memory in which one footer after another is read.
type room struct {
	raw []byte
	scanned
}

// largestKept is how many bytes of memory for a footer are kept for the next.
const largestKept = 1 << 20

// put keeps memory for the next footer, unless it is large. What was read into it must not be used any more.
func (s *shapes) put(b *room) (kept bool) {
	if kept = cap(b.raw) <= largestKept; kept {
		s.buffers.Put(b)
	}
	return kept
}

// read reads a footer: by itself where the library would be bound to accept it, as it differs from one that the library has
// parsed only in rows, keys and row groups, and these are as a writer makes them. Else the library does, and panics or
// returns false for what is none.
func (s *shapes) read(raw []byte, to *scanned) bool {
	plain := to.scan(raw)
	last := s.last.Load()
	if plain && last != nil && bytes.Equal(last.before, to.before) && bytes.Equal(last.after, to.after) {
		return true
	}
	meta, err := parseMeta(raw)
	if err != nil {
		return false
	}
	if plain {
		s.last.Store(&shape{bytes.Clone(to.before), bytes.Clone(to.after)})
	}
	to.rows, to.pairs = meta.GetNumRows(), to.pairs[:0]
	for _, kv := range meta.KeyValueMetadata() {
		to.pairs = append(to.pairs, pair{[]byte(kv.GetKey()), []byte(kv.GetValue())})
	}
	return true
}

// parseMeta is the footer as the library has it, which allocates what a length claims: all are compared with the footer before.
func parseMeta(raw []byte) (*metadata.FileMetaData, error) {
	if err := thrift.CheckFooter(raw); err != nil {
		return nil, err
	}
	return metadata.NewFileMetaData(raw, nil)
}

// The fields of a footer that differ from part to part, side by side.
const fieldRows, fieldGroups, fieldPairs = 3, 4, 5

// scan reads a footer, and reports whether it has just the fields that a writer of parts makes, in their order and with all
// that the library requires.
func (s *scanned) scan(raw []byte) bool {
	s.rows, s.pairs = 0, s.pairs[:0]
	c := &thrift.Reader{B: raw}
	for last := int16(0); last < fieldRows; {
		s.before = raw[:c.At]
		id, typ := c.Field(last)
		switch {
		case typ == 0, id > fieldRows, id == fieldRows && typ != thrift.I64:
			return false
		case id == fieldRows:
			s.rows = c.Int()
		default:
			c.Skip(typ)
		}
		last = id
	}
	if !follows(c, fieldRows, fieldGroups, thrift.List) || !structs(c, scanGroup) || !follows(c, fieldGroups, fieldPairs, thrift.List) {
		return false
	}
	paired := structs(c, func(c *thrift.Reader) bool {
		p := pair{}
		if !follows(c, 0, 1, thrift.Binary) {
			return false
		}
		p.key = c.Bytes()
		if !follows(c, 1, 2, thrift.Binary) {
			return false
		}
		p.value = c.Bytes()
		s.pairs = append(s.pairs, p)
		return ends(c, 2)
	})
	s.after = raw[c.At:]
	return paired && c.Err == nil
}

// follows reports whether the next field of a struct has a number and a type. It reads no value.
func follows(c *thrift.Reader, last, id int16, typ byte) bool {
	gotID, gotType := c.Field(last)
	return gotID == id && gotType == typ
}

// ends reports whether a struct has no more fields.
func ends(c *thrift.Reader, last int16) bool {
	_, typ := c.Field(last)
	return typ == 0 && c.Err == nil
}

// structs reads a list of structs.
func structs(c *thrift.Reader, read func(*thrift.Reader) bool) bool {
	n, typ := c.List()
	for range n {
		if !read(c) {
			return false
		}
	}
	return typ == thrift.Struct && c.Err == nil
}

// form is what fields a struct may have, by number, and which it must.
type form struct {
	types    [16]byte // 0 for a field that no writer of parts makes
	required uint16
	inner    func(c *thrift.Reader, id int16) bool // reads what is a list or a struct
}

// read reads a struct and reports whether it has the form.
func (f *form) read(c *thrift.Reader) bool {
	seen := uint16(0)
	for last := int16(0); ; {
		id, typ := c.Field(last)
		if typ == 0 {
			break
		}
		if id <= last || id >= int16(len(f.types)) || f.types[id] != typ {
			return false
		}
		switch typ {
		case thrift.List, thrift.Struct:
			if f.inner == nil || !f.inner(c, id) {
				return false
			}
		default:
			c.Skip(typ)
		}
		seen |= 1 << id
		last = id
	}
	return c.Err == nil && seen&f.required == f.required
}

var (
	groupForm = form{
		types:    [16]byte{1: thrift.List, 2: thrift.I64, 3: thrift.I64, 5: thrift.I64, 6: thrift.I64, 7: thrift.I16},
		required: 1<<1 | 1<<2 | 1<<3,
		inner:    func(c *thrift.Reader, _ int16) bool { return structs(c, chunkForm.read) },
	}
	chunkForm = form{
		types:    [16]byte{2: thrift.I64, 3: thrift.Struct},
		required: 1<<2 | 1<<3,
		inner:    func(c *thrift.Reader, _ int16) bool { return metaForm.read(c) },
	}
	metaForm = form{
		types: [16]byte{
			1: thrift.I32, 2: thrift.List, 3: thrift.List, 4: thrift.I32, 5: thrift.I64, 6: thrift.I64, 7: thrift.I64,
			9: thrift.I64, 11: thrift.I64, 12: thrift.Struct, 13: thrift.List,
		},
		required: 1<<1 | 1<<2 | 1<<3 | 1<<4 | 1<<5 | 1<<6 | 1<<7 | 1<<9,
		inner:    scanMetaField,
	}
	statisticsForm = form{
		types: [16]byte{1: thrift.Binary, 2: thrift.Binary, 3: thrift.I64, 4: thrift.I64, 5: thrift.Binary, 6: thrift.Binary},
	}
	encodingForm = form{
		types:    [16]byte{1: thrift.I32, 2: thrift.I32, 3: thrift.I32},
		required: 1<<1 | 1<<2 | 1<<3,
	}
)

func scanGroup(c *thrift.Reader) bool { return groupForm.read(c) }

// scanMetaField reads a list or a struct of the metadata of a chunk.
func scanMetaField(c *thrift.Reader, id int16) bool {
	switch id {
	case 2:
		return values(c, thrift.I32)
	case 3:
		return values(c, thrift.Binary)
	case 12:
		return statisticsForm.read(c)
	default:
		return structs(c, encodingForm.read)
	}
}

// values reads a list of numbers or texts.
func values(c *thrift.Reader, of byte) bool {
	n, typ := c.List()
	for i := 0; i < n && typ == of; i++ {
		c.Skip(of)
	}
	return typ == of && c.Err == nil
}
