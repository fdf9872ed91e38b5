package report

import (
	_ "embed" // the page
	"fmt"
	"html/template"
	"io"

	"graphscore/pipeline/display"

	"github.com/go-analyze/charts"
)

//go:embed dates.html.tmpl
var datesTemplate string

// allDates is Dates under a name that its own list does not have.
type allDates = Dates

// datesPage is what the template gets.
type datesPage struct {
	*allDates
	Style template.CSS
	Plots []datesPlot
}

// datesPlot is a figure with its title.
type datesPlot struct {
	ID, Title, Note string
	Plot            plot
}

// WriteHTML writes the report as one page, as [Report.WriteHTML] does.
func (d *Dates) WriteHTML(w io.Writer) error {
	p := datesPage{allDates: d, Style: template.CSS(pageStyle)}
	for _, c := range []struct {
		id, title, note string
		of              func(*Date) (float64, bool)
		join            func(a, b float64) float64
		format          func(float64) string
	}{
		{"graphs", "Graphs scored", "In the parts that exist.",
			func(d *Date) (float64, bool) { return float64(d.Scored), true }, func(a, b float64) float64 { return a + b }, compact},
		{"quarantine", "Quarantine", "Share of the graphs that were not scored, the largest where dates share a bar.",
			func(d *Date) (float64, bool) { return d.Share, d.Quarantined > 0 }, larger, display.Percent},
		{"throughput", "Throughput", "Graphs a second of the last run, after its start-up; the largest where dates share a bar.",
			func(d *Date) (float64, bool) { return d.PerSecond, d.PerSecond > 0 }, larger, compact},
		{"psi", "Drift", "Stability index (PSI) of the score that is farthest off the output before; above 0.25 is commonly read as a large shift.",
			func(d *Date) (float64, bool) {
				if d.Drift == nil {
					return 0, false
				}
				return d.Drift.PSI, true
			}, larger, compact},
	} {
		drawn, err := d.plot(c.title+" by date", c.of, c.join, c.format)
		if err != nil {
			return err
		}
		if drawn.Wide != "" {
			p.Plots = append(p.Plots, datesPlot{c.id, c.title + " by date", c.note, drawn})
		}
	}
	return writePage(w, p, datesTemplate)
}

func larger(a, b float64) float64 { return max(a, b) }

// plot draws a number of each date; it is empty where no date has one.
func (d *Dates) plot(what string, of func(*Date) (float64, bool), join func(a, b float64) float64, format func(float64) string) (plot, error) {
	any := false
	for i := range d.Dates {
		_, has := of(&d.Dates[i])
		any = any || has
	}
	if !any {
		return plot{}, nil
	}
	return draw(what, func(c canvas, p *charts.Painter) error {
		var values []float64
		var labels []string
		width := (len(d.Dates) + c.bars - 1) / c.bars
		for i := range d.Dates {
			v, _ := of(&d.Dates[i])
			if i%width > 0 {
				values[len(values)-1] = join(values[len(values)-1], v)
				continue
			}
			values, labels = append(values, v), append(labels, d.Dates[i].Date)
		}
		return p.BarChart(barOption(c, values, labels, format))
	})
}

// Distances writes PSI and KS for the page.
func (d Date) Distances() string {
	psi, ks := d.distances()
	if d.Drift == nil {
		return psi
	}
	return fmt.Sprintf("%s / %s", psi, ks)
}

// Attention is the dates that are not done.
func (d *Dates) Attention() (list []Date) {
	for _, date := range d.Dates {
		if date.State != Done {
			list = append(list, date)
		}
	}
	return list
}
