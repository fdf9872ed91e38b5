package parquet

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// TestSplit joins BYTE_STREAM_SPLIT values of any width, some at a time.
func TestSplit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		width, count := rapid.SampledFrom([]int{1, 2, 3, 4, 8, 12, 16}).Draw(t, "width"), rapid.IntRange(0, 60).Draw(t, "count")
		want := rapid.SliceOfN(rapid.Byte(), width*count, width*count).Draw(t, "values")
		data := make([]byte, len(want))
		for i, b := range want {
			data[i%width*count+i/width] = b
		}
		var s split
		if err := s.reset(data, width, count); err != nil {
			t.Fatal(err)
		}
		var got []byte
		for s.at < count {
			b, ok := s.next(rapid.IntRange(1, count-s.at).Draw(t, "n"))
			if !ok {
				t.Fatal("too few values")
			}
			got = append(got, b...)
		}
		if _, more := s.next(1); more || !bytes.Equal(got, want) {
			t.Fatalf("%v, not %v", got, want)
		}
	})
}
