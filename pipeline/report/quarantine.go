package report

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"graphscore/pipeline/graph"
	"graphscore/writers"
	"graphscore/writers/part"
)

// examplesRead is the number of graphs in quarantine that are looked at: a rare code may come late.
const examplesRead = 200_000

// examples finds the first graphs of every code in quarantine.
type examples struct {
	codes   map[string]int64 // graphs by code
	found   map[string][]Example
	missing map[string]bool // codes that want more
	lines   int
	shown   int // of each code
	most    int // graphs that are looked at
}

// examples compares every quarantine file with its part, and reads the graphs in them until every code has its examples.
func (b *builder) examples(ctx context.Context) error {
	return b.find(ctx, &examples{shown: shownExamples, most: examplesRead})
}

// find fills in the quarantine of the report.
func (b *builder) find(ctx context.Context, e *examples) error {
	e.codes, e.found, e.missing = b.output.codes, map[string][]Example{}, map[string]bool{}
	for code := range e.codes {
		e.missing[code] = e.shown > 0
	}
	for _, p := range b.output.parts {
		if err := ctx.Err(); err != nil {
			return err
		}
		fault, err := b.view().QuarantineFault(p.name, p.footer)
		if err != nil {
			return err
		}
		if fault != "" {
			b.torn++
			b.note("The part %s is not whole: %s. The next run makes it anew.", p.name, fault)
			continue
		}
		if p.footer.Quarantined == 0 || e.enough() {
			continue
		}
		err = e.read(ctx, b.view(), p)
		if part.IsPartError(err) {
			b.note("%s", sentence(err))
		} else if err != nil {
			return err
		}
	}
	for _, code := range slices.Sorted(maps.Keys(e.codes)) {
		n := e.codes[code]
		b.report.Quarantine = append(b.report.Quarantine, QuarantineCode{
			Code: code, OfTheMoment: graph.Code(code).OfTheMoment(), Graphs: n, Share: b.share(n),
			Examples: append([]Example{}, e.found[code]...),
		})
	}
	slices.SortStableFunc(b.report.Quarantine, func(x, y QuarantineCode) int { return cmp.Compare(y.Graphs, x.Graphs) })
	return ctx.Err()
}

func (e *examples) enough() bool { return len(e.missing) == 0 || e.lines >= e.most }

// read reads the quarantine of one part.
func (e *examples) read(ctx context.Context, view writers.View, p scoredPart) (err error) {
	q, err := view.Quarantine(p.name, p.footer.Input)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	for !e.enough() && ctx.Err() == nil {
		r, err := q.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		e.add(p, r)
	}
	return ctx.Err()
}

func (e *examples) add(p scoredPart, r graph.Rejection) {
	e.lines++
	code := string(r.Code)
	if !e.missing[code] {
		return
	}
	id := ""
	if r.GraphID != nil {
		id = fmt.Sprint(r.GraphID)
	}
	e.found[code] = append(e.found[code], Example{id, p.footer.Input, r.RowGroup, r.Row, r.Message})
	if n := int64(len(e.found[code])); n == min(int64(e.shown), e.codes[code]) {
		delete(e.missing, code)
	}
}
