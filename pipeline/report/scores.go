package report

import (
	"math"
	"slices"

	"graphscore/pipeline/diff"
	"graphscore/writers/part"
)

// shares are the quantiles that are reported.
var shares = [...]float64{0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1}

// scoreBars is about the number of bars of a histogram of scores: their edges are round numbers. Tails beyond the outermost 1/tailShare of the scores
// are left out where the whole range is more than tailFactor times what then is shown.
const (
	scoreBars  = 40
	tailShare  = 0.005
	tailFactor = 3
)

// atOnce is how many outputs are measured in one reading: each takes up to 5 MiB.
const atOnce = 16

// scoreSet is the distribution of some outputs, found in two readings: count, locate, refine.
type scoreSet struct {
	only    []string // the outputs that are measured; nil: the first that come
	columns []*scoreColumn
	names   []string // of all outputs, in the order they came
}

// column finds the column of an output, nil for one that is not measured.
func (s *scoreSet) column(name string) *scoreColumn {
	for _, c := range s.columns {
		if c.name == name {
			return c
		}
	}
	return nil
}

// count takes a block of the first reading.
func (s *scoreSet) count(names []string, b *part.Block) {
	for i, name := range names {
		if !slices.Contains(s.names, name) {
			s.names = append(s.names, name)
			if len(s.columns) < atOnce && (s.only == nil || slices.Contains(s.only, name)) {
				s.columns = append(s.columns, newScoreColumn(name))
			}
		}
		if c := s.column(name); c != nil {
			c.add(b.Scores[i])
		}
	}
}

// locate ends the first reading.
func (s *scoreSet) locate() {
	for _, c := range s.columns {
		c.locate()
	}
}

// refine takes a block of the second reading.
func (s *scoreSet) refine(names []string, b *part.Block) {
	for i, name := range names {
		if c := s.column(name); c != nil {
			c.refine(b.Scores[i])
		}
	}
}

func (s *scoreSet) summaries() []Scores {
	list := []Scores{}
	for _, c := range s.columns {
		if c.n > 0 {
			list = append(list, c.summary())
		}
	}
	return list
}

// halves is the number of values of half a float32.
const halves = 1 << 16

// scoreColumn is the distribution of one output.
type scoreColumn struct {
	name   string
	n      int64
	sum    float64
	lo, hi float32
	upper  *[halves]int64 // scores by the upper half of their key

	places  [len(shares)]place
	lower   []*[halves]int64 // scores by the lower half, for the upper halves that hold a quantile
	index   *[halves]uint8   // into lower, from 1
	squares float64
	bars    []int64
	first   float64 // number of the first bar: it begins at first * barSize
	barSize float64 // 0: all scores are the same
	below   int64
	above   int64
}

// place is where a quantile is: the rank-th score, from 0, among those with an upper half.
type place struct {
	upper uint16
	rank  int64
}

func newScoreColumn(name string) *scoreColumn {
	return &scoreColumn{name: name, lo: math.MaxFloat32, hi: -math.MaxFloat32, upper: new([halves]int64), index: new([halves]uint8)}
}

// finite: a part holds no other scores, unless its disk went bad.
func finite(v float32) bool { return v-v == 0 }

func (c *scoreColumn) add(values []float32) {
	for _, v := range values {
		if !finite(v) {
			continue
		}
		c.n++
		c.sum += float64(v)
		c.lo, c.hi = min(c.lo, v), max(c.hi, v)
		c.upper[diff.SortKey(v)>>16]++
	}
}

// locate finds the upper halves that hold quantiles, and the range of the histogram.
func (c *scoreColumn) locate() {
	if c.n == 0 {
		return
	}
	for i, share := range shares {
		c.places[i] = c.find(share)
		if u := c.places[i].upper; c.index[u] == 0 {
			c.lower = append(c.lower, new([halves]int64))
			c.index[u] = uint8(len(c.lower))
		}
	}
	lo, hi := float64(c.lo), float64(c.hi)
	tailLo := max(lo, float64(diff.FromSortKey(uint32(c.find(tailShare).upper)<<16)))
	tailHi := min(hi, float64(diff.FromSortKey(uint32(c.find(1-tailShare).upper)<<16|halves-1)))
	if tailHi > tailLo && hi-lo > tailFactor*(tailHi-tailLo) {
		lo, hi = tailLo, tailHi
	}
	c.bars = make([]int64, 1)
	if hi > lo {
		c.barSize = round((hi - lo) / scoreBars)
		c.first = math.Floor(lo / c.barSize)
		c.bars = make([]int64, int(math.Floor(hi/c.barSize)-c.first)+1)
	}
}

// round returns the next 1, 2 or 5 times a power of ten.
func round(step float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(step)))
	for _, digit := range []float64{1, 2, 5} {
		if step <= digit*power {
			return digit * power
		}
	}
	return 10 * power
}

// find returns the place of the smallest score that a share of all does not exceed.
func (c *scoreColumn) find(share float64) place {
	rank := min(max(int64(math.Ceil(share*float64(c.n)))-1, 0), c.n-1)
	for u, n := range c.upper {
		if rank < n {
			return place{uint16(u), rank}
		}
		rank -= n
	}
	return place{halves - 1, 0}
}

func (c *scoreColumn) refine(values []float32) {
	mean := c.sum / float64(max(c.n, 1))
	for _, v := range values {
		if !finite(v) {
			continue
		}
		k := diff.SortKey(v)
		if i := c.index[k>>16]; i > 0 {
			c.lower[i-1][k&(halves-1)]++
		}
		d := float64(v) - mean
		c.squares += d * d
		c.bar(float64(v))
	}
}

func (c *scoreColumn) bar(v float64) {
	i := 0.0
	if c.barSize > 0 {
		i = math.Floor(v/c.barSize) - c.first
	}
	switch {
	case i < 0:
		c.below++
	case i >= float64(len(c.bars)):
		c.above++
	default:
		c.bars[int(i)]++
	}
}

func (c *scoreColumn) summary() Scores {
	s := Scores{
		Output: c.name, Count: c.n, Mean: c.sum / float64(c.n), StdDev: math.Sqrt(c.squares / float64(c.n)),
		Quantiles: c.quantiles(), Bars: []Bar{}, Below: c.below, Above: c.above,
	}
	if c.barSize == 0 {
		s.Bars = append(s.Bars, Bar{float64(c.lo), float64(c.hi), c.n})
		return s
	}
	for i, n := range c.bars {
		at := c.first + float64(i)
		s.Bars = append(s.Bars, Bar{at * c.barSize, (at + 1) * c.barSize, n})
	}
	return s
}

func (c *scoreColumn) quantiles() []Quantile {
	list := make([]Quantile, len(shares))
	for i, share := range shares {
		p := c.places[i]
		rank, at := p.rank, uint32(0)
		for low, n := range c.lower[c.index[p.upper]-1] {
			if rank < n {
				at = uint32(low)
				break
			}
			rank -= n
		}
		list[i] = Quantile{Share: share, Value: plain32(diff.FromSortKey(uint32(p.upper)<<16 | at))}
	}
	return list
}

// compare compares the outputs that two sets share. stream reads the scores of the output before (0) or of this one (1)
// once more, as often as [diff.Histogram] needs it.
func compare(before, now *scoreSet, stream func(side int, see func([]string, *part.Block)) error) ([]ScoreDrift, error) {
	list, histograms := []ScoreDrift{}, map[string]*diff.Histogram{}
	for _, c := range now.columns {
		old := before.column(c.name)
		if old == nil || old.n == 0 || c.n == 0 {
			continue
		}
		histograms[c.name] = diff.NewHistogram(counts(old.upper), counts(c.upper))
		list = append(list, ScoreDrift{
			Output: c.name, Before: old.quantiles(), Now: c.quantiles(),
			Mean: [2]float64{old.sum / float64(old.n), c.sum / float64(c.n)},
		})
	}
	for {
		wide := map[string]*diff.Histogram{}
		for name, h := range histograms {
			if h.Cut() {
				wide[name] = h
			}
		}
		if len(wide) == 0 {
			break
		}
		for side := range 2 {
			err := stream(side, func(names []string, b *part.Block) {
				for i, name := range names {
					if h := wide[name]; h != nil {
						h.Recount(side, b.Scores[i])
					}
				}
			})
			if err != nil {
				return nil, err
			}
		}
	}
	for i := range list {
		list[i].PSI, list[i].KS = histograms[list[i].Output].Distances()
	}
	return list, nil
}

func counts(upper *[halves]int64) []uint64 {
	list := make([]uint64, halves)
	for i, n := range upper {
		list[i] = uint64(n)
	}
	return list
}
