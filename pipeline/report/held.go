package report

import (
	"context"
	"io"
	"math"
	"slices"

	"graphscore/pipeline/display"
)

// Held is what is in quarantine in an output.
type Held struct {
	Output string `json:"output"`
	// Graphs are in quarantine, Of how many there are in the parts that were looked at.
	Graphs int64 `json:"graphs"`
	Of     int64 `json:"of"`
	// Codes are the reasons, the most frequent first.
	Codes []QuarantineCode `json:"codes"`
	// Exported is how many were written to a file of their own.
	Exported int64 `json:"exported"`
	// Notes say what could not be read.
	Notes []string `json:"notes"`

	some bool // others were left out
}

// HeldConfig says what to list. Path must be set.
type HeldConfig struct {
	// Path is an output folder.
	Path string
	// Code and Input leave out all graphs but those with a reason, and those of an input by its path under the root.
	Code, Input string
	// Examples is the number of graphs that are named for each reason.
	Examples int
}

// ListHeld lists the quarantine of an output by reason: counts from the footers, examples from the quarantine files.
// It takes no lock and changes nothing. Errors are those of [Build].
func ListHeld(ctx context.Context, cfg HeldConfig) (*Held, error) {
	b := &builder{cfg: Config{Path: cfg.Path}, report: newReport()}
	if err := b.locate(ctx); err != nil {
		return nil, err
	}
	b.output.keep(cfg)
	b.report.Planned = 0 // shares are of the graphs that are looked at
	if err := b.find(ctx, &examples{shown: cfg.Examples, most: math.MaxInt}); err != nil {
		return nil, err
	}
	h := &Held{Output: b.dir, Of: b.output.totals.Graphs, Codes: b.report.Quarantine, Notes: b.report.Notes, some: cfg.Code != "" || cfg.Input != ""}
	for _, c := range h.Codes {
		h.Graphs += c.Graphs
	}
	return h, nil
}

// keep leaves out what is not listed.
func (o *output) keep(cfg HeldConfig) {
	o.codes, o.totals.Graphs = map[string]int64{}, 0
	o.parts = slices.DeleteFunc(o.parts, func(p scoredPart) bool { return cfg.Input != "" && cfg.Input != p.footer.Input })
	for _, p := range o.parts {
		o.totals.Graphs += p.footer.RowsIn
		for code, n := range p.footer.Codes {
			if cfg.Code == "" || cfg.Code == code {
				o.codes[code] += n
			}
		}
	}
}

// WriteText writes the list as lines of at most 80 columns.
func (h *Held) WriteText(w io.Writer) error {
	t := &textPage{}
	t.words(0, h.Output)
	switch {
	case h.Graphs == 0 && h.some:
		t.line(2, "no such graph is in quarantine")
	case h.Graphs == 0:
		t.line(2, "no graph is in quarantine")
	default:
		t.line(2, "%s of %s in quarantine", comma(h.Graphs), display.Plural(h.Of, "graph"))
	}
	t.quarantine(&Report{Quarantine: h.Codes})
	if slices.ContainsFunc(h.Codes, func(c QuarantineCode) bool { return c.OfTheMoment }) {
		t.b.WriteString("\n")
		t.words(0, "Reasons of the moment: run --retry-quarantined scores such graphs again, and a plain run does once a version, machine or limit differs.")
	}
	if len(h.Notes) > 0 {
		t.b.WriteString("\n")
	}
	for _, note := range h.Notes {
		t.words(0, "! "+note)
	}
	_, err := io.WriteString(w, t.b.String())
	return err
}
