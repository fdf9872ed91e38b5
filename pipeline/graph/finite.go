package graph

import "fmt"

// FailNonFinite adds to s.Failed the graphs of b with a score, or a value of their embedding, that is NaN or infinite.
// Graphs without nodes have none.
func (s *Scores) FailNonFinite(b *Batch) {
	if nonFinite(s.Values) < 0 && nonFinite(s.Embedding) < 0 {
		return
	}
	known := s.Failed
	var failed []Failure
	for g := range b.Graphs() {
		if len(known) > 0 && known[0].Graph == g {
			failed, known = append(failed, known[0]), known[1:]
			continue
		}
		if message := s.nonFinite(b, g); message != "" {
			failed = append(failed, Failure{Graph: g, Code: NonFiniteScore, Message: message})
		}
	}
	s.Failed = failed
}

// nonFinite names a value of graph g that is not finite, of its scores or else of its embedding: the first one in the order
// of the input; "" where there is none.
func (s *Scores) nonFinite(b *Batch, g int) string {
	if b.GraphNodes(g) == 0 {
		return ""
	}
	if k, where, v := s.firstNonFinite(b, g, s.Values, s.Outputs); k >= 0 {
		return fmt.Sprintf("output %d%s is %v", k, where, v)
	}
	if k, where, v := s.firstNonFinite(b, g, s.Embedding, s.EmbeddingWidth); k >= 0 {
		return fmt.Sprintf("%s[%d]%s is %v", EmbeddingColumn, k, where, v)
	}
	return ""
}

// firstNonFinite returns the column of the first value of graph g that is not finite, where its row is and the value: -1
// for none. All values [rows x width] are in the order of the batch.
func (s *Scores) firstNonFinite(b *Batch, g int, all []float32, width int) (column int, where string, value float32) {
	from, to := b.ScoreRange(s.Level, g)
	values := all[from*width : to*width]
	i := nonFinite(values)
	if i < 0 {
		return -1, "", 0
	}
	row := i / width
	switch s.Level {
	case GraphLevel:
		return i, "", values[i]
	case NodeLevel:
		return i % width, fmt.Sprintf(" of node %d", row), values[i]
	}
	for e := row + 1; e < to-from; e++ {
		if b.EdgeRow(from+e) < b.EdgeRow(from+row) && nonFinite(values[e*width:(e+1)*width]) >= 0 {
			row = e
		}
	}
	column = nonFinite(values[row*width : (row+1)*width])
	return column, fmt.Sprintf(" of edge %d", b.EdgeRow(from+row)), values[row*width+column]
}
