package readers

import (
	"github.com/apache/arrow/go/v15/parquet/metadata"
)

// Group is what a footer tells of one row group or record batch of a shard.
type Group struct {
	// Number is its number in the file.
	Number int
	// Rows is the number of rows that the shard reads of it.
	Rows int64
	// Bytes is the size of the needed columns as stored, before compression.
	Bytes int64
	// Features and Edges count the values of the features and the edges of its graphs: features are nodes times
	// width. A row without any counts as one. They are -1 where the footer does not tell, as with features that
	// are bytes in an Arrow file.
	Features, Edges int64
	// Counted is false where Features is not a count but a guess from the size of binary features.
	Counted bool
}

// Groups gives the groups of the shard, as its footer has them. A group of which a limit leaves rows out has its
// other numbers cut in the same proportion.
func (s *Shard) Groups() []Group {
	var out []Group
	left := s.Rows
	for i := s.FirstGroup; i <= s.LastGroup && i < len(s.File.groups); i++ {
		g := s.File.groups[i]
		out = append(out, g.of(i, min(g.rows, left)))
		left -= min(g.rows, left)
	}
	return out
}

// of describes the first rows of a group.
func (g group) of(number int, rows int64) Group {
	d := Group{
		Number: number, Rows: rows, Bytes: g.bytes, Features: plausible(g.sizes.features), Edges: plausible(g.sizes.edges),
	}
	d.Counted = d.Features >= 0 && !g.sizes.guessed
	if rows == g.rows {
		return d
	}
	part := float64(rows) / float64(g.rows)
	d.Bytes = int64(part * float64(d.Bytes))
	for _, n := range []*int64{&d.Features, &d.Edges} {
		if *n > 0 {
			*n = int64(part * float64(*n))
		}
	}
	return d
}

// plausible is n, or -1 where no file has so much: a footer may claim anything.
func plausible(n int64) int64 {
	if n < 0 || n > 1<<40 {
		return -1
	}
	return n
}

// Sample gives a shard of the first rows of some of the groups of s, for a look at what lies there. It has the
// part of s and must not be committed.
func (s *Shard) Sample(first, last int, rows int64) Shard {
	sample := Shard{File: s.File, Part: s.Part, FirstGroup: first, LastGroup: last, FirstRow: s.FirstRow}
	for i := s.FirstGroup; i < first; i++ {
		sample.FirstRow += s.File.groups[i].rows
	}
	for i := first; i <= last; i++ {
		g := s.File.groups[i].of(i, min(s.File.groups[i].rows, rows-sample.Rows))
		sample.Rows, sample.Bytes = sample.Rows+g.Rows, sample.Bytes+g.Bytes
	}
	return sample
}

// sizes is what a footer tells of the graphs of a group, -1 where it does not.
type sizes struct {
	features, edges int64
	guessed         bool
}

// add takes the numbers of a column chunk.
func (s *sizes) add(r role, f field, c *metadata.ColumnChunkMetaData) {
	switch {
	case r == roleFeatures && f.depth == 0: // plain bytes have a length each
		s.features, s.guessed = max(0, (c.TotalUncompressedSize()-4*c.NumValues())/4), true
	case r == roleFeatures:
		s.features = c.NumValues()
	case r == roleEdges:
		s.edges = c.NumValues() / 2
	case r == roleTarget:
		s.edges = c.NumValues()
	}
}

// sizes reads the lengths of the values of features and edges. What makes no sense is for the reader to refuse.
func (a *arrowFile) sizes(m message, b binding) (s sizes) {
	unknown := sizes{features: -1, edges: -1}
	err := guard(func() error {
		t, err := a.readMeta(m)
		if err != nil {
			return err
		}
		rb, err := newBatch(m, t)
		if err != nil {
			return err
		}
		s = sizes{features: a.leafLength(rb, b[roleFeatures]), edges: a.leafLength(rb, b[roleTarget])}
		if b[roleEdges] >= 0 {
			s.edges = a.leafLength(rb, b[roleEdges]) / 2
		}
		return nil
	})
	if err != nil {
		return unknown
	}
	return s
}

// leafLength is the number of values below the lists of a column, -1 where it has no lists.
func (a *arrowFile) leafLength(b *batch, place int) int64 {
	if place < 0 || a.cols[place].depth == 0 {
		return -1
	}
	length, _ := b.node(a.before(place, b).node + a.cols[place].depth)
	return length
}
