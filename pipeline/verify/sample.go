package verify

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"math"

	"graphscore/pipeline/graph"
	"graphscore/writers/part"
	"graphscore/writers/record"
)

// drawn reports whether a graph is in the sample. It depends on the place of the graph alone.
func drawn(input string, row int64, share float64) bool {
	h := fnv.New64a()
	_, _ = io.WriteString(h, input) // a hash takes everything
	_, _ = h.Write(binary.LittleEndian.AppendUint64(nil, uint64(row)))
	x := h.Sum64()
	x ^= x >> 33 // FNV alone spreads neighbours badly over the upper bits
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return float64(x) < share*math.MaxUint64
}

// sample is a batch of drawn graphs, and the scores that their part has, each row with its embedding, in the order of its
// rows.
type sample struct {
	batch  *graph.Batch
	scores []float32
}

func (s *sample) reset() { s.batch, s.scores = nil, s.scores[:0] }

// add copies graph g of a batch.
func (s *sample) add(b *graph.Batch, g int) {
	if s.batch == nil {
		s.batch = new(graph.Batch)
	}
	s.batch.Append(b.Slice(g, g+1))
}

// rescore scores the sample so far, if there is one, and compares.
func (v *verifier) rescore(ctx context.Context, p *part.Reader) error {
	b := v.sample.batch
	if b == nil {
		return nil
	}
	defer v.sample.reset()
	l, model := p.Footer(), &v.cfg.Scoring.Model
	if l.Model != model.Digest {
		return wrongf("it was scored by the model %s, not by %s", l.Model, model.Digest)
	}
	exact := sameScoring(v.scored[l.Part], *model)
	got := &graph.Scores{}
	if b.Nodes() > 0 {
		var err error
		if got, err = v.cfg.Scoring.Scorer.Score(ctx, b); err != nil {
			return &scorerError{err}
		}
	}
	v.report.Sampled += int64(b.Graphs())
	if exact {
		v.report.SampledExactly += int64(b.Graphs())
	}
	for _, f := range got.Failed {
		return wrongf("graph %v (row %d of the input) has scores, but scored again it fails: %s: %s", b.IDs.Value(f.Graph), b.Rows[f.Graph], f.Code, f.Message)
	}
	if b.Nodes() > 0 && got.Level != p.Level() {
		return wrongf("its scores are those of %ss, scored again those of %ss", p.Level(), got.Level)
	}
	if l.Settings.Embed != v.cfg.Scoring.Embed {
		return wrongf("its embedding is that of step %q, scored again it is that of %q: end the run that redoes such parts first", l.Settings.Embed, v.cfg.Scoring.Embed)
	}
	again, err := written(b, got)
	if err != nil {
		return err
	}
	if len(again) != len(v.sample.scores) {
		return wrongf("scored again its sample has %d values, not %d", len(again), len(v.sample.scores))
	}
	return differences(b, p, v.sample.scores, again, exact)
}

// written returns scores in the order of the rows of a part, each row with its embedding.
func written(b *graph.Batch, s *graph.Scores) ([]float32, error) {
	rows := b.ScoreRows(s.Level)
	if s.Level == graph.NodeLevel && s.EmbeddingWidth == 0 || len(s.Values) != rows*s.Outputs || len(s.Embedding) != rows*s.EmbeddingWidth {
		return s.Values, nil
	}
	values := make([]float32, 0, len(s.Values)+len(s.Embedding))
	row := func(i int) {
		values = append(values, s.Values[i*s.Outputs:(i+1)*s.Outputs]...)
		values = append(values, s.Embedding[i*s.EmbeddingWidth:(i+1)*s.EmbeddingWidth]...)
	}
	var order graph.EdgeOrder
	for g := range b.Graphs() {
		rows := b.WrittenRows(s.Level, g)
		if s.Level != graph.EdgeLevel {
			from, _ := b.ScoreRange(s.Level, g)
			for i := range rows {
				row(from + i)
			}
			continue
		}
		for from := 0; from < rows; {
			edges, err := order.Window(b, g, from)
			if err != nil {
				return nil, err
			}
			for _, e := range edges {
				row(int(e.At))
			}
			from += len(edges)
		}
	}
	return values, nil
}

// sameScoring reports whether a part was scored by what scores now, so that its bits must be the same.
func sameScoring(was, is record.Model) bool {
	return was.Digest != "" && was.Digest == is.Digest && was.Engine == is.Engine && was.BLAS == is.BLAS && maps.Equal(was.Versions, is.Versions)
}

// differences compares the values of rows of a part, scores and embedding, with those that the same graphs get now.
func differences(b *graph.Batch, p *part.Reader, was, is []float32, exact bool) error {
	wrongs, first := 0, -1
	for i := range was {
		if agree(was[i], is[i], exact) {
			continue
		}
		if wrongs++; first < 0 {
			first = i
		}
	}
	if wrongs == 0 {
		return nil
	}
	level, outputs, width := p.Level(), len(p.Outputs()), p.Footer().EmbeddingWidth
	row, column, g := first/(outputs+width), first%(outputs+width), 0
	for row >= b.WrittenRows(level, g) {
		row -= b.WrittenRows(level, g)
		g++
	}
	where := fmt.Sprintf("graph %v", b.IDs.Value(g))
	if level != graph.GraphLevel {
		where = fmt.Sprintf("%s %d of %s", level, row, where)
	}
	what := "scores"
	if width > 0 {
		what = "scores and values of the embedding"
	}
	if column >= outputs {
		where = fmt.Sprintf("%s[%d] of %s", graph.EmbeddingColumn, column-outputs, where)
	}
	how := "by more than 1e-5"
	if exact {
		how = "though kernel and versions are those of its run"
	}
	return wrongf("scored again, %d of %d %s of a sample differ, %s: the first is %s (row %d of the input), %v, was %v",
		wrongs, len(was), what, how, where, b.Rows[g], is[first], was[first])
}

func agree(was, is float32, exact bool) bool {
	if exact {
		return math.Float32bits(was) == math.Float32bits(is)
	}
	a, b := float64(is), float64(was)
	return math.Abs(a-b) <= 1e-5*max(1, math.Abs(b))
}
