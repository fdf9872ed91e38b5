package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"graphscore/pipeline/diff"
	"graphscore/pipeline/graph"
	"graphscore/writers/part"
	"graphscore/writers/record"
)

// TestQuantilesAreExact compares with sorting, on scores of any size and in any blocks.
func TestQuantilesAreExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.OneOf(
			rapid.Float32Range(-math.MaxFloat32, math.MaxFloat32), rapid.Float32Range(100, 100.001), rapid.SampledFrom([]float32{0, 1e-40, -3}),
		), 1, 400).Draw(t, "scores")
		cut := rapid.IntRange(0, len(values)).Draw(t, "cut")
		c := newScoreColumn("x")
		c.add(values[cut:])
		c.add(values[:cut])
		c.locate()
		c.refine(values)
		slices.Sort(values)
		for i, q := range c.quantiles() {
			want := values[max(int(math.Ceil(shares[i]*float64(len(values))))-1, 0)]
			if float32(q.Value) != want {
				t.Fatalf("quantile %v is %v, want %v", q.Share, q.Value, want)
			}
		}
		s := c.summary()
		sum := s.Below + s.Above
		for _, b := range s.Bars {
			sum += b.Count
		}
		if sum != int64(len(values)) || len(s.Bars) > scoreBars+2 {
			t.Fatalf("%d of %d scores in %d bars", sum, len(values), len(s.Bars))
		}
	})
}

func TestKeyOrdersScores(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Float32().Draw(t, "a"), rapid.Float32().Draw(t, "b")
		if a != b && cmp.Compare(a, b) != cmp.Compare(diff.SortKey(a), diff.SortKey(b)) || diff.FromSortKey(diff.SortKey(a)) != a {
			t.Fatalf("%v and %v: keys %x and %x", a, b, diff.SortKey(a), diff.SortKey(b))
		}
	})
}

// TestSizesOverBlocks: a graph that goes on in the next block counts once, wherever blocks end.
func TestSizesOverBlocks(t *testing.T) {
	t.Parallel()
	for _, kind := range []graph.IDKind{graph.Int64, graph.String} {
		for block := 1; block < 12; block++ {
			t.Run(fmt.Sprint(kind, block), func(t *testing.T) {
				t.Parallel()
				var s sizes
				var rows []int
				for id, nodes := range []int{3, 1, 8, 5000, 2} {
					rows = append(rows, slices.Repeat([]int{id}, nodes)...)
				}
				for chunk := range slices.Chunk(rows, block) {
					s.block(blockOf(kind, chunk))
				}
				s.end()
				got := s.summary(6)
				if got.Graphs != 5 || got.Mean != 1002.8 || got.Empty != 1 || s.quantile(0.5) != 3 || s.most != 5000 {
					t.Errorf("%+v", got)
				}
			})
		}
	}
}

// blockOf makes a block of rows, which have the ids.
func blockOf(kind graph.IDKind, rows []int) *part.Block {
	b := &part.Block{Graphs: graph.IDs{Kind: kind}}
	add := map[graph.IDKind]func(int){
		graph.Int64:  func(id int) { b.Graphs.AppendInt(int64(id)) },
		graph.String: func(id int) { b.Graphs.AppendBytes(fmt.Append(nil, "g", id)) },
	}[kind]
	for i, id := range rows {
		if i > 0 && id == rows[i-1] {
			b.Ends[len(b.Ends)-1]++
			continue
		}
		add(id)
		b.Ends = append(b.Ends, i+1)
	}
	return b
}

func TestSizeBars(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sizes []int64
		bars  int
		first string
	}{
		{[]int64{1, 2, 3, 10}, 10, "1"}, {[]int64{100, 150, 200}, 26, "100–103"},
		{[]int64{1, 1, 1, 100}, 7, "1"}, {[]int64{5, 100_000}, 15, "4–7"}, {[]int64{7}, 1, "7"},
	} {
		var s sizes
		for _, n := range c.sizes {
			s.open = n
			s.end()
		}
		bars := s.bars()
		var sum int64
		for _, b := range bars {
			sum += b.Count
		}
		if len(bars) != c.bars || sizeRange(bars[0]) != c.first || sum != int64(len(c.sizes)) {
			t.Errorf("%v: %d bars from %s, %d graphs", c.sizes, len(bars), sizeRange(bars[0]), sum)
		}
	}
}

func TestRates(t *testing.T) {
	t.Parallel()
	list := rates([]record.Sample{{Seconds: 1}, {Seconds: 2, Graphs: 10}, {Seconds: 2, Graphs: 12}, {Seconds: 4, Graphs: 30}})
	if len(list) != 2 || list[0].PerSecond != 10 || list[1].PerSecond != 9 {
		t.Errorf("%+v", list)
	}
	var sum int64
	joined := buckets(list, 1)
	for _, r := range joined {
		sum += r.Graphs
	}
	if len(joined) != 1 || sum != 28 || math.Abs(joined[0].PerSecond-28.0/3) > 1e-9 {
		t.Errorf("%+v", joined)
	}
}
