package estimate

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// graphs is the size of each graph of a group, in bytes.
type graphs []int64

// world is an input of known graphs, a scorer of known cost, and a clock that only the scorer moves.
type world struct {
	groups []graphs
	now    time.Time
	// perGraph and perByte are the cost, noise the most by which a call is off, up or down.
	perGraph, perByte time.Duration
	noise             float64
	// filling is what every call takes before its first request.
	filling time.Duration
	random  *rand.Rand
	// refused is the number of the first graphs of each group that are quarantined.
	refused int
	// unread groups cannot be read.
	unread map[int]bool
	calls  int
	scored int64
}

func (w *world) described() []Group {
	out := make([]Group, len(w.groups))
	for i, g := range w.groups {
		out[i] = Group{Rows: int64(len(g)), Counted: true}
		for _, size := range g {
			out[i].Bytes += size
			out[i].Nodes += size / 64
		}
	}
	return out
}

// cost is what scoring takes that many graphs and bytes, without noise.
func (w *world) cost(rows, bytes int64) time.Duration {
	return time.Duration(rows)*w.perGraph + time.Duration(bytes)*w.perByte
}

// run is what scoring everything takes.
func (w *world) run() time.Duration {
	t := Total(w.described())
	return w.cost(t.Rows, t.Bytes)
}

func (w *world) score(ctx context.Context, pieces []Piece) (Sample, error) {
	w.calls++
	var s Sample
	for i, p := range pieces {
		if w.unread[p.Group] {
			s.Unread = append(s.Unread, i)
			continue
		}
		for row, size := range w.groups[p.Group][:p.Rows] {
			s.Rows++
			if row < w.refused {
				s.Quarantined++
				continue
			}
			s.Bytes += size
		}
	}
	s.Output, s.Peak = s.Bytes/16, 100<<20+int64(w.calls)
	w.scored += s.Bytes
	took := float64(w.cost(s.Rows, s.Bytes))
	took *= 1 + w.noise*(2*w.random.Float64()-1)
	s.Filling = w.filling
	w.now = w.now.Add(time.Duration(took) + w.filling)
	return s, ctx.Err()
}

func many(n int, size int64) graphs {
	g := make(graphs, n)
	for i := range g {
		g[i] = size
	}
	return g
}

// repeated gives n groups.
func repeated(n int, g graphs) []graphs {
	out := make([]graphs, n)
	for i := range out {
		out[i] = g
	}
	return out
}

func joined(parts ...[]graphs) (out []graphs) {
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func TestCalibrateOnKnownCost(t *testing.T) {
	t.Parallel()
	small, giant := many(5000, 1500), many(4, 40<<20)
	// Giants among small ones: the first rows of a group tell nothing of its last ones.
	hidden := append(many(5000, 1500), 40<<20, 40<<20)
	for _, tc := range []struct {
		name   string
		groups []graphs
		noise  float64
		within float64 // the largest ratio of estimate and truth, either way
	}{
		{"even", repeated(200, small), 0, 1.01},
		{"even, one group", repeated(1, small), 0, 1.05},
		{"even, noisy machine", repeated(200, small), 0.2, 1.2},
		{"few giants among many small", joined(repeated(300, small), repeated(3, giant)), 0, 1.1},
		{"giants first", joined(repeated(3, giant), repeated(300, small)), 0, 1.1},
		{"few giants, noisy machine", joined(repeated(150, small), repeated(3, giant), repeated(150, small)), 0.2, 1.25},
		{"giants at the end of a group of small ones", joined(repeated(300, small), repeated(1, hidden)), 0, 1.3},
		{"giants only", repeated(20, giant), 0, 1.01},
		{"files of one graph", repeated(10000, many(1, 1500)), 0, 1.05},
		{"every size", joined(repeated(50, many(9000, 200)), repeated(50, small), repeated(50, many(20, 1<<20))), 0, 1.15},
		{"one graph", repeated(1, many(1, 160)), 0, 1.01},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := &world{groups: tc.groups, perGraph: 5 * time.Microsecond, perByte: 8 * time.Nanosecond, noise: tc.noise,
				random: rand.New(rand.NewPCG(1, 2))}
			groups := w.described()
			c, err := Calibrate(t.Context(), Config{Now: func() time.Time { return w.now }}, groups, w.score)
			if err != nil {
				t.Fatal(err)
			}
			p := c.Project(Rest{Parts: 3, PartBytes: 10})
			truth := w.run().Seconds() + 3*perCommit().Likely
			if ratio := max(p.Seconds.Likely/truth, truth/p.Seconds.Likely); ratio > tc.within {
				t.Errorf("estimate %.3f s, truth %.3f s", p.Seconds.Likely, truth)
			}
			if p.Seconds.Low > p.Seconds.Likely || p.Seconds.Likely > p.Seconds.High || p.Seconds.Low <= 0 {
				t.Errorf("no range: %+v", p.Seconds)
			}
			if p.Seconds.Low > truth*tc.within || p.Seconds.High < truth/tc.within {
				t.Errorf("the truth, %.3f s, is far out of %+v", truth, p.Seconds)
			}
			want := float64(Total(groups).Bytes)/16 + 30
			if ratio := p.OutputBytes.Likely / want; ratio < 1/tc.within || ratio > tc.within {
				t.Errorf("output %.0f, truth %.0f", p.OutputBytes.Likely, want)
			}
			if p.MemoryBytes.Low > 100<<20 || p.MemoryBytes.High < 100<<20 || p.MemoryBytes.High < p.MemoryBytes.Likely {
				t.Errorf("memory %+v", p.MemoryBytes)
			}
			if rate := float64(Total(groups).Rows) / truth; p.GraphsPerSecond.Low > rate*tc.within || p.GraphsPerSecond.High < rate/tc.within {
				t.Errorf("graphs/s %+v, truth %.0f", p.GraphsPerSecond, rate)
			}
		})
	}
}

// TestCalibrateKeepsItsBudget: however slow the scorer, about the budget is spent, and never more than a run.
func TestCalibrateKeepsItsBudget(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		perByte time.Duration
	}{
		{"fast", time.Nanosecond},
		{"usual", 10 * time.Nanosecond},
		{"slow", 2 * time.Microsecond},
		{"very slow", 20 * time.Microsecond},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := &world{groups: repeated(200, many(5000, 1500)), perByte: tc.perByte, random: rand.New(rand.NewPCG(1, 2))}
			if _, err := Calibrate(t.Context(), Config{Now: func() time.Time { return w.now }}, w.described(), w.score); err != nil {
				t.Fatal(err)
			}
			if spent := w.now.Sub(time.Time{}); spent > 10*time.Second {
				t.Errorf("%v were spent", spent)
			}
			if all := Total(w.described()).Bytes; w.scored > 2*all {
				t.Errorf("%d bytes were scored of %d", w.scored, all)
			}
		})
	}
}

// TestRangesHold: the run lies in its range in nine of ten of worlds in which a call is off by a fifth, and in which the
// machine is up to a quarter slower or faster in the run than in the samples.
func TestRangesHold(t *testing.T) {
	t.Parallel()
	small, giant := many(5000, 1500), many(4, 40<<20)
	held, all := map[string]int{}, 0
	for _, groups := range [][]graphs{
		repeated(200, small), repeated(1, small), joined(repeated(150, small), repeated(3, giant)), repeated(20, giant),
		repeated(2000, many(1, 1500)), joined(repeated(50, many(9000, 200)), repeated(50, many(20, 1<<20))), repeated(1, many(1, 160)),
		repeated(30, many(400, 30000)), joined(repeated(10, small), repeated(10, many(100, 100))), repeated(3, giant),
	} {
		for seed := range uint64(10) {
			w := &world{groups: groups, perGraph: 5 * time.Microsecond, perByte: 8 * time.Nanosecond, noise: 0.2, random: rand.New(rand.NewPCG(seed, 2))}
			c, err := Calibrate(t.Context(), Config{Now: func() time.Time { return w.now }}, w.described(), w.score)
			if err != nil {
				t.Fatal(err)
			}
			drift := 1 + 0.25*(2*w.random.Float64()-1)
			p := c.Project(Rest{Parts: 3, PartBytes: 10, Startup: time.Second})
			truth := drift*(w.run().Seconds()+1) + 3*perCommit().Likely
			all++
			if p.Seconds.Low <= truth && truth <= p.Seconds.High {
				held["seconds"]++
			}
			if p.Seconds.High < 4*p.Seconds.Low {
				held["narrow"]++
			}
			if out := float64(Total(w.described()).Bytes)/16 + 30; p.OutputBytes.Low <= out && out <= p.OutputBytes.High {
				held["output"]++
			}
		}
	}
	for _, what := range []string{"seconds", "output", "narrow"} {
		if held[what] < all*9/10 {
			t.Errorf("%s: %d of %d", what, held[what], all)
		}
	}
}

// TestFilling: what samples take before their first request is in the range once at least, and for every sample at most.
func TestFilling(t *testing.T) {
	t.Parallel()
	w := &world{groups: repeated(40, many(5000, 1500)), perByte: 8 * time.Nanosecond, filling: 200 * time.Millisecond, random: rand.New(rand.NewPCG(1, 2))}
	c, err := Calibrate(t.Context(), Config{Now: func() time.Time { return w.now }}, w.described(), w.score)
	if err != nil {
		t.Fatal(err)
	}
	p := c.Project(Rest{})
	once, always := w.run()+w.filling, w.run()+6*w.filling // 3 strata are sampled twice
	most := p.Seconds.High / math.Exp(timeDoubt)
	least := p.Seconds.Low * math.Exp(timeDoubt)
	if math.Abs(least/once.Seconds()-1) > 0.05 || math.Abs(most/always.Seconds()-1) > 0.05 || p.Seconds.Likely <= least || p.Seconds.Likely >= most {
		t.Errorf("%+v of %v to %v", p.Seconds, once, always)
	}
}

func TestSmallSamples(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		groups []graphs
		small  bool
	}{{repeated(200, many(5000, 1500)), false}, {repeated(1, many(3, 160)), true}} {
		w := &world{groups: c.groups, perByte: 8 * time.Nanosecond, random: rand.New(rand.NewPCG(1, 2))}
		got, err := Calibrate(t.Context(), Config{Now: func() time.Time { return w.now }}, w.described(), w.score)
		if err != nil || got.Small() != c.small {
			t.Errorf("%d groups: small %v (%v)", len(c.groups), got.Small(), err)
		}
	}
}

func TestCalibrateWithQuarantine(t *testing.T) {
	t.Parallel()
	for _, refused := range []int{1, 2500, 5000} {
		w := &world{groups: repeated(100, many(5000, 1500)), perGraph: 8 * time.Microsecond, refused: refused,
			random: rand.New(rand.NewPCG(1, 2))}
		c, err := Calibrate(t.Context(), Config{Now: func() time.Time { return w.now }}, w.described(), w.score)
		if err != nil {
			t.Fatal(err)
		}
		sum, _ := c.Sampled()
		if sum.Quarantined == 0 || sum.Quarantined > sum.Rows {
			t.Errorf("%d refused: %+v", refused, sum)
		}
		p, truth := c.Project(Rest{}), w.run().Seconds()
		if ratio := p.Seconds.Likely / truth; ratio < 0.66 || ratio > 1.5 {
			t.Errorf("%d refused: estimate %.2f s, truth %.2f s", refused, p.Seconds.Likely, truth)
		}
	}
}

func TestCalibrateWithUnreadableGroups(t *testing.T) {
	t.Parallel()
	w := &world{groups: repeated(90, many(5000, 1500)), perGraph: 8 * time.Microsecond, unread: map[int]bool{},
		random: rand.New(rand.NewPCG(1, 2))}
	cfg := Config{Now: func() time.Time { return w.now }}
	for i := range 60 { // most of them, and all of two strata
		w.unread[i] = true
	}
	c, err := Calibrate(t.Context(), cfg, w.described(), w.score)
	if err != nil {
		t.Fatal(err)
	}
	if p, truth := c.Project(Rest{}), w.run().Seconds(); p.Seconds.Likely < truth/1.1 || p.Seconds.Likely > truth*1.1 {
		t.Errorf("estimate %.2f s, truth %.2f s", p.Seconds.Likely, truth)
	}
	for i := range w.groups {
		w.unread[i] = true
	}
	if c, err := Calibrate(t.Context(), cfg, w.described(), w.score); c != nil || err != nil {
		t.Errorf("nothing can be read: %v, %v", c, err)
	}
}

func TestCalibrateEnds(t *testing.T) {
	t.Parallel()
	now := func() time.Time { return time.Time{} }
	none := func(context.Context, []Piece) (Sample, error) { return Sample{}, errors.New("called") }
	if c, err := Calibrate(t.Context(), Config{Now: now}, []Group{{Counted: true}}, none); c != nil || err != nil {
		t.Errorf("without rows: %v, %v", c, err)
	}
	if _, err := Calibrate(t.Context(), Config{}, nil, none); err == nil {
		t.Error("no clock, no error")
	}
	if _, err := Calibrate(t.Context(), Config{Now: now, Strata: -1}, nil, none); err == nil {
		t.Error("strata -1, no error")
	}
	broken := errors.New("broken")
	fails := func(context.Context, []Piece) (Sample, error) { return Sample{}, broken }
	if _, err := Calibrate(t.Context(), Config{Now: now}, []Group{{Rows: 1, Bytes: 1}}, fails); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	// A clock that stands still, or steps back, gives no time: no endless loop, no division by zero.
	still := func(context.Context, []Piece) (Sample, error) { return Sample{Rows: 1, Bytes: 1}, nil }
	if _, err := Calibrate(t.Context(), Config{Now: now}, []Group{{Rows: 1e6, Bytes: 1e9, Counted: true}}, still); err != nil {
		t.Error(err)
	}
}

// TestPiecesStayInTheirGroups also holds that no group is taken twice in one sample.
func TestPiecesStayInTheirGroups(t *testing.T) {
	t.Parallel()
	w := &world{groups: joined(repeated(7, many(3, 100)), repeated(1, many(1, 1<<30)), repeated(500, many(50, 4000)))}
	groups := w.described()
	for _, s := range stratify(groups, 3) {
		for _, want := range []float64{1, 1e3, 1e6, 1e12} {
			for k := range 2 {
				seen := map[int]bool{}
				for _, p := range s.pieces(groups, want, k, Config{}.WithDefaults()) {
					if p.Rows < 1 || p.Rows > groups[p.Group].Rows || seen[p.Group] {
						t.Fatalf("%+v of %+v, seen before: %v", p, groups[p.Group], seen[p.Group])
					}
					seen[p.Group] = true
				}
				if len(seen) == 0 {
					t.Fatal("no piece")
				}
			}
		}
	}
}
