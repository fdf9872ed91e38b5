package parquet

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"graphscore/pipeline/graph"
	"graphscore/readers/internal/column"
)

// TestLookup compares the entries that each of the ways looks up, piece by piece, with those that the decoded numbers name.
// Dictionaries may be smaller than the numbers need: then every way reports it.
func TestLookup(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		checkLookup[float32](t)
		checkLookup[int64](t)
	})
}

func checkLookup[T float32 | int64](t *rapid.T) {
	width := rapid.UintRange(1, maxPackedWidth+1).Draw(t, "width")
	numbers := runsOf(t, 1<<width)
	size := rapid.SampledFrom([]int{int(slices.Max(numbers)) + 1, 1 << width, 1<<width + 3, int(slices.Max(numbers)), 1 << width / 2, 0}).Draw(t, "size")
	dict := make([]T, size)
	for i := range dict {
		dict[i] = T(i + 1)
	}
	// What follows is as more runs are: short ones are read by words.
	data := append(rleOf(t, numbers, width), make([]byte, rapid.IntRange(0, 16).Draw(t, "behind"))...)
	pieces := []int{}
	for left := len(numbers); left > 0; left -= pieces[len(pieces)-1] {
		pieces = append(pieces, rapid.IntRange(1, left).Draw(t, "piece"))
	}
	for _, four := range []bool{false, true} {
		var x entries[T]
		x.learn(dict)
		if four {
			x.four(width)
		}
		var h rleDecoder
		h.reset(data, width)
		at := 0
		for _, n := range pieces {
			want := numbers[at : at+n]
			got := make([]T, n)
			err := lookup(&h, got, &x)
			if int(slices.Max(want)) >= size {
				if err == nil {
					t.Fatalf("four %v: entry %d of %d was found", four, slices.Max(want), size)
				}
				break
			}
			if err != nil {
				t.Fatalf("four %v: %v", four, err)
			}
			for i, v := range want {
				if got[i] != T(v+1) {
					t.Fatalf("four %v: number %d is %v, not %d", four, at+i, got[i], v+1)
				}
			}
			at += n
		}
	}
}

// TestFoursFollowTheDictionary: what was laid out for one dictionary or width is not used for another.
func TestFoursFollowTheDictionary(t *testing.T) {
	t.Parallel()
	var x entries[float32]
	for _, test := range []struct {
		dict  []float32
		width uint
	}{{[]float32{1, 2, 3, 4}, 2}, {[]float32{5, 6}, 1}, {[]float32{5, 6}, 3}, {[]float32{7, 8, 9}, 3}, {[]float32{7, 8, 9}, 4}} {
		x.learn(test.dict)
		x.four(test.width)
		var h rleDecoder
		h.reset(append([]byte{1<<1 | 1}, make([]byte, 16)...), test.width)
		got := make([]float32, 8)
		if err := lookup(&h, got, &x); err != nil {
			t.Fatal(err)
		}
		if want := slices.Repeat(test.dict[:1], 8); !slices.Equal(got, want) {
			t.Errorf("width %d: %v, not %v", test.width, got, want)
		}
	}
}

// TestRunsBeyondTheWidth: a run has a whole byte for its number, which may name an entry that packed numbers cannot.
func TestRunsBeyondTheWidth(t *testing.T) {
	t.Parallel()
	for _, four := range []bool{false, true} {
		for v := range byte(9) {
			var x entries[float32]
			x.learn([]float32{0, 1, 2, 3, 4, 5, 6})
			if four {
				x.four(2)
			}
			var h rleDecoder
			h.reset(append([]byte{16 << 1, v}, make([]byte, 32)...), 2)
			got := make([]float32, 16)
			err := lookup(&h, got, &x)
			switch {
			case v > 6 && err == nil:
				t.Errorf("four %v: entry %d of 7 was found", four, v)
			case v <= 6 && (err != nil || !slices.Equal(got, slices.Repeat([]float32{float32(v)}, 16))):
				t.Errorf("four %v: a run of %d is %v (%v)", four, v, got, err)
			}
		}
	}
}

// TestKnownFinite: values are known to be finite only where all before them are entries of dictionaries that are.
func TestKnownFinite(t *testing.T) {
	t.Parallel()
	nan := float32(math.NaN())
	c := column.New(graph.InputFeatures, column.Field{Name: "x", Depth: 1, Leaf: column.LeafFloat32}, 1<<20)
	c.Begin(nil, 20)
	out := c.Floats
	d := newNumberDecoder("x", column.LeafFloat32, out)
	dictionary := func(values ...float32) {
		t.Helper()
		d.reset()
		var body []byte
		for _, v := range values {
			body = binary.LittleEndian.AppendUint32(body, math.Float32bits(v))
		}
		if err := d.dictionary(body, len(values)); err != nil {
			t.Fatal(err)
		}
	}
	take := func(encoding int64, body []byte, n int) {
		t.Helper()
		if err := c.BeginRow(); err != nil {
			t.Fatal(err)
		}
		if err := d.page(encoding, body, n); err != nil {
			t.Fatal(err)
		}
		if err := d.take(n); err != nil {
			t.Fatal(err)
		}
	}
	known := func(want int) {
		t.Helper()
		for k := range out.Len() + 2 {
			if got := out.Finite(k); got != (k <= want) {
				t.Fatalf("of %d values, that the first %d are finite is known: %v", out.Len(), k, got)
			}
		}
	}
	known(0)
	dictionary(1, 2)
	take(encDictionary, []byte{1, 4 << 1, 1}, 4)
	take(encDictionary, []byte{1, 1 << 1, 1}, 1)
	known(5)
	take(encPlain, make([]byte, 8), 2)
	known(5)
	take(encDictionary, []byte{1, 5 << 1, 1}, 5)
	known(5)
	c.Drop(1)
	known(1)
	c.Drop(len(c.Starts) - 1)
	known(0)
	c.Begin(nil, 20)
	known(0)
	dictionary(1, nan)
	take(encDictionary, []byte{1, 5 << 1, 0}, 5)
	known(0)
	dictionary(float32(math.Inf(-1)))
	take(encDictionary, []byte{1, 5 << 1, 0}, 5)
	known(0)
	dictionary(3)
	take(encDictionary, []byte{1, 5 << 1, 0}, 5)
	known(0)
}

// listsAsRuns writes the repetition levels of one row of lists, of lengths that eight divides, as pyarrow does.
func listsAsRuns(lengths []int) (levels []byte, n int) {
	for i, length := range lengths {
		levels = append(levels, 1<<1|1, 0xa8, 0xaa)
		if i > 0 {
			levels[len(levels)-2]++
		}
		if length > 8 {
			levels = append(levels, byte(length-8)<<1, 2)
		}
		n += length
	}
	return levels, n
}

// TestListsOfOneLength compares the starts of lists that are found by their bytes with the decoded levels, with a byte of
// them changed.
func TestListsOfOneLength(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		length := rapid.IntRange(1, 8).Draw(t, "length")
		lengths := slices.Repeat([]int{8 * length}, rapid.IntRange(1, 20).Draw(t, "lists"))
		if rapid.Bool().Draw(t, "another") {
			lengths[rapid.IntRange(0, len(lengths)-1).Draw(t, "which")] = 8 * rapid.IntRange(1, 8).Draw(t, "its length")
		}
		data, n := listsAsRuns(lengths)
		if rapid.Bool().Draw(t, "change") {
			data[rapid.IntRange(0, len(data)-1).Draw(t, "place")] = rapid.SampledFrom([]byte{0, 1, 2, 3, 4, 16, 0x82, 0xa8, 0xab, 255}).Draw(t, "byte")
		}
		n = min(n, piece)
		levels := make([]uint8, n)
		var plain, short rleDecoder
		plain.reset(data, 2)
		short.reset(data, 2)
		wrong := decode(&plain, levels) != nil || slices.Max(levels) > 3
		split := rapid.IntRange(0, n).Draw(t, "split")
		got := slices.Repeat([]uint8{2}, n)
		for _, part := range [][]uint8{got[:split], got[split:]} {
			starts, err := short.listStarts(nil, len(part))
			if err != nil {
				if !wrong {
					t.Fatal(err)
				}
				return
			}
			for _, m := range starts {
				part[m.place()] = m.level()
			}
		}
		if wrong || !slices.Equal(got, levels) {
			t.Fatalf("wrong %v: marked %v, not %v", wrong, got, levels)
		}
	})
}
