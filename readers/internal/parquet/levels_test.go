package parquet

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/parquet/compress"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"graphscore/pipeline/graph"
	"graphscore/pipeline/page"
	"graphscore/pipeline/thrift"
	"graphscore/readers/internal/column"
)

// rleOf encodes numbers as runs and bit-packed groups, in an order that is drawn.
func rleOf(t *rapid.T, numbers []uint32, width uint) []byte {
	var out []byte
	for at := 0; at < len(numbers); {
		same := 1
		for at+same < len(numbers) && numbers[at+same] == numbers[at] {
			same++
		}
		if same > 1 && rapid.Bool().Draw(t, "run") {
			n := rapid.IntRange(1, same).Draw(t, "of")
			out = binary.AppendUvarint(out, uint64(n)<<1)
			for i := range (width + 7) / 8 {
				out = append(out, byte(numbers[at]>>(8*i)))
			}
			at += n
			continue
		}
		groups := rapid.IntRange(1, (len(numbers)-at+7)/8).Draw(t, "groups")
		out = binary.AppendUvarint(out, uint64(groups)<<1|1)
		packed := make([]byte, groups*int(width))
		for i := range min(8*groups, len(numbers)-at) {
			for b := range width {
				bit := uint(i)*width + b
				packed[bit/8] |= byte(numbers[at+i]>>b&1) << (bit % 8)
			}
		}
		out = append(out, packed...)
		at += 8 * groups
	}
	return out
}

// runsOf draws numbers below size with runs among them.
func runsOf(t *rapid.T, size uint32) []uint32 {
	var numbers []uint32
	for range rapid.IntRange(1, 30).Draw(t, "runs") {
		v := rapid.Uint32Range(0, size-1).Draw(t, "number")
		numbers = append(numbers, slices.Repeat([]uint32{v}, rapid.IntRange(1, 40).Draw(t, "times"))...)
	}
	return numbers
}

// TestRLE decodes numbers piece by piece in the three ways there are.
func TestRLE(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		width := rapid.UintRange(1, 20).Draw(t, "width")
		numbers := runsOf(t, 1<<width)
		dict := make([]float32, 1<<width)
		for i := range dict {
			dict[i] = float32(i)
		}
		var plain, looked rleDecoder
		var x entries[float32]
		x.learn(dict)
		data := rleOf(t, numbers, width)
		plain.reset(data, width)
		looked.reset(data, width)
		for at := 0; at < len(numbers); {
			n := rapid.IntRange(1, len(numbers)-at).Draw(t, "piece")
			got, entries := make([]uint32, n), make([]float32, n)
			if err := decode(&plain, got); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, numbers[at:at+n]) {
				t.Fatalf("decoded %v, not %v", got, numbers[at:at+n])
			}
			if err := lookup(&looked, entries, &x); err != nil {
				t.Fatal(err)
			}
			for i, v := range entries {
				if v != float32(got[i]) {
					t.Fatalf("entry %d is %v, not %d", i, v, got[i])
				}
			}
			at += n
		}
		looked.reset(data, width)
		largest := slices.Max(numbers)
		x.learn(dict[:largest])
		if err := lookup(&looked, make([]float32, len(numbers)), &x); err == nil {
			t.Fatalf("entry %d of a dictionary of %d was found", largest, largest)
		}
	})
}

// TestListStarts holds the levels that marks passes over against those that decode gives.
func TestListStarts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		levels := runsOf(t, 4)
		var h rleDecoder
		h.reset(rleOf(t, levels, 2), 2)
		for at := 0; at < len(levels); {
			n := rapid.IntRange(1, min(piece, len(levels)-at)).Draw(t, "piece")
			marks, err := h.listStarts(nil, n)
			if err != nil {
				t.Fatal(err)
			}
			got := slices.Repeat([]uint32{2}, n)
			for _, m := range marks {
				got[m.place()] = uint32(m.level())
			}
			if !slices.Equal(got, levels[at:at+n]) {
				t.Fatalf("marked %v, not %v", got, levels[at:at+n])
			}
			at += n
		}
	})
}

// The levels of an optional list of optional lists of optional floats, the deepest that there is.
const (
	defNullRow = iota
	defEmptyRow
	defNullList
	defEmptyList
	defNullValue
	defValue
)

// nested is a column as rows are drawn for it: levels, values, and what becomes of them.
type nested struct {
	reps, defs    []uint32
	values        []float32
	starts, inner []int32
	flags         []uint8
	column        []float32
}

func (n *nested) level(rep, def uint32) { n.reps, n.defs = append(n.reps, rep), append(n.defs, def) }

func (n *nested) drawRow(t *rapid.T, full bool) {
	n.starts, n.flags = append(n.starts, int32(len(n.inner))), append(n.flags, 0)
	kinds := rapid.SampledFrom([]uint32{defNullRow, defEmptyRow, defValue, defValue, defValue})
	if full {
		kinds = rapid.Just(uint32(defValue))
	}
	if d := kinds.Draw(t, "row"); d < defValue {
		if d == defNullRow {
			n.flags[len(n.flags)-1] |= column.NullRow
		}
		n.level(0, d)
		return
	}
	width := rapid.IntRange(1, 40).Draw(t, "width") // most inner lists of a row are of one length
	for i := range rapid.IntRange(1, 20).Draw(t, "lists") {
		n.drawList(t, min(uint32(i), 1), width, full)
	}
}

func (n *nested) drawList(t *rapid.T, rep uint32, width int, full bool) {
	n.inner = append(n.inner, int32(len(n.column)))
	if !full {
		switch rapid.IntRange(0, 9).Draw(t, "list") {
		case 0:
			n.level(rep, defNullList)
			n.flags[len(n.flags)-1] |= column.NullInside
			return
		case 1:
			n.level(rep, defEmptyList)
			return
		}
	}
	for range width {
		if !full && rapid.IntRange(0, 19).Draw(t, "value") == 0 {
			n.level(rep, defNullValue)
			n.flags[len(n.flags)-1] |= column.NullInside
			n.column = append(n.column, 0)
		} else {
			v := float32(rapid.IntRange(0, 5).Draw(t, "entry"))
			n.level(rep, defValue)
			n.values, n.column = append(n.values, v), append(n.column, v)
		}
		rep = 2
	}
}

// pageHeader is one in thrift's compact protocol. struct 5 is that of a data page, 7 of a dictionary.
func pageHeader(kind page.Kind, inner byte, size int, fields ...int64) []byte {
	i32 := func(b []byte, v int64) []byte { return binary.AppendVarint(append(b, 1<<4|thrift.I32), v) }
	b := i32(i32(i32(nil, int64(kind)), int64(size)), int64(size))
	b = append(b, (inner-3)<<4|thrift.Struct)
	for _, v := range fields {
		b = i32(b, v)
	}
	return append(b, 0, 0)
}

// chunkOf cuts a column into pages anywhere, some with a dictionary.
func chunkOf(t *rapid.T, n *nested) []byte {
	var out []byte
	coded := rapid.Bool().Draw(t, "dictionary")
	if coded {
		out = append(out, pageHeader(page.Dictionary, 7, 4*6, 6, encPlain)...)
		for v := range 6 {
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(float32(v)))
		}
	}
	values := n.values
	for at := 0; at < len(n.reps); {
		k := rapid.IntRange(1, len(n.reps)-at).Draw(t, "page")
		var body []byte
		for _, levels := range []struct {
			of    []uint32
			width uint
		}{{n.reps, 2}, {n.defs, 3}} {
			b := rleOf(t, levels.of[at:at+k], levels.width)
			body = append(binary.LittleEndian.AppendUint32(body, uint32(len(b))), b...)
		}
		present := 0
		for _, d := range n.defs[at : at+k] {
			present += int(d / defValue)
		}
		encoding := int64(encPlain)
		switch {
		case coded && rapid.Bool().Draw(t, "coded"):
			numbers := make([]uint32, present)
			for i, v := range values[:present] {
				numbers[i] = uint32(v)
			}
			encoding = encDictionary
			body = append(append(body, 3), rleOf(t, numbers, 3)...)
		case rapid.Bool().Draw(t, "split"):
			encoding = encSplit
			body = append(body, splitOf(values[:present])...)
		default:
			for _, v := range values[:present] {
				body = binary.LittleEndian.AppendUint32(body, math.Float32bits(v))
			}
		}
		out = append(append(out, pageHeader(page.V1, 5, len(body), int64(k), encoding, encRLE, encRLE)...), body...)
		values, at = values[present:], at+k
	}
	return out
}

// splitOf writes floats as BYTE_STREAM_SPLIT.
func splitOf(values []float32) []byte {
	var out []byte
	for k := range 4 {
		for _, v := range values {
			out = append(out, byte(math.Float32bits(v)>>(8*k)))
		}
	}
	return out
}

// general is fill without its short way for lists that are full.
func general(l *chunkReader, c *column.Column) error {
	n, full, err := l.next(c)
	if n == 0 || err != nil {
		return err
	}
	if full {
		repeat(l.defs[:n], l.maxDef)
	}
	if err := l.assemble(c, n); err != nil || l.left > 0 {
		return err
	}
	return l.values.end()
}

// chunkReaderOf is a column of lists of lists of floats whose pages are given, and what fills it.
func chunkReaderOf(chunk []byte, values, rows int64) (*chunkReader, *column.Column) {
	c := column.New(graph.InputFeatures, column.Field{Name: "x", Depth: 2, Leaf: column.LeafFloat32}, 1<<20)
	l := &chunkReader{nesting: nesting{maxRep: 2, maxDef: defValue, element: [3]uint8{0, defNullList, defNullValue}}}
	l.values = newNumberDecoder("x", column.LeafFloat32, c.Floats)
	l.pages.name, l.pages.limit = "x", 1<<20
	l.pages.reset(bytes.NewReader(chunk), 0, int64(len(chunk)), compress.Codecs.Uncompressed)
	l.begin(values)
	c.Begin(l, rows)
	return l, c
}

// assembled fills a column to its end in one of the two ways.
func assembled(chunk []byte, values, rows int64, fill func(*chunkReader, *column.Column) error) (*column.Column, error) {
	l, c := chunkReaderOf(chunk, values, rows)
	for !c.Ended {
		if err := fill(l, c); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// differ says where two columns do.
func differ(a, b *column.Column) string {
	return cmp.Diff([]any{a.Starts, a.Inner, a.Flags, a.Floats.Values}, []any{b.Starts, b.Inner, b.Flags, b.Floats.Values}, cmpopts.EquateEmpty())
}

// TestLists decodes lists of lists, drawn with nulls or full, from pages of any size and encoding: the short way and
// the general one give what was drawn.
func TestLists(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var n nested
		full := rapid.Bool().Draw(t, "full")
		for range rapid.IntRange(1, 25).Draw(t, "rows") {
			n.drawRow(t, full)
		}
		chunk := chunkOf(t, &n)
		want := &column.Column{Starts: n.starts, Inner: n.inner, Flags: n.flags, Floats: &column.Numbers[float32]{Values: n.column}}
		for name, fill := range map[string]func(*chunkReader, *column.Column) error{"fill": (*chunkReader).Fill, "general": general} {
			got, err := assembled(chunk, int64(len(n.reps)), int64(len(n.starts)), fill)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if d := differ(want, got); d != "" {
				t.Fatalf("%s (-drawn +got):\n%s", name, d)
			}
		}
	})
}

// FuzzLists: whatever the bytes of the pages are, neither way panics, and both give the same rows or an error.
func FuzzLists(f *testing.F) {
	seeds := rapid.Custom(func(t *rapid.T) []byte {
		var n nested
		for range rapid.IntRange(1, 4).Draw(t, "rows") {
			n.drawRow(t, true)
		}
		return chunkOf(t, &n)
	})
	for i := range 20 {
		f.Add(seeds.Example(i), uint16(100), uint8(3))
	}
	for _, lists := range [][]int{{16, 16, 16, 16}, {8, 8, 8}, {24, 24, 16, 24}} {
		levels, n := listsAsRuns(lists)
		body := append(binary.LittleEndian.AppendUint32(nil, uint32(len(levels))), levels...)
		body = append(body, 2, 0, 0, 0, byte(n<<1), defValue)
		body = append(body, make([]byte, 4*n)...)
		f.Add(append(pageHeader(page.V1, 5, len(body), int64(n), encPlain, encRLE, encRLE), body...), uint16(n), uint8(1))
	}
	f.Fuzz(func(t *testing.T, chunk []byte, values uint16, rows uint8) {
		short, err := assembled(chunk, int64(values), int64(rows), (*chunkReader).Fill)
		long, err2 := assembled(chunk, int64(values), int64(rows), general)
		if (err == nil) != (err2 == nil) {
			t.Fatalf("fill: %v, general: %v", err, err2)
		}
		if err != nil {
			return
		}
		for _, c := range []*column.Column{short, long} { // NaN is not equal to itself
			for i, v := range c.Floats.Values {
				c.Floats.Values[i] = float32(math.Float32bits(v) >> 8)
			}
		}
		if d := differ(short, long); d != "" {
			t.Fatalf("-fill +general:\n%s", d)
		}
	})
}
