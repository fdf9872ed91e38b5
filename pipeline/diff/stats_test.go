package diff

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestDistances compares with what NumPy and SciPy find: see testdata/make_distances.py.
func TestDistances(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("testdata/distances.json")
	must(t, err)
	var vectors []struct {
		Name     string
		PSI, KS  float64
		Old, New []float32
	}
	must(t, json.Unmarshal(content, &vectors))
	moved := map[string]float64{}
	for _, v := range vectors {
		for _, most := range []int{maxBins, minBins} { // of the first reading
			psi, ks := distances(newBins(span(v.Old, v.New, most)), v.Old, v.New)
			if math.Abs(psi-v.PSI) > 1e-9 || most == maxBins && math.Abs(ks-v.KS) > 2e-3 {
				t.Errorf("%s, %d bins: PSI %v, KS %v, should be %v, %v", v.Name, most, psi, ks, v.PSI, v.KS)
			}
			if name, direction, ok := strings.Cut(v.Name, ", "); ok && (direction == "up" || direction == "down") {
				if other, seen := moved[name]; seen && math.Abs(psi-other) > 1e-9 {
					t.Errorf("%s: PSI %v in one direction, %v in the other", name, psi, other)
				}
				moved[name] = psi
			}
		}
	}
	if len(moved) == 0 {
		t.Error("no vector is moved up and down")
	}
}

// distances counts as often as it takes.
func distances(b bins, old, now []float32) (psi, ks float64) {
	first := newSegment(b)
	first.add(first.counts[0], old)
	first.add(first.counts[1], now)
	h := newHistogram(first)
	for h.Cut() {
		h.Recount(0, old)
		h.Recount(1, now)
	}
	return h.Distances()
}

// TestPSIHasNoSide: whatever scores are tied, moving all of them a little up has the PSI of moving them down, and
// scores with the other sign have the PSI that they have.
func TestPSIHasNoSide(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		shares := rapid.SliceOfN(rapid.Uint64Range(0, 9), 1, 30).Draw(t, "shares")
		was, up, down := make([]uint64, 2*len(shares)+1), make([]uint64, 2*len(shares)+1), make([]uint64, 2*len(shares)+1)
		for i, n := range shares {
			was[2*i+1], up[2*i+2], down[2*i] = n, n, n
		}
		above, _ := Distances(was, up)
		below, _ := Distances(was, down)
		if math.Abs(above-below) > 1e-9 || total(shares) > 0 && above == 0 {
			t.Fatalf("PSI %v up, %v down", above, below)
		}
		now := rapid.SliceOfN(rapid.Uint64Range(0, 9), len(was), len(was)).Draw(t, "now")
		psi, ks := Distances(was, now)
		slices.Reverse(was)
		slices.Reverse(now)
		if mirrored, also := Distances(was, now); math.Abs(psi-mirrored) > 1e-9 || math.Abs(ks-also) > 1e-9 {
			t.Fatalf("PSI %v, KS %v; mirrored %v, %v", psi, ks, mirrored, also)
		}
	})
}

// span is the range of two lists.
func span(a, b []float32, most int) (lo, hi float32, _ int) {
	lo, hi = math.MaxFloat32, -math.MaxFloat32
	for _, v := range append(append([]float32{}, a...), b...) {
		lo, hi = min(lo, v), max(hi, v)
	}
	return lo, hi, most
}

// TestBins: no more bins than asked for, values in order in bins in order, whatever lies outside at the ends.
func TestBins(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float32(), 2, 20).Draw(t, "values")
		most := rapid.IntRange(2, 5000).Draw(t, "most")
		b := newBins(min(values[0], values[1]), max(values[0], values[1]), most)
		if b.count > most || b.count < 1 {
			t.Fatalf("%d bins", b.count)
		}
		counts := make([]uint64, b.count)
		b.add(counts, values)
		if total(counts) != uint64(len(values)) {
			t.Fatalf("%d values counted of %d", total(counts), len(values))
		}
		at := func(v float32) (bin int) {
			one := make([]uint64, b.count)
			b.add(one, []float32{v})
			for one[bin] == 0 {
				bin++
			}
			return bin
		}
		if x, y := values[0], values[1]; x < y && at(x) > at(y) {
			t.Fatalf("%v in bin %d, %v in bin %d", x, at(x), y, at(y))
		}
	})
}

// TestMovers: the largest are kept, in one order, whatever order they come in.
func TestMovers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		changes := rapid.SliceOf(rapid.IntRange(-50, 50)).Draw(t, "changes")
		m := movers{keep: rapid.IntRange(0, 5).Draw(t, "keep")}
		for _, c := range changes {
			if m.wants(float64(c)) {
				m.add(mover{Mover: Mover{Change: float64(c)}})
			}
		}
		for i, v := range m.list {
			larger := 0
			for _, c := range changes {
				if math.Abs(float64(c)) > math.Abs(v.Change) {
					larger++
				}
			}
			if larger > i {
				t.Fatalf("%v at place %d of %v", v.Change, i, changes)
			}
		}
		if len(m.list) != min(m.keep, len(changes)) {
			t.Fatalf("%d movers of %d changes", len(m.list), len(changes))
		}
	})
}
