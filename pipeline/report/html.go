package report

import (
	"bytes"
	_ "embed" // the page and its style
	"fmt"
	"html/template"
	"io"
	"strings"

	"graphscore/pipeline/display"
)

//go:embed page.html.tmpl
var pageTemplate string

//go:embed page.css
var pageStyle string

// page is what the template gets.
type page struct {
	*Report
	Style template.CSS
	Speed plot
	// Scoring is the time that the throughput covers, in seconds.
	Scoring float64
	Time    plot
	Size    plot
	Pages   []scorePage
}

type scorePage struct {
	Scores
	Plot plot
}

// curveSpans is the least number of spans that make a curve.
const curveSpans = 3

// WriteHTML writes the report as one page that needs nothing else: no network, no script. Everything that comes
// from data is escaped.
func (r *Report) WriteHTML(w io.Writer) error {
	p, err := r.page()
	if err != nil {
		return fmt.Errorf("writing the page of a report: %w", err)
	}
	return writePage(w, p, "")
}

// writePage writes the page of a report, or another template that uses its parts.
func writePage(w io.Writer, content any, other string) error {
	t, err := template.New("page").Funcs(template.FuncMap{
		"comma": comma, "plural": display.Plural, "percent": display.Percent, "short4": short4, "seconds": display.Duration, "size": display.Bytes[int64],
		"amount": amount, "difference": difference, "values": quantileTexts, "both": bothTexts, "orName": orName, "orNone": orNone, "printable": printable,
		"count": func(n int) string { return comma(int64(n)) },
		"title": func(word string) string { return strings.ToUpper(word[:1]) + word[1:] },
		"whole": func(v float64) int64 { return int64(v) },
		"sub":   func(a, b int) int { return a - b },
		"width": func(share float64) template.CSS { return template.CSS(fmt.Sprintf("width:%.2f%%", 100*share)) },
	}).Parse(pageTemplate)
	if err == nil && other != "" {
		t, err = t.New("other").Parse(other)
	}
	if err != nil {
		return fmt.Errorf("reading the page of a report: %w", err)
	}
	var b bytes.Buffer // a page that cannot be made is not half written
	if err := t.Execute(&b, content); err != nil {
		return fmt.Errorf("writing the page of a report: %w", err)
	}
	_, err = io.WriteString(w, display.Harmless(b.String())) // a page is looked at in a terminal, too
	return err
}

// page draws the plots.
func (r *Report) page() (*page, error) {
	p := &page{Report: r, Style: template.CSS(pageStyle)}
	if n := len(r.Throughput); n > 0 {
		p.Scoring = r.Throughput[n-1].To - r.Throughput[0].From
	}
	var err error
	if len(r.Throughput) >= curveSpans {
		if p.Speed, err = speedPlot(r.Throughput); err != nil {
			return nil, err
		}
	}
	if len(r.Stages) > 0 {
		if p.Time, err = stagePlot(r.Stages); err != nil {
			return nil, err
		}
	}
	if r.Sizes != nil {
		if p.Size, err = barPlot("graphs by their number of "+r.Unit()+"s", r.Sizes.Bars, sizeRanges); err != nil {
			return nil, err
		}
	}
	for _, s := range r.Scores {
		drawn, err := barPlot(r.Unit()+"s by their score "+s.Output, s.Bars, lowerEnds)
		if err != nil {
			return nil, err
		}
		p.Pages = append(p.Pages, scorePage{s, drawn})
	}
	return p, nil
}
