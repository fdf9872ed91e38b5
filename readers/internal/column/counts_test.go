package column_test

import (
	"encoding/binary"
	"math"
	"testing"

	"graphscore/readers/internal/column"
)

// TestHalfFloats converts every half float there is.
func TestHalfFloats(t *testing.T) {
	t.Parallel()
	for v := range 1 << 16 {
		exponent, fraction := v>>10&0x1f, float64(v&0x3ff)
		want := math.Ldexp(1+fraction/1024, exponent-15)
		switch {
		case exponent == 0:
			want = math.Ldexp(fraction, -24)
		case exponent == 31 && fraction == 0:
			want = math.Inf(1)
		case exponent == 31:
			want = math.NaN()
		}
		want = math.Copysign(want, float64(1-v>>15*2))
		n := column.NewFloats(column.LeafFloat16)
		n.Add(binary.LittleEndian.AppendUint16(nil, uint16(v)))
		got := float64(n.Values[0])
		if got != want && !(math.IsNaN(got) && math.IsNaN(want)) || math.Signbit(got) != math.Signbit(want) && !math.IsNaN(want) {
			t.Fatalf("%#04x is %g, not %g", v, got, want)
		}
	}
}
