package readers

import (
	"graphscore/readers/internal/column"
)

// Group is what a footer says of one row group or record batch of a shard.
type Group struct {
	// Number is its number in the file.
	Number int
	// Rows is the number of rows that the shard reads of it.
	Rows int64
	// Bytes is the size of the columns that most models read, as stored, before compression.
	Bytes int64
	// Features and Edges count the values of the features and the edges of its graphs: features are nodes times
	// width. A row without any counts as one. They are -1 where the footer does not say, as with features that
	// are bytes in an Arrow file.
	Features, Edges int64
	// Counted is false where Features is not a count but a guess from the size of binary features.
	Counted bool
}

// Groups returns the groups of the shard, as its footer has them. A group of which a limit leaves rows out has its
// other numbers cut in the same proportion.
func (s *Shard) Groups() []Group {
	var out []Group
	left := s.Rows
	for i := s.FirstGroup; i <= s.LastGroup && i < len(s.File.groups); i++ {
		g := s.File.groups[i]
		out = append(out, firstRows(g, i, min(g.Rows, left)))
		left -= min(g.Rows, left)
	}
	return out
}

// firstRows describes the first rows of a group.
func firstRows(g column.Group, number int, rows int64) Group {
	d := Group{
		Number: number, Rows: rows, Bytes: g.Bytes, Features: plausible(g.Sizes.Features), Edges: plausible(g.Sizes.Edges),
	}
	d.Counted = d.Features >= 0 && !g.Sizes.Guessed
	if rows == g.Rows {
		return d
	}
	part := float64(rows) / float64(g.Rows)
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

// Sample returns a shard of the first rows of some of the groups of s, for a look at its contents. It has the
// part of s and must not be committed.
func (s *Shard) Sample(first, last int, rows int64) Shard {
	sample := Shard{File: s.File, Part: s.Part, FirstGroup: first, LastGroup: last, FirstRow: s.FirstRow}
	for i := s.FirstGroup; i < first; i++ {
		sample.FirstRow += s.File.groups[i].Rows
	}
	for i := first; i <= last; i++ {
		g := firstRows(s.File.groups[i], i, min(s.File.groups[i].Rows, rows-sample.Rows))
		sample.Rows, sample.Bytes = sample.Rows+g.Rows, sample.Bytes+g.Bytes
	}
	return sample
}
