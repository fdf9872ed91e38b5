package verify

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"unicode/utf8"

	"graphscore/pipeline"
	"graphscore/pipeline/graph"
	"graphscore/writers/part"
)

func wrongf(format string, args ...any) error { return &wrong{fmt.Sprintf(format, args...)} }

// equalID compares an id of a part with one of the input, which may be an integer where the part has texts.
func equalID(part *graph.IDs, i int, input *graph.IDs, j int) bool {
	if part.Kind == graph.Int64 {
		return input.Kind == graph.Int64 && part.Ints[i] == input.Ints[j]
	}
	if input.Kind == graph.Int64 {
		return string(part.At(i)) == strconv.FormatInt(input.Ints[j], 10)
	}
	want := input.At(j)
	if !utf8.Valid(want) {
		want = bytes.ToValidUTF8(want, []byte("\uFFFD")) // as parts have it
	}
	return bytes.Equal(part.At(i), want)
}

func isNumber(id []byte, number int) bool { return string(id) == strconv.Itoa(number) }

// quarantine reads the quarantine file of a part along with its input.
type quarantine struct {
	reader *part.QuarantineReader
	head   *graph.Rejection // read, but its row has not come
	ended  bool
	lines  int64
	codes  map[string]int64
}

// peek returns the next graph in quarantine, nil at the end.
func (q *quarantine) peek() (*graph.Rejection, error) {
	if q.head != nil || q.ended {
		return q.head, nil
	}
	r, err := q.reader.Next()
	if err == io.EOF {
		q.ended = true
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	q.lines++
	q.codes[string(r.Code)]++
	q.head = &r
	return q.head, nil
}

// drain reads what is left.
func (q *quarantine) drain() error {
	for {
		r, err := q.peek()
		if r == nil || err != nil {
			return err
		}
		q.head = nil
	}
}

// late are the codes of graphs in which a reader finds nothing wrong.
var late = []graph.Code{
	graph.TooLarge, graph.NonFiniteScore, graph.Refused,
	graph.CategoryOutOfRange, // of a table of the model: the reader knows only what no table can have
	graph.ScorerFailed, graph.ScorerCrashed, graph.OutOfMemory, graph.DeadlineExceeded,
}

// compare reads a part along with its input: every graph is in one of part and quarantine, in order.
func (v *verifier) compare(ctx context.Context, source pipeline.Source, c *cursor, q *quarantine) error {
	for {
		b, err := source.Next(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		rejected := b.Rejected
		for g := range b.Graphs() {
			for len(rejected) > 0 && rejected[0].Row < b.Rows[g] {
				if err := c.rejected(q, &rejected[0]); err != nil {
					return err
				}
				rejected = rejected[1:]
			}
			if err := v.graph(ctx, c, q, b, g); err != nil {
				return err
			}
		}
		for i := range rejected {
			if err := c.rejected(q, &rejected[i]); err != nil {
				return err
			}
		}
	}
	if r, err := q.peek(); r != nil || err != nil {
		if err == nil {
			err = wrongf("its quarantine file has row %d, which the input does not have", r.Row)
		}
		return err
	}
	switch err := c.load(); err {
	case io.EOF:
		return v.rescore(ctx, c.part)
	case nil:
		return wrongf("it has rows from %d on that the input does not have", c.rows)
	default:
		return err
	}
}

// rejected wants a graph that the reader rejects to be next in quarantine, for the same reason, or one that an older
// version scored: see [rounded].
func (c *cursor) rejected(q *quarantine, want *graph.Rejection) error {
	r, err := q.peek()
	if err != nil {
		return err
	}
	if want.Code == graph.CategoryOutOfRange && (r == nil || r.Row > want.Row) {
		if scored, err := c.pass(want); scored || err != nil {
			return err
		}
	}
	return q.expect(want)
}

// expect wants a graph that the reader rejects to be next in quarantine, for the same reason.
func (q *quarantine) expect(want *graph.Rejection) error {
	r, err := q.peek()
	switch {
	case err != nil:
		return err
	case r == nil || r.Row != want.Row:
		return wrongf("row %d of the input (graph %v) cannot be scored (%s), but is not in quarantine", want.Row, want.GraphID, want.Code)
	case r.Code != want.Code:
		return wrongf("row %d of the input (graph %v) is in quarantine for %s, but should be for %s", want.Row, want.GraphID, r.Code, want.Code)
	}
	q.head = nil
	return nil
}

// graph requires a graph of the reader to be in the part, or in quarantine for what only scoring finds.
func (v *verifier) graph(ctx context.Context, c *cursor, q *quarantine, b *graph.Batch, g int) error {
	r, err := q.peek()
	if err != nil {
		return err
	}
	if r != nil && r.Row < b.Rows[g] {
		return wrongf("its quarantine file has row %d, which the input does not have", r.Row)
	}
	if r != nil && r.Row == b.Rows[g] {
		if !slices.Contains(late, r.Code) {
			return wrongf("row %d of the input (graph %v) is in quarantine for %s, but nothing is wrong with it", r.Row, r.GraphID, r.Code)
		}
		q.head = nil
		return nil
	}
	if v.cfg.Scoring == nil || !drawn(c.part.Footer().Input, b.Rows[g], v.cfg.Scoring.Share) {
		return c.expect(b, g, nil)
	}
	if err := c.expect(b, g, &v.sample.scores); err != nil {
		return err
	}
	v.sample.add(b, g)
	if v.sample.batch.Bytes() < v.cfg.Scoring.RequestBytes {
		return nil
	}
	return v.rescore(ctx, c.part)
}
