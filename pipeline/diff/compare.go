package diff

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"

	"graphscore/pipeline/graph"
)

// Compare reads both outputs and says what changed: once, and their scores again where PSI needs it. It blocks until then and starts no goroutine. Temporary
// files are made where leftovers must be joined, and are removed again.
//
// Errors are an *OutputError, *LevelError, *writers.DamagedError or *writers.IOError, which name folder or part, or that of ctx.
// Differences are no errors.
func Compare(ctx context.Context, cfg Config) (report *Report, err error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &comparison{cfg: cfg, movers: movers{keep: cfg.Movers}}
	for i, dir := range []string{cfg.Old, cfg.New} {
		if c.sides[i], err = survey(ctx, dir); err != nil {
			return nil, err
		}
	}
	if err := c.level(); err != nil {
		return nil, err
	}
	c.agree()
	c.spill = newSpill(cfg.Temp, 0)
	defer func() { err = errors.Join(err, c.spill.remove()) }()
	for i, parts := range pair(c.sides[0], c.sides[1]) {
		if err := c.lockstep(ctx, i, parts); err != nil {
			return nil, err
		}
	}
	if err := c.spill.join(ctx, c); err != nil {
		return nil, err
	}
	if err := c.narrow(ctx); err != nil {
		return nil, err
	}
	return c.conclude(), nil
}

// comparison is what Compare gathers.
type comparison struct {
	cfg     Config
	sides   [2]*side // OLD and NEW
	outputs []*output
	movers  movers
	spill   *spill
	report  Report
	fates   Fates // of rows: nodes, edges or graphs
}

// level makes the level of the side that has parts that of both. The error is a *LevelError.
func (c *comparison) level() error {
	old, new := c.sides[0], c.sides[1]
	switch {
	case new.found == 0:
		new.level = old.level
	case old.found == 0:
		old.level = new.level
	case old.level != new.level:
		return &LevelError{Old: old.dir, New: new.dir, OldLevel: old.level, NewLevel: new.level}
	}
	c.report.Level = new.level.String()
	return nil
}

// agree finds the outputs that both sides have, and prepares to count their scores.
func (c *comparison) agree() {
	old, new := c.sides[0], c.sides[1]
	c.report.MissingOutputs, c.report.NewOutputs = []string{}, []string{}
	for j, name := range new.outputs {
		if i := slices.Index(old.outputs, name); i >= 0 {
			c.outputs = append(c.outputs, &output{name: name, columns: [2]int{i, j}})
		} else if old.found > 0 { // a side without parts does not say which outputs it would have
			c.report.NewOutputs = append(c.report.NewOutputs, name)
		}
	}
	for _, name := range old.outputs {
		if new.found > 0 && !slices.Contains(new.outputs, name) {
			c.report.MissingOutputs = append(c.report.MissingOutputs, name)
		}
	}
	most := maxBins
	for most > minBins && most*len(c.outputs) > binBudget {
		most /= 2
	}
	for _, o := range c.outputs {
		lo, hi := float32(math.MaxFloat32), float32(-math.MaxFloat32)
		for i, s := range c.sides {
			s.columns = append(s.columns, o.columns[i])
			if r, known := s.ranges[o.name]; known {
				lo, hi = min(lo, r[0]), max(hi, r[1])
			}
		}
		o.first = newSegment(newBins(min(lo, hi), hi, most))
		o.histogram = newHistogram(o.first)
	}
	for i, s := range c.sides {
		s.tally = func(output int, values []float32) {
			first := &c.outputs[output].first
			first.add(first.counts[i], values)
		}
	}
}

// lockstep reads a place of both sides.
func (c *comparison) lockstep(ctx context.Context, place int, parts [2][]string) (err error) {
	old := &stream{side: c.sides[0], place: place, parts: parts[0]}
	new := &stream{side: c.sides[1], place: place, parts: parts[1]}
	defer func() { err = errors.Join(err, old.close(), new.close()) }()
	for {
		a, err := old.next(ctx)
		if err != nil {
			return err
		}
		b, err := new.next(ctx)
		if err != nil {
			return err
		}
		switch {
		case a == nil && b == nil:
			return nil
		case a == nil:
			err = c.leave(1, b)
		case b == nil:
			err = c.leave(0, a)
		case slices.Equal(a.id, b.id):
			c.graph(a, b)
		default:
			err = c.resync(ctx, old, new, a.clone(), b.clone())
		}
		if err != nil {
			return err
		}
	}
}

// leave makes a graph of a side a leftover.
func (c *comparison) leave(side int, r *rows) error { return c.spill.add(side, r) }

// resync reads ahead from graphs that differ until both streams agree, or the window is full.
func (c *comparison) resync(ctx context.Context, old, new *stream, a, b *rows) error {
	streams := [2]*stream{old, new}
	ahead := [2][]*rows{{a}, {b}}
	seen := [2]map[string]int{{string(a.id): 0}, {string(b.id): 0}}
	bytes := a.size() + b.size()
	ended := [2]bool{}
	for len(ahead[0])+len(ahead[1]) < c.cfg.windowGraphs && bytes < c.cfg.windowBytes && (!ended[0] || !ended[1]) {
		for i, s := range streams {
			if ended[i] {
				continue
			}
			r, err := s.next(ctx)
			if err != nil {
				return err
			}
			if r == nil {
				ended[i] = true
				continue
			}
			r = r.clone()
			bytes += r.size()
			ahead[i] = append(ahead[i], r)
			if _, twice := seen[i][string(r.id)]; !twice {
				seen[i][string(r.id)] = len(ahead[i]) - 1
			}
			if j, met := seen[1-i][string(r.id)]; met {
				at := [2]int{}
				at[i], at[1-i] = len(ahead[i])-1, j
				return c.settle(streams, ahead, at)
			}
		}
	}
	return c.settle(streams, ahead, [2]int{len(ahead[0]), len(ahead[1])})
}

// settle makes leftovers of what was read ahead before the places at, and returns the rest to the streams.
func (c *comparison) settle(streams [2]*stream, ahead [2][]*rows, at [2]int) error {
	for i, s := range streams {
		for _, r := range ahead[i][:at[i]] {
			if err := c.leave(i, r); err != nil {
				return err
			}
		}
		s.queue = append(ahead[i][at[i]:], s.queue...)
	}
	return nil
}

// alone counts a graph that only one side has.
func (c *comparison) alone(side int, r *rows) {
	fates, ids := &c.report.Graphs.Missing, &c.report.MissingGraphs
	rows := &c.fates.Missing
	if side == 1 {
		fates, ids, rows = &c.report.Graphs.New, &c.report.NewGraphs, &c.fates.New
	}
	*fates++
	*rows += int64(r.count)
	if len(*ids) < c.cfg.Movers {
		*ids = append(*ids, string(r.id))
	}
}

// graph compares a graph that both sides have.
func (c *comparison) graph(a, b *rows) {
	before := c.fates
	if same(a, b) {
		c.rows(a, b)
	} else {
		c.match(a, b)
	}
	c.movers.settle()
	if n := c.fates; n.Changed == before.Changed && n.Missing == before.Missing && n.New == before.New {
		c.report.Graphs.Equal++
	} else {
		c.report.Graphs.Changed++
	}
}

// same reports whether the rows of two graphs belong to the same in the same order.
func same(a, b *rows) bool {
	if a.count != b.count {
		return false
	}
	for k := range a.ids {
		if !sameIDs(&a.ids[k], &b.ids[k]) {
			return false
		}
	}
	return true
}

// sameIDs compares columns of one length.
func sameIDs(a, b *graph.IDs) bool {
	if a.Kind == graph.Int64 && b.Kind == graph.Int64 {
		return slices.Equal(a.Ints, b.Ints)
	}
	var x, y []byte
	for i := range a.Len() {
		if x, y = a.Text(x[:0], i), b.Text(y[:0], i); !slices.Equal(x, y) {
			return false
		}
	}
	return true
}

// rows compares all rows of two graphs that belong to the same.
func (c *comparison) rows(a, b *rows) {
	if !c.differ(a, b) {
		for _, o := range c.outputs {
			o.compared += int64(a.count)
		}
		c.fates.Equal += int64(a.count)
		return
	}
	for i := range a.count {
		c.row(a, b, i, i)
	}
}

// differ reports whether any score differs.
func (c *comparison) differ(a, b *rows) bool {
	for k := range c.outputs {
		if !slices.Equal(a.scores[k], b.scores[k]) {
			return true
		}
	}
	return false
}

// match compares two graphs whose rows belong to others, or to the same in another order. Of edges with the same ends,
// each is compared with the one that comes at the same place among these.
func (c *comparison) match(a, b *rows) {
	where := make(map[string][]int, a.count)
	var key []byte
	for i := range a.count {
		key = a.keyOf(key[:0], i)
		where[string(key)] = append(where[string(key)], i)
	}
	for j := range b.count {
		key = b.keyOf(key[:0], j)
		if at := where[string(key)]; len(at) > 0 {
			c.row(a, b, at[0], j)
			where[string(key)] = at[1:]
			continue
		}
		c.fates.New++
		c.example(1, b, j)
	}
	for i := range a.count {
		key = a.keyOf(key[:0], i)
		if at := where[string(key)]; len(at) > 0 && at[0] == i {
			where[string(key)] = at[1:]
			c.fates.Missing++
			c.example(0, a, i)
		}
	}
}

// example keeps row i of a side, which the other has not.
func (c *comparison) example(side int, r *rows, i int) {
	switch len(r.ids) {
	case 1:
		list := [2]*[]NodeRef{&c.report.MissingNodes, &c.report.NewNodes}[side]
		if len(*list) < c.cfg.Movers {
			*list = append(*list, NodeRef{string(r.id), text(&r.ids[0], i)})
		}
	case 2:
		list := [2]*[]EdgeRef{&c.report.MissingEdges, &c.report.NewEdges}[side]
		if len(*list) < c.cfg.Movers {
			*list = append(*list, EdgeRef{string(r.id), text(&r.ids[0], i), text(&r.ids[1], i), r.number(i)})
		}
	}
}

// row compares the scores of row i of a with those of row j of b.
func (c *comparison) row(a, b *rows, i, j int) {
	changed := false
	for k, o := range c.outputs {
		o.compared++
		was, is := a.scores[k][i], b.scores[k][j]
		if was == is {
			continue
		}
		d := float64(is) - float64(was)
		size := math.Abs(d)
		if math.IsNaN(d) || math.IsInf(d, 0) {
			o.odd++
			if math.Float32bits(was) != math.Float32bits(is) {
				o.changed, o.moved, changed = o.changed+1, o.moved+1, true
			}
			continue
		}
		o.moved++
		o.sum += d
		o.abs += size
		o.most = max(o.most, size)
		if c.movers.wants(d) {
			c.movers.add(mover{a.mover(i, Mover{Output: o.name, Old: was, New: is, Change: d}), i, a})
		}
		if size > c.cfg.Tolerance {
			o.changed++
			changed = true
		}
	}
	if changed {
		c.fates.Changed++
	} else {
		c.fates.Equal++
	}
}

// mover returns m with the names of row i, but for the number of an edge.
func (r *rows) mover(i int, m Mover) Mover {
	m.Graph = string(r.id)
	switch len(r.ids) {
	case 1:
		m.Node = text(&r.ids[0], i)
	case 2:
		m.Source, m.Target = text(&r.ids[0], i), text(&r.ids[1], i)
	}
	return m
}

// number is the place of edge i among those with its ends, from 0.
func (r *rows) number(i int) (n int) {
	key := r.keyOf(nil, i)
	for j := range i {
		if bytes.Equal(r.keyOf(nil, j), key) {
			n++
		}
	}
	return n
}

// conclude makes the report.
func (c *comparison) conclude() *Report {
	r := &c.report
	r.Old, r.New, r.Tolerance = c.sides[0].report(), c.sides[1].report(), c.cfg.Tolerance
	r.Joined = c.spill.graphs
	switch c.sides[1].level {
	case graph.NodeLevel:
		r.Nodes = c.fates
	case graph.EdgeLevel:
		r.Edges = c.fates
	}
	for _, list := range []*[]string{&r.MissingGraphs, &r.NewGraphs} {
		*list = append([]string{}, *list...)
		slices.Sort(*list)
	}
	r.MissingNodes, r.NewNodes = append([]NodeRef{}, r.MissingNodes...), append([]NodeRef{}, r.NewNodes...)
	r.MissingEdges, r.NewEdges = append([]EdgeRef{}, r.MissingEdges...), append([]EdgeRef{}, r.NewEdges...)
	r.Movers, r.Outputs = []Mover{}, []Output{}
	for _, m := range c.movers.list {
		r.Movers = append(r.Movers, m.Mover)
	}
	for _, o := range c.outputs {
		out := Output{
			Name: o.name, Compared: o.compared, Changed: o.changed, Moved: o.moved, MaxAbsChange: o.most, NonFinite: o.odd,
		}
		if finite := o.compared - o.odd; finite > 0 {
			out.MeanChange, out.MeanAbsChange = o.sum/float64(finite), o.abs/float64(finite)
		}
		out.PSI, out.KS = o.histogram.Distances()
		r.Outputs = append(r.Outputs, out)
	}
	r.conclude()
	return r
}
