package report

import (
	"fmt"
	"html/template"
	"slices"
	"strings"

	"graphscore/pipeline/display"

	"github.com/go-analyze/charts"
)

// plot is a figure in two sizes: text in SVG shrinks with the picture, so a phone gets one of its own.
type plot struct{ Wide, Narrow template.HTML }

// canvas is a size in which a figure is drawn.
type canvas struct {
	width, height int
	labels        int // on the axis of categories
	bars          int // at most
}

var (
	wide   = canvas{width: 760, height: 240, labels: 10, bars: 60}
	narrow = canvas{width: 340, height: 200, labels: 4, bars: 16}
)

// draw makes both sizes. what says in words what the figure shows.
func draw(what string, chart func(canvas, *charts.Painter) error) (plot, error) {
	var p plot
	for _, c := range []struct {
		canvas canvas
		to     *template.HTML
	}{{wide, &p.Wide}, {narrow, &p.Narrow}} {
		painter := charts.NewPainter(charts.PainterOptions{
			OutputFormat: "svg", Width: c.canvas.width, Height: c.canvas.height, Theme: theme(),
		})
		if err := chart(c.canvas, painter); err != nil {
			return plot{}, fmt.Errorf("drawing %s: %w", what, err)
		}
		svg, err := painter.Bytes()
		if err != nil {
			return plot{}, fmt.Errorf("drawing %s: %w", what, err)
		}
		*c.to = themed(string(svg), what)
	}
	return p, nil
}

// The colours of a drawing are placeholders for those of the page, which change between light and dark.
var colours = []struct {
	drawn charts.Color
	css   string
}{
	{charts.Color{R: 1, G: 2, B: 3, A: 255}, "var(--muted)"},
	{charts.Color{R: 4, G: 5, B: 6, A: 255}, "var(--grid)"},
	{charts.Color{R: 7, G: 8, B: 9, A: 255}, "var(--accent)"},
}

// areaOpacity marks the area under a line, which has a colour of its own.
const areaOpacity = 40

func theme() charts.ColorPalette {
	return charts.MakeTheme(charts.ThemeOption{
		TextColor: colours[0].drawn, AxisStrokeColor: colours[1].drawn, AxisSplitLineColor: colours[1].drawn,
		SeriesColors: []charts.Color{colours[2].drawn}, BackgroundColor: charts.ColorTransparent,
	})
}

// themed puts the colours and the font of the page into a drawing, and describes it to screen readers.
func themed(svg, what string) template.HTML {
	pairs := []string{
		";font-family:'Roboto Medium',sans-serif", "",
		fmt.Sprintf("rgba(7,8,9,%.3f)", areaOpacity/255.0), "var(--soft)",
	}
	for _, c := range colours {
		pairs = append(pairs, fmt.Sprintf("rgb(%d,%d,%d)", c.drawn.R, c.drawn.G, c.drawn.B), c.css)
	}
	svg = strings.NewReplacer(pairs...).Replace(svg)
	label := template.HTMLEscapeString(what)
	svg = strings.Replace(svg, "<svg ", `<svg role="img" aria-label="`+label+`" `, 1)
	return template.HTML(svg) // of the library, which escapes its texts; the label is escaped above
}

func font() charts.FontStyle { return charts.FontStyle{FontSize: 12, FontColor: colours[0].drawn} }

// barPlot draws counts side by side.
func barPlot(what string, bars []Bar, label func(Bar) string) (plot, error) {
	return draw(what, func(c canvas, p *charts.Painter) error {
		var values []float64
		var labels []string
		for _, b := range fold(bars, c.bars) {
			values, labels = append(values, float64(b.Count)), append(labels, label(b))
		}
		return p.BarChart(barOption(c, values, labels))
	})
}

func barOption(c canvas, values []float64, labels []string) charts.BarChartOption {
	o := charts.NewBarChartOptionWithData([][]float64{values})
	o.Theme, o.ValueFormatter = theme(), compact
	o.Padding = charts.Box{Top: 10, Right: 12, Bottom: 4, Left: 4, IsSet: true}
	o.Legend.Show = charts.Ptr(false)
	o.BarSize = 0.95
	o.CategoryAxis.Labels, o.CategoryAxis.LabelCount = thin(labels, c.labels), len(labels)
	o.CategoryAxis.LabelFontStyle = font()
	valueAxis(&o.ValueAxis[0])
	return o
}

// thin keeps about n labels, so that they do not run into each other.
func thin(labels []string, n int) []string {
	step := max((len(labels)+n-1)/n, 1)
	list := make([]string, len(labels))
	for i := 0; i < len(labels) && (i == 0 || i+step/2 < len(labels)); i += step {
		list[i] = labels[i]
	}
	return list
}

func valueAxis(a *charts.ValueAxisOption) {
	a.Min, a.LabelCount, a.LabelFontStyle, a.ValueFormatter = charts.Ptr(0.0), 5, font(), compact
}

// speedPlot draws graphs a second over the time of the run.
func speedPlot(rates []Rate) (plot, error) {
	return draw("graphs a second over the time of the run", func(c canvas, p *charts.Painter) error {
		var values []float64
		var labels []string
		for _, r := range buckets(rates, c.bars) {
			values, labels = append(values, r.PerSecond), append(labels, clock(r.From))
		}
		if len(values) < 8 {
			return p.BarChart(barOption(c, values, labels))
		}
		o := charts.NewLineChartOptionWithData([][]float64{values})
		o.Theme, o.ValueFormatter = theme(), compact
		o.Padding = charts.Box{Top: 10, Right: 12, Bottom: 4, Left: 4, IsSet: true}
		o.Legend.Show = charts.Ptr(false)
		o.Symbol.Shape, o.LineStrokeWidth = charts.SymbolNone, 2
		o.FillArea, o.FillOpacity = charts.Ptr(true), areaOpacity
		o.XAxis.Labels, o.XAxis.LabelCount, o.XAxis.LabelFontStyle = thin(labels, c.labels), len(labels), font()
		o.XAxis.BoundaryGap = charts.Ptr(false)
		valueAxis(&o.YAxis[0])
		return p.LineChart(o)
	})
}

// stagePlot draws the time of each stage.
func stagePlot(list []Stage) (plot, error) {
	return draw("time by stage", func(c canvas, p *charts.Painter) error {
		var values []float64
		var labels []string
		var most float64
		for _, s := range slices.Backward(list) { // the first one is drawn at the bottom
			values, labels, most = append(values, s.Seconds), append(labels, s.Name), max(most, s.Seconds)
		}
		o := charts.NewBarChartOptionWithData([][]float64{values})
		o.Horizontal, o.Theme = true, theme()
		o.Padding = charts.Box{Top: 4, Right: 24, Bottom: 4, Left: 4, IsSet: true}
		o.Legend.Show = charts.Ptr(false)
		o.CategoryAxis.Labels, o.CategoryAxis.LabelFontStyle = labels, font()
		valueAxis(&o.ValueAxis[0])
		o.ValueAxis[0].Show, o.ValueAxis[0].SplitLineShow = charts.Ptr(false), charts.Ptr(false) // the bars have labels
		o.ValueAxis[0].Max = charts.Ptr((1 + 110/float64(c.width-120)) * most)                   // room for the longest label
		o.SeriesList[0].Label = charts.SeriesLabel{
			Show: charts.Ptr(true), FontStyle: font(), ValueFormatter: display.Duration,
		}
		return p.BarChart(o)
	})
}
