package diff

import (
	"cmp"
	"math"
	"slices"
)

const (
	// binBudget is the number of bins of all outputs of a side: 32 MiB.
	binBudget = 4 << 20
	// maxBins and minBins bound those of one output.
	maxBins, minBins = 1 << 20, 1 << 10
	// psiBins is the number of quantile bins of OLD, psiFloor what a share of zero counts as.
	psiBins, psiFloor = 10, 1e-4
)

// SortKey maps scores to integers in the same order. What is not a number comes before or behind all others.
func SortKey(v float32) uint32 {
	bits := math.Float32bits(v)
	if bits>>31 != 0 {
		return ^bits
	}
	return bits | 1<<31
}

// FromSortKey is the inverse of SortKey.
func FromSortKey(key uint32) float32 {
	if key>>31 != 0 {
		return math.Float32frombits(key &^ (1 << 31))
	}
	return math.Float32frombits(^key)
}

// bins is where the scores of an output are counted, alike on both sides.
type bins struct {
	lo    uint32
	shift uint
	count int
}

// newBins covers lo to hi with up to most bins.
func newBins(lo, hi float32, most int) bins {
	b := bins{lo: SortKey(lo)}
	width := SortKey(hi) - b.lo
	for int(width>>b.shift) >= most {
		b.shift++
	}
	b.count = int(width>>b.shift) + 1
	return b
}

// add counts values. What is outside the range counts at its end.
func (b *bins) add(counts []uint64, values []float32) {
	last := uint32(len(counts) - 1)
	for _, v := range values {
		at := SortKey(v)
		if at < b.lo {
			at = b.lo
		}
		counts[min((at-b.lo)>>b.shift, last)]++
	}
}

// Distances returns PSI and KS of two counts over the same bins, in the order of the scores. Both are 0 where a side has
// no scores.
func Distances(was, is []uint64) (psi, ks float64) {
	oldTotal, newTotal := total(was), total(is)
	if oldTotal == 0 || newTotal == 0 {
		return 0, 0
	}
	var oldSeen, newSeen uint64
	for i := range was {
		oldSeen += was[i]
		newSeen += is[i]
		ks = max(ks, math.Abs(float64(oldSeen)/float64(oldTotal)-float64(newSeen)/float64(newTotal)))
	}
	for _, limits := range [][]int{quantiles(was, 0), quantiles(was, 1)} {
		for _, side := range []int{0, 1} { // what equals a limit counts above it, then below it
			psi += stability(was, is, limits, side) / 4
		}
	}
	return psi, ks
}

// quantiles are the places in counts where each k-th part of all is reached (more is 0) or exceeded (more is 1), equal
// ones once.
func quantiles(counts []uint64, more uint64) (places []int) {
	all, seen, k := total(counts), uint64(0), uint64(1)
	for i, n := range counts {
		seen += n
		if k == psiBins || seen*psiBins < k*all+more {
			continue
		}
		for k < psiBins && seen*psiBins >= k*all+more {
			k++
		}
		places = append(places, i)
	}
	return places
}

// stability is the PSI over the bins between limits, which begin side places behind the limits.
func stability(was, is []uint64, limits []int, side int) (psi float64) {
	oldTotal, newTotal, from := total(was), total(is), 0
	for _, limit := range append(slices.Clone(limits), len(was)-side) {
		to := limit + side
		psi += shift(total(was[from:to]), oldTotal, total(is[from:to]), newTotal)
		from = to
	}
	return psi
}

// shift is the PSI of one bin.
func shift(was, oldTotal, is, newTotal uint64) float64 {
	o, n := float64(was)/float64(oldTotal), float64(is)/float64(newTotal)
	if was == 0 {
		o = psiFloor
	}
	if is == 0 {
		n = psiFloor
	}
	return (n - o) * math.Log(n/o)
}

func total(counts []uint64) (n uint64) {
	for _, c := range counts {
		n += c
	}
	return n
}

// output gathers what is said of one output that both sides have.
type output struct {
	name     string
	columns  [2]int // its place among the outputs of OLD and NEW
	compared int64
	changed  int64 // beyond the tolerance
	moved    int64 // at all
	sum, abs float64
	most     float64
	odd      int64 // changes that are not a number

	first     segment // where the first reading counts
	histogram *Histogram
}

// movers keeps the largest changes.
type movers struct {
	keep int
	list []mover // at most keep, largest first
}

// mover is a change with the row where it was met, and the rows of its graph until [movers.settle].
type mover struct {
	Mover
	row  int
	rows *rows
}

// larger puts movers into one order, whatever order they come in.
func larger(a, b mover) int {
	return cmp.Or(
		cmp.Compare(math.Abs(b.Change), math.Abs(a.Change)),
		cmp.Compare(a.Graph, b.Graph), cmp.Compare(a.Node, b.Node),
		cmp.Compare(a.Source, b.Source), cmp.Compare(a.Target, b.Target), cmp.Compare(a.Output, b.Output),
		cmp.Compare(a.Old, b.Old), cmp.Compare(a.New, b.New), cmp.Compare(a.row, b.row),
	)
}

// wants reports whether a change is among the largest so far.
func (m *movers) wants(change float64) bool {
	return len(m.list) < m.keep || m.keep > 0 && math.Abs(change) >= math.Abs(m.list[len(m.list)-1].Change)
}

func (m *movers) add(v mover) {
	at, _ := slices.BinarySearchFunc(m.list, v, larger)
	m.list = slices.Insert(m.list, at, v)
	if len(m.list) > m.keep {
		m.list = m.list[:m.keep]
	}
}

// settle numbers the edges that were kept of a graph, whose rows are not valid afterwards.
func (m *movers) settle() {
	for i := range m.list {
		if v := &m.list[i]; v.rows != nil {
			if len(v.rows.ids) == 2 {
				v.Number = v.rows.number(v.row)
			}
			v.rows = nil
		}
	}
}
