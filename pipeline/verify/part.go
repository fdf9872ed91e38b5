package verify

import (
	"context"
	"errors"
	"io"
	"maps"
	"math"

	"graphscore/pipeline"
	"graphscore/pipeline/display"
	"graphscore/pipeline/graph"
	"graphscore/writers/atomic"
	"graphscore/writers/part"
)

// wrong is a finding that ends the look at a part.
type wrong struct{ what string }

func (w *wrong) Error() string { return w.what }

// scorerError is what ends the whole verification: nothing can be said about the sample.
type scorerError struct{ err error }

func (e *scorerError) Error() string { return e.err.Error() }
func (e *scorerError) Unwrap() error { return e.err }

// part verifies one part. The error ends the verification; what is wrong with the part is a finding.
func (v *verifier) part(ctx context.Context, name string) error {
	err := v.look(ctx, name)
	v.sample.reset()
	var scorer *scorerError
	var unseen *atomic.IOError
	if errors.As(err, &unseen) && v.footers[name] == nil {
		v.unseen = true
	}
	switch {
	case err == nil:
		v.report.Parts++
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &scorer):
		return scorer.err
	case errors.Is(err, part.ErrForeign):
		v.found(name, "it is Parquet, but not a part written by graphscore: move it away")
	default:
		v.found(name, "%v", err)
	}
	return nil
}

func (v *verifier) look(ctx context.Context, name string) (err error) {
	p, err := v.view.OpenPart(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	l := p.Footer()
	v.footers[name] = l
	if l.Part != name {
		return wrongf("its footer says that it is the part %q: it was renamed", l.Part)
	}
	fault, err := v.view.QuarantineFault(name, l)
	if err != nil {
		return err
	}
	if fault != "" {
		return wrongf("%s: run again, which makes the part anew", fault)
	}
	q, err := v.view.Quarantine(name, l.Input)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	c := &cursor{part: p}
	quarantine := &quarantine{reader: q, codes: map[string]int64{}}
	source, err := v.open(ctx, p)
	if err != nil {
		return err
	}
	if source == nil {
		err = v.alone(ctx, c, quarantine)
	} else {
		defer func() { err = errors.Join(err, source.Close()) }()
		err = v.compare(ctx, source, c, quarantine)
	}
	if err != nil {
		return err
	}
	if c.rows != l.Nodes {
		return wrongf("it has %d rows, its footer counts %d nodes", c.rows, l.Nodes)
	}
	if quarantine.lines != l.Quarantined || !maps.Equal(quarantine.codes, l.Codes) {
		return wrongf("its quarantine file has %s, its footer counts %s", counted(quarantine.lines, quarantine.codes), counted(l.Quarantined, l.Codes))
	}
	v.report.Graphs += l.Scored
	v.report.Nodes += l.Nodes
	v.report.Quarantined += l.Quarantined
	return nil
}

// counted says how many graphs are in quarantine, and for what.
func counted(graphs int64, codes map[string]int64) string {
	text := display.Plural(graphs, "graph")
	if len(codes) > 0 {
		text += " (" + display.Counts(codes) + ")"
	}
	return text
}

// open opens the input of a part, nil where there is none to compare with.
func (v *verifier) open(ctx context.Context, p *part.Reader) (pipeline.Source, error) {
	if v.files == nil {
		return nil, nil
	}
	l := p.Footer()
	f, there := v.files[l.Input]
	switch {
	case !there && v.cfg.Input.Gone(l.Input):
		v.report.Orphaned++
		v.found(p.Footer().Part, "its input %q is gone, or was renamed: run with --prune to remove such parts", l.Input)
		return nil, nil
	case !there: // its input is beyond a limit, or cannot be read, which is said once
		return nil, nil
	case f.Refused != "": // said once, for the file
		return nil, nil
	case f.Fingerprint != l.Fingerprint:
		return nil, wrongf("its input %q has changed (fingerprint %s, was %s): run with --rescore", l.Input, f.Fingerprint, l.Fingerprint)
	}
	graphs, nodes := v.cfg.Input.Kinds()
	if g, n := p.Kinds(); g != graphs || n != nodes {
		return nil, wrongf("its ids are %s and %s, those of the input %s and %s: run with --rescore", g, n, graphs, nodes)
	}
	source, rows, err := v.cfg.Input.Open(ctx, l)
	if err != nil {
		return nil, err
	}
	if rows != l.RowsIn {
		return nil, errors.Join(wrongf("its footer counts %d graphs, the input has %d in row groups %d to %d",
			l.RowsIn, rows, l.FirstGroup, l.LastGroup), source.Close())
	}
	v.report.Compared++
	return source, nil
}

// alone reads a part without its input.
func (v *verifier) alone(ctx context.Context, c *cursor, q *quarantine) error {
	graphs := int64(0)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := c.graph()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		graphs += n
	}
	if scored := c.part.Footer().Scored; graphs > scored {
		return wrongf("it has rows of %d graphs, its footer counts %d as scored", graphs, scored)
	}
	return q.drain()
}

// cursor walks over the rows of a part.
type cursor struct {
	part  *part.Reader
	block *part.Block
	run   int   // of the block
	at    int   // the next row of the block
	rows  int64 // read so far
	prior graphRun
}

// graphRun is the graph that the last block ended with.
type graphRun struct {
	id, first any // of the graph and of its first node
}

// load makes sure that there is a next row. io.EOF says that there is none.
func (c *cursor) load() error {
	for c.block == nil || c.at == c.block.Rows() {
		b, err := c.part.Next()
		if err != nil {
			return err
		}
		c.block, c.run, c.at = b, 0, 0
		for k, column := range b.Scores {
			if i := nonFinite(column); i >= 0 {
				return wrongf("row %d: the score of output %q is %v", b.First+int64(i), c.part.Outputs()[k], column[i])
			}
		}
	}
	return nil
}

func nonFinite(values []float32) int {
	var odd float32
	for _, v := range values {
		odd += v - v
	}
	if odd == 0 {
		return -1
	}
	for i, v := range values {
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			return i
		}
	}
	return -1
}

// graph reads the next run of rows of one graph id, and returns how many graphs begin in it: where the node id of a
// graph's first row comes again, another graph with the same id begins.
func (c *cursor) graph() (int64, error) {
	if err := c.load(); err != nil {
		return 0, err
	}
	b, end := c.block, c.block.Ends[c.run]
	id, begins := b.Graphs.Value(c.run), int64(0)
	from := c.at
	if c.at > 0 || c.prior.id != id {
		c.prior = graphRun{id, b.NodeIDs.Value(c.at)}
		begins, from = 1, c.at+1
	}
	if first, is := c.prior.first.(int64); is {
		for _, n := range b.NodeIDs.Ints[from:end] {
			if n == first {
				begins++
			}
		}
	} else {
		first, _ := c.prior.first.(string)
		for i := from; i < end; i++ {
			if string(b.NodeIDs.At(i)) == first {
				begins++
			}
		}
	}
	c.rows += int64(end - c.at)
	c.at = end
	c.run++
	return begins, nil
}

// expect reads the rows of graph g of a batch and appends their scores to out unless it is nil.
func (c *cursor) expect(b *graph.Batch, g int, out *[]float32) error {
	first, end := b.NodeRange(g)
	for at := first; at < end; {
		err := c.load()
		if err == io.EOF {
			return wrongf("it ends before graph %v (row %d of the input)", b.IDs.Value(g), b.Rows[g])
		}
		if err != nil {
			return err
		}
		if !equalID(&c.block.Graphs, c.run, &b.IDs, g) {
			return wrongf("row %d is of graph %v, but should be of graph %v (row %d of the input)",
				c.block.First+int64(c.at), c.block.Graphs.Value(c.run), b.IDs.Value(g), b.Rows[g])
		}
		n := min(end-at, c.block.Ends[c.run]-c.at)
		for i := range n {
			if !c.node(c.at+i, b, at+i, at+i-first) {
				return wrongf("row %d is of node %v, not of node %d of graph %v (row %d of the input)",
					c.block.First+int64(c.at+i), c.block.NodeIDs.Value(c.at+i), at+i-first, b.IDs.Value(g), b.Rows[g])
			}
		}
		if out != nil {
			for i := range n {
				for _, column := range c.block.Scores {
					*out = append(*out, column[c.at+i])
				}
			}
		}
		at, c.at, c.rows = at+n, c.at+n, c.rows+int64(n)
		if c.at == c.block.Ends[c.run] {
			c.run++
		}
	}
	return nil
}

// node reports whether row i of the block is of node j of the batch, number of its graph.
func (c *cursor) node(i int, b *graph.Batch, j, number int) bool {
	ids := &c.block.NodeIDs
	switch {
	case b.NodeIDs != nil:
		return equalID(ids, i, b.NodeIDs, j)
	case ids.Kind == graph.Int64:
		return ids.Ints[i] == int64(number)
	default:
		return isNumber(ids.At(i), number)
	}
}
