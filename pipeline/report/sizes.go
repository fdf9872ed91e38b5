package report

import (
	"math"
	"math/bits"

	"graphscore/pipeline/graph"
	"graphscore/writers/part"
)

// sizes counts graphs by their rows: each size up to exactSizes by itself, above that by powers of two.
type sizes struct {
	exact  [exactSizes + 1]int64
	large  [65]int64
	graphs int64
	nodes  int64
	most   int64

	open  int64 // nodes of the current graph so far
	last  []byte
	lastN int64
}

const exactSizes = 4096

// block counts the graphs of a block. The last one may go on in the next.
func (s *sizes) block(b *part.Block) {
	from := 0
	for i, end := range b.Ends {
		if i > 0 || s.open > 0 && !s.same(&b.Graphs) {
			s.end()
		}
		s.open += int64(end - from)
		from = end
	}
	if n := b.Graphs.Len(); n > 0 {
		s.keep(&b.Graphs, n-1)
	}
}

// same reports whether the first graph of a block continues that of the block before.
func (s *sizes) same(ids *graph.IDs) bool {
	if ids.Kind == graph.Int64 {
		return ids.Ints[0] == s.lastN
	}
	return string(ids.At(0)) == string(s.last)
}

func (s *sizes) keep(ids *graph.IDs, i int) {
	if ids.Kind == graph.Int64 {
		s.lastN = ids.Ints[i]
		return
	}
	s.last = append(s.last[:0], ids.At(i)...)
}

// end ends the current graph, if there is one. It must come after the last block of a part.
func (s *sizes) end() {
	if s.open == 0 {
		return
	}
	s.graphs++
	s.nodes += s.open
	s.most = max(s.most, s.open)
	if s.open <= exactSizes {
		s.exact[s.open]++
	} else {
		s.large[bits.Len64(uint64(s.open))]++
	}
	s.open = 0
}

// summary is nil where there is no graph. scored is the number of graphs that the ledgers know of.
func (s *sizes) summary(scored int64) *Sizes {
	if s.graphs == 0 {
		return nil
	}
	out := &Sizes{
		Graphs: s.graphs, Mean: float64(s.nodes) / float64(s.graphs), Empty: max(scored-s.graphs, 0), Bars: s.bars(),
	}
	for _, share := range shares {
		out.Quantiles = append(out.Quantiles, Quantile{share, float64(s.quantile(share))})
	}
	return out
}

func (s *sizes) quantile(share float64) int64 {
	rank := max(int64(math.Ceil(share*float64(s.graphs))), 1)
	for n, count := range s.exact {
		if rank -= count; rank <= 0 {
			return int64(n)
		}
	}
	for k, count := range s.large {
		if rank -= count; rank <= 0 {
			return min(1<<k-1, s.most)
		}
	}
	return s.most
}

// bars are one a size where sizes are few, else equally wide, else powers of two where they spread far.
func (s *sizes) bars() []Bar {
	const few, many, spread = 40, 30, 32
	least := s.quantile(0)
	span := s.most - least + 1
	switch {
	case s.most > exactSizes || span > few && s.most > spread*s.quantile(0.5):
		return s.powers(least)
	case span <= few:
		return s.steps(least, 1)
	default:
		return s.steps(least, (span+many-1)/many)
	}
}

// steps are bars that are width sizes wide.
func (s *sizes) steps(from, width int64) []Bar {
	list := []Bar{}
	for ; from <= s.most; from += width {
		bar := Bar{From: float64(from), To: float64(from + width)}
		for n := from; n < from+width && n <= s.most; n++ {
			bar.Count += s.exact[n]
		}
		list = append(list, bar)
	}
	return list
}

// powers are bars from one power of two to the next.
func (s *sizes) powers(least int64) []Bar {
	list := []Bar{}
	for k := bits.Len64(uint64(least)); k <= bits.Len64(uint64(s.most)); k++ {
		from, to := int64(1)<<(k-1), int64(1)<<k
		bar := Bar{From: float64(from), To: float64(to), Count: s.large[k]}
		for n := from; n < to && n <= exactSizes; n++ {
			bar.Count += s.exact[n]
		}
		list = append(list, bar)
	}
	return list
}
