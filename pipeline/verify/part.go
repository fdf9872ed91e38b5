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
	p.ReadEmbedding()
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
	if c.rows != l.RowsOut {
		return wrongf("it has %d rows, its footer counts %d %ss", c.rows, l.RowsOut, l.Level())
	}
	if source != nil && c.nodes != l.Nodes {
		return wrongf("its graphs have %d nodes, its footer counts %d", c.nodes, l.Nodes)
	}
	if quarantine.lines != l.Quarantined || !maps.Equal(quarantine.codes, l.Codes) {
		return wrongf("its quarantine file has %s, its footer counts %s", counted(quarantine.lines, quarantine.codes), counted(l.Quarantined, l.Codes))
	}
	if c.rounded.graphs > 0 {
		return &c.rounded
	}
	v.report.Graphs += l.Scored
	v.report.Nodes += l.Nodes
	v.report.Rows += l.RowsOut
	v.report.ofLevel(l.Level().String())
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
	nodes int64 // of graphs that were expected so far
	order graph.EdgeOrder
	prior graphRun

	rounded rounded
}

// graphRun is the graph that the last block ended with.
type graphRun struct {
	id, first any // of the graph and, where rows are those of nodes, of its first node
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
		if i := nonFinite(b.Embedding); i >= 0 {
			width := c.part.Footer().EmbeddingWidth
			return wrongf("row %d: value %d of the embedding is %v", b.First+int64(i/width), i%width, b.Embedding[i])
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

// graph reads the next run of rows of one graph id, and returns how many graphs begin in it. Of rows of nodes, where the
// node id of a graph's first row comes again, another graph with the same id begins; of rows of edges it is one.
func (c *cursor) graph() (int64, error) {
	if err := c.load(); err != nil {
		return 0, err
	}
	b, end := c.block, c.block.Ends[c.run]
	id, begins := b.Graphs.Value(c.run), int64(0)
	from := c.at
	if c.part.Level() == graph.GraphLevel {
		begins = int64(end - from)
	} else if c.at > 0 || c.prior.id != id {
		c.prior = graphRun{id: id}
		begins, from = 1, c.at+1
		if len(b.NodeIDs) == 1 {
			c.prior.first = b.NodeIDs[0].Value(c.at)
		}
	}
	switch first := c.prior.first.(type) {
	case int64:
		for _, n := range b.NodeIDs[0].Ints[from:end] {
			if n == first {
				begins++
			}
		}
	case string:
		for i := from; i < end; i++ {
			if string(b.NodeIDs[0].At(i)) == first {
				begins++
			}
		}
	}
	c.rows += int64(end - c.at)
	c.at = end
	c.run++
	return begins, nil
}

// expect reads the rows of graph g of a batch and appends their scores, each with its embedding, to out unless it is nil.
func (c *cursor) expect(b *graph.Batch, g int, out *[]float32) error {
	c.nodes += int64(b.GraphNodes(g))
	if c.part.Level() != graph.EdgeLevel {
		return c.expectRows(b, g, b.WrittenRows(c.part.Level(), g), out, func(i, number int) error { return c.expectNode(b, g, i, number) })
	}
	for from := 0; from < b.GraphEdges(g); {
		edges, err := c.order.Window(b, g, from)
		if err != nil {
			return err
		}
		err = c.expectRows(b, g, len(edges), out, func(i, number int) error {
			return c.expectEdge(b, g, i, from+number, edges[number])
		})
		if err != nil {
			return err
		}
		from += len(edges)
	}
	return nil
}

// expectRows reads n rows of graph g. same looks at row i of the block, which should be the one of that number.
func (c *cursor) expectRows(b *graph.Batch, g, n int, out *[]float32, same func(i, number int) error) error {
	for at := 0; at < n; {
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
		rows := min(n-at, c.block.Ends[c.run]-c.at)
		for i := range rows {
			if err := same(c.at+i, at+i); err != nil {
				return err
			}
		}
		if out != nil {
			width := c.part.Footer().EmbeddingWidth
			for i := c.at; i < c.at+rows; i++ {
				for _, column := range c.block.Scores {
					*out = append(*out, column[i])
				}
				*out = append(*out, c.block.Embedding[i*width:(i+1)*width]...)
			}
		}
		at, c.at, c.rows = at+rows, c.at+rows, c.rows+int64(rows)
		if c.at == c.block.Ends[c.run] {
			c.run++
		}
	}
	return nil
}

// expectNode requires row i of the block to be of the node of that number of graph g, if rows are those of nodes.
func (c *cursor) expectNode(b *graph.Batch, g, i, number int) error {
	if len(c.block.NodeIDs) == 0 {
		return nil
	}
	first, _ := b.NodeRange(g)
	if ids := &c.block.NodeIDs[0]; !isNode(ids, i, b, first+number, number) {
		return wrongf("row %d is of node %v, not of node %d of graph %v (row %d of the input)",
			c.block.First+int64(i), ids.Value(i), number, b.IDs.Value(g), b.Rows[g])
	}
	return nil
}

// expectEdge requires row i of the block to be of an edge of graph g, which has that number in the input.
func (c *cursor) expectEdge(b *graph.Batch, g, i, number int, edge graph.Edge) error {
	first, _ := b.NodeRange(g)
	source, target := &c.block.NodeIDs[0], &c.block.NodeIDs[1]
	if isNode(source, i, b, int(edge.Source), int(edge.Source)-first) && isNode(target, i, b, int(edge.Target), int(edge.Target)-first) {
		return nil
	}
	return wrongf("row %d is of an edge from %v to %v, not of edge %d of graph %v (row %d of the input)",
		c.block.First+int64(i), source.Value(i), target.Value(i), number, b.IDs.Value(g), b.Rows[g])
}

// isNode reports whether id i of a column is that of node j of the batch, number of its graph.
func isNode(ids *graph.IDs, i int, b *graph.Batch, j, number int) bool {
	switch {
	case b.NodeIDs != nil:
		return equalID(ids, i, b.NodeIDs, j)
	case ids.Kind == graph.Int64:
		return ids.Ints[i] == int64(number)
	default:
		return isNumber(ids.At(i), number)
	}
}
