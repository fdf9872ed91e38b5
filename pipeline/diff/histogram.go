package diff

import (
	"cmp"
	"context"
	"errors"
	"io"
	"math"
	"slices"
)

const (
	// cutBits is how much finer a cell gets in one more reading.
	cutBits = 12
	// heavy is the share of a side, one in so many, above which a cell that holds a limit of PSI is cut.
	heavy = 10_000
)

// Histogram counts the scores of an output on both sides, OLD (0) and NEW (1), in cells that follow each other in the
// order of the scores. After a first reading, [Histogram.Cut] says whether limits of PSI lie in cells that hold enough
// scores to matter; then all scores of both sides must go through [Histogram.Recount] once more. One goroutine uses it.
type Histogram struct {
	segments []segment // side by side, in order
	cuts     []segment // in order: each is for one cell of segments
	hi       uint32    // key of the last cell's end
}

// segment is a run of cells of one width.
type segment struct {
	bins
	counts [2][]uint64
}

func newSegment(b bins) segment {
	return segment{b, [2][]uint64{make([]uint64, b.count), make([]uint64, b.count)}}
}

// NewHistogram returns one of counts by the upper 16 bits of [SortKey], of which each side has 65,536. It keeps them.
func NewHistogram(was, is []uint64) *Histogram {
	return newHistogram(segment{bins{shift: 16, count: len(was)}, [2][]uint64{was, is}})
}

func newHistogram(s segment) *Histogram {
	return &Histogram{segments: []segment{s}, hi: uint32(min(uint64(s.lo)+uint64(s.count)<<s.shift-1, math.MaxUint32))}
}

// Distances returns PSI and KS as far as the cells can know them.
func (h *Histogram) Distances() (psi, ks float64) {
	return Distances(h.flat(0), h.flat(1))
}

// flat is the counts of a side in all cells.
func (h *Histogram) flat(side int) []uint64 {
	if len(h.segments) == 1 {
		return h.segments[0].counts[side]
	}
	var all []uint64
	for _, s := range h.segments {
		all = append(all, s.counts[side]...)
	}
	return all
}

// Cut cuts the cells that hold a limit of PSI, more than one score and a share that matters. It returns false where no
// cell is left to cut, so that the distances are as good as they get.
func (h *Histogram) Cut() bool {
	h.splice()
	was := h.flat(0)
	all := [2]uint64{total(was), total(h.flat(1))}
	if all[0] == 0 || all[1] == 0 {
		return false
	}
	places := append(quantiles(was, 0), quantiles(was, 1)...)
	slices.Sort(places)
	at, first := 0, 0 // the segment of a place, and the place of its first cell
	for _, p := range slices.Compact(places) {
		for p >= first+h.segments[at].count {
			first += h.segments[at].count
			at++
		}
		s, i := &h.segments[at], p-first
		if s.shift > 0 && (s.counts[0][i]*heavy > all[0] || s.counts[1][i]*heavy > all[1]) {
			narrow := s.shift - min(s.shift, cutBits)
			h.cuts = append(h.cuts, newSegment(bins{lo: s.lo + uint32(i)<<s.shift, shift: narrow, count: 1 << (s.shift - narrow)}))
		}
	}
	return len(h.cuts) > 0
}

// Recount takes scores of a side once more after [Histogram.Cut], in any order.
func (h *Histogram) Recount(side int, values []float32) {
	for _, v := range values {
		key := min(max(SortKey(v), h.segments[0].lo), h.hi)
		i, exact := slices.BinarySearchFunc(h.cuts, key, func(s segment, k uint32) int { return cmp.Compare(s.lo, k) })
		if !exact {
			i--
		}
		if i < 0 {
			continue
		}
		if c := &h.cuts[i]; c.holds(key) {
			c.counts[side][(key-c.lo)>>c.shift]++
		}
	}
}

// splice puts the cells that were counted once more into the place of those that they cut.
func (h *Histogram) splice() {
	var list []segment
	for _, s := range h.segments {
		for len(h.cuts) > 0 && s.holds(h.cuts[0].lo) {
			i := int((h.cuts[0].lo - s.lo) >> s.shift)
			if i > 0 {
				list = append(list, s.part(0, i))
			}
			list = append(list, h.cuts[0])
			h.cuts, s = h.cuts[1:], s.part(i+1, s.count)
		}
		if s.count > 0 {
			list = append(list, s)
		}
	}
	h.segments, h.cuts = list, nil
}

// holds reports whether a key lies in one of the cells, of which there may be none.
func (s *segment) holds(key uint32) bool {
	return key >= s.lo && uint64(key-s.lo) < uint64(s.count)<<s.shift
}

// part is the cells from i to before j.
func (s segment) part(i, j int) segment {
	return segment{
		bins{lo: s.lo + uint32(i)<<s.shift, shift: s.shift, count: j - i},
		[2][]uint64{s.counts[0][i:j], s.counts[1][i:j]},
	}
}

// narrow reads the scores of both sides again for as long as cells with limits of PSI are too wide. Where nothing
// changed there is nothing to find.
func (c *comparison) narrow(ctx context.Context) error {
	n := &c.fates
	for {
		var wide []*output
		for _, o := range c.outputs {
			if o.moved+n.Missing+n.New > 0 && o.histogram.Cut() {
				wide = append(wide, o)
			}
		}
		if len(wide) == 0 {
			return nil
		}
		for i, s := range c.sides {
			for _, p := range sorted(s.places) {
				for _, name := range s.places[p] {
					if err := s.recount(ctx, name, i, wide); err != nil {
						return err
					}
				}
			}
		}
	}
}

// recount reads the scores of a part once more.
func (s *side) recount(ctx context.Context, name string, side int, wide []*output) (err error) {
	p, err := s.open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		block, err := p.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, o := range wide {
			o.histogram.Recount(side, block.Scores[o.columns[side]])
		}
	}
}
