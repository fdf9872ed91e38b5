package diff

import (
	"context"
	"errors"
	"math"
	"slices"

	"graphscore/pipeline/graph"
)

// Compare reads both outputs and says what changed: once, and their scores again where PSI needs it. It blocks until then and starts no goroutine. Temporary
// files are made where leftovers must be joined, and are removed again.
//
// Errors are an *OutputError, *writers.DamagedError or *writers.IOError, which name folder or part, or that of ctx.
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
	nodes := &c.report.Nodes.Missing
	if side == 1 {
		fates, ids, nodes = &c.report.Graphs.New, &c.report.NewGraphs, &c.report.Nodes.New
	}
	*fates++
	*nodes += int64(r.nodes.Len())
	if len(*ids) < c.cfg.Movers {
		*ids = append(*ids, string(r.id))
	}
}

// graph compares a graph that both sides have.
func (c *comparison) graph(a, b *rows) {
	before := c.report.Nodes
	if same(&a.nodes, &b.nodes) {
		c.rows(a, b)
	} else {
		c.match(a, b)
	}
	if n := c.report.Nodes; n.Changed == before.Changed && n.Missing == before.Missing && n.New == before.New {
		c.report.Graphs.Equal++
	} else {
		c.report.Graphs.Changed++
	}
}

// same reports whether nodes are the same in the same order.
func same(a, b *graph.IDs) bool {
	if a.Len() != b.Len() {
		return false
	}
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

// rows compares all rows of two graphs with the same nodes.
func (c *comparison) rows(a, b *rows) {
	n := a.nodes.Len()
	if !c.differ(a, b) {
		for _, o := range c.outputs {
			o.compared += int64(n)
		}
		c.report.Nodes.Equal += int64(n)
		return
	}
	for i := range n {
		c.node(a, b, i, i)
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

// match compares two graphs with other nodes, or the same in another order.
func (c *comparison) match(a, b *rows) {
	where := make(map[string][]int, a.nodes.Len())
	for i := range a.nodes.Len() {
		id := text(&a.nodes, i)
		where[id] = append(where[id], i)
	}
	for j := range b.nodes.Len() {
		id := text(&b.nodes, j)
		if at := where[id]; len(at) > 0 {
			c.node(a, b, at[0], j)
			where[id] = at[1:]
			continue
		}
		c.report.Nodes.New++
		c.example(&c.report.NewNodes, b, j)
	}
	for i := range a.nodes.Len() {
		id := text(&a.nodes, i)
		if at := where[id]; len(at) > 0 && at[0] == i {
			where[id] = at[1:]
			c.report.Nodes.Missing++
			c.example(&c.report.MissingNodes, a, i)
		}
	}
}

func (c *comparison) example(list *[]NodeRef, r *rows, i int) {
	if len(*list) < c.cfg.Movers {
		*list = append(*list, NodeRef{string(r.id), text(&r.nodes, i)})
	}
}

// node compares the scores of row i of a with those of row j of b.
func (c *comparison) node(a, b *rows, i, j int) {
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
			c.movers.add(Mover{string(a.id), text(&a.nodes, i), o.name, was, is, d})
		}
		if size > c.cfg.Tolerance {
			o.changed++
			changed = true
		}
	}
	if changed {
		c.report.Nodes.Changed++
	} else {
		c.report.Nodes.Equal++
	}
}

// conclude makes the report.
func (c *comparison) conclude() *Report {
	r := &c.report
	r.Old, r.New, r.Tolerance = c.sides[0].report(), c.sides[1].report(), c.cfg.Tolerance
	r.Joined = c.spill.graphs
	for _, list := range []*[]string{&r.MissingGraphs, &r.NewGraphs} {
		*list = append([]string{}, *list...)
		slices.Sort(*list)
	}
	r.MissingNodes, r.NewNodes = append([]NodeRef{}, r.MissingNodes...), append([]NodeRef{}, r.NewNodes...)
	r.Movers, r.Outputs = append([]Mover{}, c.movers.list...), []Output{}
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
