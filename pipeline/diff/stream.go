package diff

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"slices"
	"strconv"

	"graphscore/pipeline/graph"
	"graphscore/writers/part"
)

// rows are those of one graph.
type rows struct {
	// id is the graph id as text, so that integers and texts can be compared.
	id []byte
	// place is where the graph was met, the same number on both sides.
	place int
	// count is the number of rows, ids what they belong to: columns as [part.Block.NodeIDs] has them.
	count int
	ids   []graph.IDs
	// scores has one column an output that both sides have, in the order of the report.
	scores [][]float32
}

// clone returns rows that share nothing with r.
func (r *rows) clone() *rows {
	c := &rows{id: bytes.Clone(r.id), place: r.place, count: r.count, scores: make([][]float32, len(r.scores))}
	for i := range r.ids {
		c.ids = append(c.ids, graph.IDs{Kind: r.ids[i].Kind})
		c.ids[i].Append(&r.ids[i], 0, r.count)
	}
	for i, s := range r.scores {
		c.scores[i] = slices.Clone(s)
	}
	return c
}

// size is about what the graph takes in memory.
func (r *rows) size() int {
	size := 200 + len(r.id) + 4*len(r.scores)*r.count
	for i := range r.ids {
		ids := &r.ids[i]
		size += 8*len(ids.Ints) + len(ids.Bytes) + 4*len(ids.Offsets)
	}
	return size
}

// keyOf appends what row i belongs to: its ids as text, so that integers and texts can be compared. The length of the first
// of two ids says where the second begins.
func (r *rows) keyOf(key []byte, i int) []byte {
	for k := range r.ids {
		if k == 0 && len(r.ids) > 1 {
			first := len(key)
			key = r.ids[k].Text(append(key, 0, 0, 0, 0), i)
			binary.LittleEndian.PutUint32(key[first:], uint32(len(key)-first-4))
			continue
		}
		key = r.ids[k].Text(key, i)
	}
	return key
}

// stream yields the graphs of one place of a side in order. One goroutine uses it.
type stream struct {
	side  *side
	place int
	parts []string // still to be read
	part  *part.Reader
	block *part.Block // nil at the end of a part
	run   int         // the run of the block that holds the next graph
	at    int         // the next row of the block

	queue []*rows // read ahead
	view  rows
	carry rows // a graph that goes on in the next block
}

// next returns the next graph, nil at the end. It is valid until the next call, unless it was read ahead.
func (s *stream) next(ctx context.Context) (*rows, error) {
	if len(s.queue) > 0 {
		r := s.queue[0]
		s.queue = s.queue[1:]
		return r, nil
	}
	return s.read(ctx)
}

func (s *stream) read(ctx context.Context) (*rows, error) {
	if err := s.fill(ctx); err != nil || s.block == nil {
		return nil, err
	}
	s.take(&s.view)
	if s.at < s.block.Rows() {
		return &s.view, nil
	}
	return s.across(ctx)
}

// take makes r a view of the graph that begins at the next row, as far as the block goes.
func (s *stream) take(r *rows) {
	b := s.block
	end := b.Ends[s.run]
	stop := s.stop(s.at, end)
	r.place = s.place
	if b.Graphs.Kind == graph.Int64 {
		r.id = strconv.AppendInt(r.id[:0], b.Graphs.Ints[s.run], 10)
	} else {
		r.id = append(r.id[:0], b.Graphs.At(s.run)...)
	}
	s.columns(r, s.at, stop)
	if s.at = stop; stop == end {
		s.run++
	}
	s.side.graphs++
}

// columns makes the rows of r views of the block's.
func (s *stream) columns(r *rows, from, to int) {
	r.count, r.ids, r.scores = to-from, r.ids[:0], r.scores[:0]
	for i := range s.block.NodeIDs {
		r.ids = append(r.ids, s.block.NodeIDs[i].Slice(from, to))
	}
	for _, c := range s.side.columns {
		r.scores = append(r.scores, s.block.Scores[c][from:to])
	}
}

// stop is the row behind the graph that begins at a row of a run that ends at end.
func (s *stream) stop(from, end int) int {
	switch s.side.level {
	case graph.GraphLevel:
		return from + 1
	case graph.EdgeLevel: // edges may repeat: a run is one graph
		return end
	}
	ids := &s.block.NodeIDs[0]
	if ids.Kind == graph.Int64 {
		first := ids.Ints[from]
		for i, v := range ids.Ints[from+1 : end] {
			if v == first {
				return from + 1 + i
			}
		}
		return end
	}
	return s.stopAt(ids.At(from), from+1, end)
}

// stopAt is the first row of from to end whose node id is first.
func (s *stream) stopAt(first []byte, from, end int) int {
	for i := from; i < end; i++ {
		if bytes.Equal(s.block.NodeIDs[0].At(i), first) {
			return i
		}
	}
	return end
}

// across ends the graph of the view, which reaches the end of its block: it may go on in the next one.
func (s *stream) across(ctx context.Context) (*rows, error) {
	c := &s.carry
	c.id, c.place = append(c.id[:0], s.view.id...), s.place
	c.count, c.ids = 0, resize(c.ids, len(s.view.ids))
	for i, ids := range c.ids {
		c.ids[i] = graph.IDs{Kind: s.view.ids[i].Kind, Ints: ids.Ints[:0], Bytes: ids.Bytes[:0], Offsets: ids.Offsets[:0]}
	}
	c.scores = resize(c.scores, len(s.view.scores))
	for i := range c.scores {
		c.scores[i] = c.scores[i][:0]
	}
	s.extend(&s.view)
	for {
		if err := s.load(); err != nil || s.block == nil {
			return c, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var id []byte
		if s.block.Graphs.Kind == graph.Int64 {
			id = strconv.AppendInt(s.view.id[:0], s.block.Graphs.Ints[0], 10)
		} else {
			id = s.block.Graphs.At(0)
		}
		if !bytes.Equal(id, c.id) {
			return c, nil
		}
		stop := s.resume(s.block.Ends[0])
		if stop == 0 {
			return c, nil
		}
		s.columns(&s.view, 0, stop)
		s.extend(&s.view)
		if s.at = stop; stop == s.block.Ends[0] {
			s.run = 1
		}
		if s.at < s.block.Rows() {
			return c, nil
		}
	}
}

// resume is the row of a new block behind the graph that is carried over.
func (s *stream) resume(end int) int {
	switch s.side.level {
	case graph.GraphLevel:
		return 0
	case graph.EdgeLevel:
		return end
	}
	if s.carry.ids[0].Kind == graph.Int64 {
		if at := slices.Index(s.block.NodeIDs[0].Ints[:end], s.carry.ids[0].Ints[0]); at >= 0 {
			return at
		}
		return end
	}
	return s.stopAt(s.carry.ids[0].At(0), 0, end)
}

// extend appends rows to the graph that is carried over.
func (s *stream) extend(r *rows) {
	s.carry.count += r.count
	for i := range r.ids {
		s.carry.ids[i].Append(&r.ids[i], 0, r.count)
	}
	for i, values := range r.scores {
		s.carry.scores[i] = append(s.carry.scores[i], values...)
	}
}

// fill makes sure that the block has a row to come, going on to the next part, or leaves none.
func (s *stream) fill(ctx context.Context) error {
	for s.block == nil || s.at == s.block.Rows() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if s.part == nil {
			if len(s.parts) == 0 {
				s.block = nil
				return nil
			}
			part, err := s.side.open(s.parts[0])
			if err != nil {
				return err
			}
			s.part, s.parts = part, s.parts[1:]
		}
		if err := s.load(); err != nil {
			return err
		}
		if s.block == nil {
			if err := s.closePart(); err != nil {
				return err
			}
		}
	}
	return nil
}

// load reads the next block of the part, nil at its end, and counts its scores.
func (s *stream) load() error {
	b, err := s.part.Next()
	if err == io.EOF {
		s.block = nil
		return nil
	}
	if err != nil {
		return err
	}
	s.block, s.run, s.at = b, 0, 0
	s.side.rows += int64(b.Rows())
	for i, c := range s.side.columns {
		s.side.tally(i, b.Scores[c])
	}
	return nil
}

func (s *stream) closePart() error {
	p := s.part
	s.part = nil
	return p.Close()
}

// close frees what is open.
func (s *stream) close() error {
	if s.part == nil {
		return nil
	}
	return s.closePart()
}

func resize[T any](s []T, n int) []T {
	for len(s) < n {
		s = append(s, *new(T))
	}
	return s[:n]
}
