package report

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"graphscore/pipeline/display"
	"graphscore/pipeline/graph"
	"graphscore/writers"
	"graphscore/writers/part"
)

// output is what the footers of an output's parts say.
type output struct {
	view   writers.View
	parts  []scoredPart
	level  string // of all parts, "" where they differ
	totals Totals
	codes  map[string]int64
	// models and settings count the parts by digest.
	models, settings map[string]int64
	// embeds counts the parts with values of a step by its name.
	embeds     map[string]int64
	unreadable int
}

type scoredPart struct {
	name   string
	footer *part.Footer
}

// openOutput reads the footer of every part. Files that are no parts are noted.
func openOutput(ctx context.Context, view writers.View, note func(string, ...any)) (*output, error) {
	o := &output{view: view, codes: map[string]int64{}, models: map[string]int64{}, settings: map[string]int64{}, embeds: map[string]int64{}}
	inventory, err := view.List(ctx)
	if err != nil {
		return nil, err
	}
	if n := len(inventory.Outputs); n > 0 && !inventory.Lock && inventory.Records == 0 {
		return nil, &NotOutputError{view.Dir(), fmt.Sprintf("it holds %s of their own: name one, as %q",
			display.Plural(int64(n), "output"), view.Path(inventory.Outputs[0]))}
	}
	for _, name := range inventory.Parts {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		l, err := view.Footer(name)
		switch {
		case part.IsPartError(err):
			o.unreadable++
			note("%s", sentence(err))
		case errors.Is(err, fs.ErrNotExist):
			note("The part %s was removed while this report was made.", name)
		case err != nil:
			return nil, err
		default:
			if err := o.add(name, l); err != nil {
				return nil, err
			}
		}
	}
	o.totals.Unreadable = int64(o.unreadable)
	return o, nil
}

func (o *output) add(name string, l *part.Footer) error {
	size, err := o.view.Size(name)
	if err != nil {
		return err
	}
	o.parts = append(o.parts, scoredPart{name, l})
	t := &o.totals
	if level := l.Level().String(); t.Parts == 0 {
		o.level = level
	} else if o.level != level {
		o.level = ""
	}
	t.Parts++
	t.Bytes += size
	t.Graphs += l.RowsIn
	t.Scored += l.Scored
	t.Quarantined += l.Quarantined
	t.Nodes += l.Nodes
	t.Rows += l.RowsOut
	for code, n := range l.Codes {
		o.codes[code] += n
	}
	o.models[l.Model]++
	o.settings[l.SettingsDigest]++
	if step := l.Settings.Embed; step != "" {
		o.embeds[step]++
	}
	return nil
}

// stream reads the rows of every part. A part that is broken is noted once, and what was seen of it counts.
func (o *output) stream(ctx context.Context, note func(string, ...any), see func([]string, *part.Block), end func()) error {
	for _, p := range o.parts {
		err := o.rows(ctx, p, see)
		switch {
		case part.IsPartError(err):
			note("%s", sentence(err))
		case errors.Is(err, fs.ErrNotExist):
			note("The part %s was removed while this report was made.", p.name)
		case err != nil:
			return err
		}
		end()
	}
	return nil
}

func (o *output) rows(ctx context.Context, p scoredPart, see func([]string, *part.Block)) (err error) {
	r, err := o.view.OpenPart(p.name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		block, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		see(r.Outputs(), block)
	}
}

// measure reads all parts twice, for sizes and scores, and those of the previous output; more often where there are many
// outputs of the model.
func (b *builder) measure(ctx context.Context) error {
	var sizes sizes
	names, err := b.group(ctx, nil, b.note, &sizes)
	if err != nil {
		return err
	}
	if b.report.Level = b.output.level; b.report.Level != graph.GraphLevel.String() {
		b.report.Sizes = sizes.summary(b.output.totals.Scored)
	}
	b.report.OutputCount = len(names)
	if n := len(names); n > ShownOutputs {
		b.note("Of %d outputs of the model, only the first %d are shown.", n, ShownOutputs)
		names = names[:ShownOutputs]
	}
	for len(names) > atOnce {
		names = names[atOnce:]
		if _, err := b.group(ctx, names[:min(atOnce, len(names))], silent, nil); err != nil {
			return err
		}
	}
	return nil
}

// group measures some outputs, nil for the first, and returns the names of all.
func (b *builder) group(ctx context.Context, only []string, note func(string, ...any), sizes *sizes) ([]string, error) {
	now, err := distributions(ctx, b.output, only, note, sizes)
	if err != nil {
		return nil, err
	}
	b.report.Scores = append(b.report.Scores, now.summaries()...)
	if b.previous == nil || b.otherLevel() {
		return now.names, nil
	}
	notePrevious := b.notePrevious
	if only != nil {
		notePrevious = silent
	}
	shown := []string{} // not nil: an output without scores is compared with nothing
	for _, c := range now.columns {
		shown = append(shown, c.name)
	}
	before, err := distributions(ctx, b.previous, shown, notePrevious, nil)
	if err != nil {
		return nil, err
	}
	drift, err := compare(before, now, func(side int, see func([]string, *part.Block)) error {
		o := [2]*output{b.previous, b.output}[side]
		return o.stream(ctx, silent, see, func() {})
	})
	b.report.ScoreDrift = append(b.report.ScoreDrift, drift...)
	return now.names, err
}

// otherLevel reports whether the scores of the previous output belong to something else.
func (b *builder) otherLevel() bool {
	return b.previous.level != b.output.level && b.output.totals.Parts > 0
}

// silent notes nothing: an earlier reading has.
func silent(string, ...any) {}

// distributions reads an output twice.
func distributions(ctx context.Context, o *output, only []string, note func(string, ...any), sizes *sizes) (*scoreSet, error) {
	set := &scoreSet{only: only}
	end := func() {}
	see := set.count
	if sizes != nil {
		end = sizes.end
		see = func(names []string, block *part.Block) {
			set.count(names, block)
			sizes.block(block)
		}
	}
	if err := o.stream(ctx, note, see, end); err != nil {
		return nil, err
	}
	set.locate()
	return set, o.stream(ctx, silent, set.refine, func() {})
}
