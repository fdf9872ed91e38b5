package diff

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// TestDistances compares with scipy.stats.ks_2samp of SciPy 1.17.1, and with PSI as numpy 2.4.6 computes it over
// numpy.quantile(old, [0.1 ... 0.9], method="inverted_cdf"), equal limits once, shares of zero as 1e-4.
func TestDistances(t *testing.T) {
	t.Parallel()
	u, v := make([]float32, 1000), make([]float32, 800)
	for i := range u {
		u[i] = float32(i*7919%1000) / 1000
	}
	for i := range v {
		v[i] = float32(i*104729%800+1) / 800
	}
	for name, c := range map[string]struct {
		old, new []float32
		psi, ks  float64
	}{
		"the same":    {u, u, 0, 0},
		"squared":     {u, each(v, func(x float32) float32 { return x * x }), 0.3755802396370349, 0.24975},
		"moved":       {u, each(u, func(x float32) float32 { return x + 0.25 }), 1.7280176058924703, 0.251},
		"apart":       {u, each(u, func(x float32) float32 { return x + 5 }), 8.283089355027482, 1},
		"around zero": {each(u, func(x float32) float32 { return x - 0.5 }), each(v, func(x float32) float32 { return (x - 0.5) * 2 }), 0.7167107321658076, 0.25125},
		"few values":  {each(u, fourths), each(v, func(x float32) float32 { return fourths(x * x) }), 0.296773732449797, 0.24875},
		"no scores":   {nil, u, 0, 0},
	} {
		for _, most := range []int{maxBins, 1 << 16} {
			b := newBins(span(c.old, c.new, most))
			was, is := make([]uint64, b.count), make([]uint64, b.count)
			b.add(was, c.old)
			b.add(is, c.new)
			psi, ks := Distances(was, is)
			// Narrow bins put every distinct score into its own, or nearly so.
			if tolerance := 2e3 / float64(most); math.Abs(psi-c.psi) > tolerance || math.Abs(ks-c.ks) > tolerance {
				t.Errorf("%s, %d bins: PSI %v, KS %v, should be %v, %v", name, most, psi, ks, c.psi, c.ks)
			}
		}
	}
}

func each(values []float32, f func(float32) float32) (out []float32) {
	for _, v := range values {
		out = append(out, f(v))
	}
	return out
}

func fourths(x float32) float32 { return float32(math.Floor(float64(x * 4))) }

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
				m.add(Mover{Change: float64(c)})
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
