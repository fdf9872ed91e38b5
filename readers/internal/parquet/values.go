package parquet

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"graphscore/readers/internal/column"
)

// decoder turns the values of Parquet pages into those of a column.
type decoder interface {
	// dictionary takes a dictionary page of n values.
	dictionary(body []byte, n int) error
	// page begins the values of a data page, at most n.
	page(encoding int64, body []byte, n int) error
	// take adds the next n values to the column.
	take(n int) error
	// end says whether the values of the page are used up, as far as that is known.
	end() error
	// reset forgets the dictionary.
	reset()
}

// encodingName returns the name that users know, and whether this package reads it for the type.
func encodingName(e int64, l column.Leaf) (name string, readable bool) {
	switch e {
	case encPlain:
		return "PLAIN", true
	case encPlainDictionary:
		return "PLAIN_DICTIONARY", true
	case encDictionary:
		return "RLE_DICTIONARY", true
	case encDelta:
		return "DELTA_BINARY_PACKED", l.Integer()
	case encDeltaLength:
		return "DELTA_LENGTH_BYTE_ARRAY", l.Bytes()
	case encDeltaBytes:
		return "DELTA_BYTE_ARRAY", l.Bytes()
	case encRLE:
		return "RLE", l == column.LeafBool
	case encBitPacked:
		return "BIT_PACKED", false
	case encSplit:
		return "BYTE_STREAM_SPLIT", l != column.LeafBool
	}
	return fmt.Sprintf("number %d", e), false
}

// hintRewrite is what to do about an encoding that is not read.
const hintRewrite = "rewrite it with dictionary or plain encoding"

func cannotDecode(name string, e int64) error {
	encoding, _ := encodingName(e, column.LeafOther)
	return column.Unsupported(hintRewrite, "column %s uses encoding %s, which cannot be read", name, encoding)
}

// numbered begins the values of a page that are numbers of dictionary entries.
func (h *rleDecoder) numbered(body []byte) error {
	if len(body) == 0 {
		h.reset(nil, 0) // a page of nulls
		return nil
	}
	if body[0] > 32 {
		return column.Damaged("a page has dictionary numbers of %d bits", body[0])
	}
	h.reset(body[1:], uint(body[0]))
	return nil
}

// indices returns numbers of dictionary entries, a few at a time.
type indices struct {
	rleDecoder
	buf [1024]uint32
}

// take returns the next n numbers, or fewer, all below size.
func (x *indices) take(n, size int) ([]uint32, error) {
	buf := x.buf[:min(n, len(x.buf))]
	if err := decode(&x.rleDecoder, buf); err != nil {
		return nil, err
	}
	for _, v := range buf {
		if int(v) >= size {
			return nil, noEntry(uint64(v), size)
		}
	}
	return buf, nil
}

// numberDecoder decodes numbers.
type numberDecoder[T float32 | int64] struct {
	name     string
	leaf     column.Leaf
	out      *column.Numbers[T]
	dict     column.Numbers[T]
	entries  entries[T] // of dict
	finite   bool       // all of dict are
	hasDict  bool
	encoding int64
	plain    []byte
	indices  rleDecoder
	delta    delta
	split    split
	bools    bools
}

func newNumberDecoder[T float32 | int64](name string, l column.Leaf, out *column.Numbers[T]) *numberDecoder[T] {
	return &numberDecoder[T]{name: name, leaf: l, out: out, dict: column.Numbers[T]{Width: out.Width, Convert: out.Convert}}
}

func (d *numberDecoder[T]) reset() {
	d.dict.Values, d.hasDict, d.plain = d.dict.Values[:0], false, nil
	d.entries.learn(nil)
}

func (d *numberDecoder[T]) dictionary(body []byte, n int) error {
	if d.hasDict {
		return column.Damaged("column %s has two dictionaries in one row group", d.name)
	}
	if n*d.out.Width != len(body) {
		return column.Damaged("the dictionary of column %s has %d bytes for %d values", d.name, len(body), n)
	}
	d.dict.Add(body)
	d.entries.learn(d.dict.Values)
	d.hasDict, d.finite = true, true
	for _, v := range d.dict.Values {
		f := float64(v)
		d.finite = d.finite && !math.IsNaN(f) && !math.IsInf(f, 0)
	}
	return nil
}

// fewValues is the size of a page for which it does not pay to lay a dictionary out by four numbers.
const fewValues = 1 << 14

// numbered begins the values of a page, at most n, that are numbers of dictionary entries.
func (d *numberDecoder[T]) numbered(body []byte, n int) error {
	if n >= fewValues && len(body) > 0 && isFloat[T]() {
		d.entries.four(uint(body[0]))
	}
	return d.indices.numbered(body)
}

func (d *numberDecoder[T]) page(encoding int64, body []byte, n int) error {
	d.encoding, d.plain = encoding, nil
	switch {
	case d.leaf == column.LeafBool && (encoding == encPlain || encoding == encRLE):
		d.encoding = encRLE
		return d.bools.reset(encoding, body, n)
	case encoding == encPlain:
		d.plain = body
		return nil
	case (encoding == encDictionary || encoding == encPlainDictionary) && d.hasDict:
		return d.numbered(body, n)
	case encoding == encDictionary || encoding == encPlainDictionary:
		return column.Damaged("column %s lacks its dictionary", d.name)
	case encoding == encDelta && d.leaf.Integer():
		return d.delta.reset(body, n, d.out.Width == 8)
	case encoding == encSplit && d.leaf != column.LeafBool:
		return d.split.reset(body, d.out.Width, n)
	}
	return cannotDecode(d.name, encoding)
}

func (d *numberDecoder[T]) take(n int) error {
	switch d.encoding {
	case encPlain:
		size := n * d.out.Width
		if size > len(d.plain) {
			return d.fewer()
		}
		d.out.Add(d.plain[:size])
		d.plain = d.plain[size:]
		return nil
	case encDelta:
		return d.takeDelta(n)
	case encSplit:
		if n > d.split.left() {
			return d.fewer()
		}
		if stored := d.out.ExtendStored(n); stored != nil {
			d.split.fill(stored, n)
			return nil
		}
		plain, _ := d.split.next(n)
		d.out.Add(plain)
		return nil
	case encRLE:
		truths, err := d.bools.next(n)
		if err != nil {
			return err
		}
		d.out.Add(truths)
		return nil
	}
	if err := lookup(&d.indices, d.out.Extend(n), &d.entries); err != nil {
		return err
	}
	if d.finite {
		d.out.AddedFinite(n)
	}
	return nil
}

func (d *numberDecoder[T]) fewer() error {
	return column.Damaged("a page of column %s has fewer values than levels", d.name)
}

func (d *numberDecoder[T]) takeDelta(n int) error {
	dst := d.out.Extend(n)
	for i := range dst {
		v, err := d.delta.next()
		if err != nil {
			return err
		}
		switch d.leaf {
		case column.LeafUint32:
			dst[i] = T(uint32(v))
		case column.LeafUint64:
			if uint64(v) > math.MaxInt64 && isFloat[T]() {
				dst[i] = T(float32(uint64(v)))
				continue
			}
			fallthrough
		default:
			dst[i] = T(v)
		}
	}
	return nil
}

func isFloat[T float32 | int64]() bool { return T(1)/2 != 0 }

func (d *numberDecoder[T]) end() error {
	if len(d.plain) != 0 || d.encoding == encDelta && d.delta.left != 0 || d.encoding == encSplit && d.split.left() > 0 {
		return column.Damaged("a page of column %s has more values than levels", d.name)
	}
	d.plain = nil // or the memory of the page could not be freed
	return nil
}

// textDecoder decodes byte strings.
type textDecoder struct {
	name     string
	fixed    int // the length of every value, -1 where each has its own
	limit    int // bytes that the column may hold
	out      *column.Texts
	dict     column.Texts
	hasDict  bool
	encoding int64
	plain    []byte
	indices  indices
	lengths  []int32
	prefixes []int32
	last     []byte
	split    split
}

func newTextDecoder(name string, fixed, limit int, out *column.Texts) *textDecoder {
	return &textDecoder{name: name, fixed: fixed, limit: limit, out: out, dict: column.Texts{Offsets: []uint32{0}}}
}

func (d *textDecoder) reset() {
	d.dict.Data, d.dict.Offsets, d.hasDict, d.plain = d.dict.Data[:0], d.dict.Offsets[:1], false, nil
}

func (d *textDecoder) dictionary(body []byte, n int) error {
	if d.hasDict {
		return column.Damaged("column %s has two dictionaries in one row group", d.name)
	}
	d.hasDict, d.plain = true, body
	for range n {
		if err := d.takePlain(&d.dict); err != nil {
			return err
		}
	}
	return nil
}

func (d *textDecoder) page(encoding int64, body []byte, n int) error {
	d.encoding, d.plain = encoding, body
	switch {
	case encoding == encPlain:
		return nil
	case (encoding == encDictionary || encoding == encPlainDictionary) && d.hasDict:
		d.plain = nil
		return d.indices.numbered(body)
	case encoding == encDictionary || encoding == encPlainDictionary:
		return column.Damaged("column %s lacks its dictionary", d.name)
	case encoding == encDeltaLength && d.fixed < 0:
		return d.deltas(&d.lengths, n)
	case encoding == encDeltaBytes:
		d.last = d.last[:0]
		if err := d.deltas(&d.prefixes, n); err != nil {
			return err
		}
		return d.deltas(&d.lengths, n)
	case encoding == encSplit && d.fixed > 0:
		if err := d.split.reset(body, d.fixed, n); err != nil {
			return err
		}
		d.encoding = encPlain
		d.plain, _ = d.split.next(d.split.count)
		return nil
	}
	return cannotDecode(d.name, encoding)
}

// deltas decodes the lengths before the values. A page has few bytes for many of them: what they add
// up to is bounded where they are used.
func (d *textDecoder) deltas(to *[]int32, n int) error {
	const most = 16 << 20
	var x delta
	if err := x.reset(d.plain, min(n, most), false); err != nil {
		return err
	}
	*to = slices.Grow((*to)[:0], min(x.left, 1<<16))
	for x.left > 0 {
		v, err := x.next()
		if err != nil {
			return err
		}
		if v < 0 {
			return column.Damaged("a page of column %s has a value of %d bytes", d.name, v)
		}
		*to = append(*to, int32(v))
	}
	d.plain = x.rest()
	return nil
}

func (d *textDecoder) take(n int) error {
	switch d.encoding {
	case encPlain:
		for range n {
			if err := d.takePlain(d.out); err != nil {
				return err
			}
		}
		return nil
	case encDeltaLength, encDeltaBytes:
		for range n {
			if err := d.takeDelta(); err != nil {
				return err
			}
		}
		return nil
	}
	for n > 0 {
		index, err := d.indices.take(n, d.dict.Len())
		if err != nil {
			return err
		}
		for _, v := range index {
			if err := d.add(d.out, d.dict.At(int(v))); err != nil {
				return err
			}
		}
		n -= len(index)
	}
	return nil
}

func (d *textDecoder) takePlain(out *column.Texts) error {
	size := d.fixed
	if size < 0 {
		if len(d.plain) < 4 {
			return column.Damaged("a page of column %s has fewer values than it says", d.name)
		}
		size, d.plain = int(int32(binary.LittleEndian.Uint32(d.plain))), d.plain[4:]
	}
	if size < 0 || size > len(d.plain) {
		return column.Damaged("a page of column %s has a value of %d bytes where %d are left", d.name, size, len(d.plain))
	}
	v := d.plain[:size]
	d.plain = d.plain[size:]
	return d.add(out, v)
}

func (d *textDecoder) add(out *column.Texts, v []byte) error {
	if len(out.Data)+len(v) > d.limit {
		return column.Unsupported("write shorter values", "a few rows take more than %d bytes in column %s", d.limit, d.name)
	}
	out.Add(v)
	return nil
}

func (d *textDecoder) takeDelta() error {
	if len(d.lengths) == 0 || int(d.lengths[0]) > len(d.plain) {
		return column.Damaged("a page of column %s has fewer values than it says", d.name)
	}
	size := int(d.lengths[0])
	d.lengths = d.lengths[1:]
	suffix := d.plain[:size]
	d.plain = d.plain[size:]
	if d.encoding == encDeltaLength {
		return d.add(d.out, suffix)
	}
	if len(d.prefixes) == 0 || int(d.prefixes[0]) > len(d.last) {
		return column.Damaged("a page of column %s repeats more bytes of a value than that has", d.name)
	}
	d.last = append(d.last[:d.prefixes[0]], suffix...)
	d.prefixes = d.prefixes[1:]
	if d.fixed >= 0 && len(d.last) != d.fixed {
		return column.Damaged("a page of column %s has a value of %d bytes, not %d", d.name, len(d.last), d.fixed)
	}
	return d.add(d.out, d.last)
}

func (d *textDecoder) end() error {
	if len(d.plain) != 0 {
		return column.Damaged("a page of column %s has more values than levels", d.name)
	}
	d.plain = nil // or the memory of the page could not be freed
	return nil
}
