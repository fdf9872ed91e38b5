package report

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

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
func barPlot(what string, bars []Bar, label func([]Bar) []string) (plot, error) {
	return draw(what, func(c canvas, p *charts.Painter) error {
		var values []float64
		shown := fold(bars, c.bars)
		for _, b := range shown {
			values = append(values, float64(b.Count))
		}
		return p.BarChart(barOption(c, values, label(shown), compact))
	})
}

func barOption(c canvas, values []float64, labels []string, format func(float64) string) charts.BarChartOption {
	o := charts.NewBarChartOptionWithData([][]float64{values})
	o.Theme, o.ValueFormatter = theme(), format
	o.Padding = charts.Box{Top: 10, Right: 12, Bottom: 4, Left: 4, IsSet: true}
	o.Legend.Show = charts.Ptr(false)
	o.BarSize = 0.95
	o.CategoryAxis.Labels, o.CategoryAxis.LabelCount = thin(labels, c), len(labels)
	o.CategoryAxis.LabelFontStyle = font()
	valueAxis(&o.ValueAxis[0], values, format)
	return o
}

// thin keeps as many labels as do not run into each other, or over the edge.
func thin(labels []string, c canvas) []string {
	const letter, gap, axis, right = 9.2, 10, 60, 8 // pixels, of a wide font
	width := func(label string) float64 { return letter * float64(utf8.RuneCountInString(label)) }
	longest := 1.0
	for _, l := range labels {
		longest = max(longest, width(l))
	}
	room := float64(c.width - axis)
	n := max(min(c.labels, int(room/(longest+gap))), 1)
	step := max((len(labels)+n-1)/n, 1)
	list := make([]string, len(labels))
	for i := 0; i < len(labels); i += step {
		band := room / float64(len(labels)) // a label that is wider than its bar begins with it
		if end := band*float64(i) + max(band, width(labels[i])); i == 0 || end <= room+right {
			list[i] = labels[i]
		}
	}
	return list
}

// valueAxis has round numbers from 0 to what is not below the largest value; whole numbers where the values are.
func valueAxis(a *charts.ValueAxisOption, values []float64, format func(float64) string) {
	const steps = 4
	most, whole := 0.0, true
	for _, v := range values {
		most, whole = max(most, v), whole && v == math.Trunc(v)
	}
	if most == 0 {
		most = 1
	}
	step := round(most / steps)
	if whole {
		step = max(step, 1)
	}
	n := math.Ceil(most / step)
	a.Min, a.Max, a.LabelCount = charts.Ptr(0.0), charts.Ptr(n*step), int(n)+1
	a.LabelFontStyle, a.ValueFormatter = font(), format
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
			return p.BarChart(barOption(c, values, labels, compact))
		}
		o := charts.NewLineChartOptionWithData([][]float64{values})
		o.Theme, o.ValueFormatter = theme(), compact
		o.Padding = charts.Box{Top: 10, Right: 12, Bottom: 4, Left: 4, IsSet: true}
		o.Legend.Show = charts.Ptr(false)
		o.Symbol.Shape, o.LineStrokeWidth = charts.SymbolNone, 2
		o.FillArea, o.FillOpacity = charts.Ptr(true), areaOpacity
		o.XAxis.Labels, o.XAxis.LabelCount, o.XAxis.LabelFontStyle = thin(labels, c), len(labels), font()
		o.XAxis.BoundaryGap = charts.Ptr(false)
		valueAxis(&o.YAxis[0], values, compact)
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
		valueAxis(&o.ValueAxis[0], values, compact)
		o.ValueAxis[0].Show, o.ValueAxis[0].SplitLineShow = charts.Ptr(false), charts.Ptr(false) // the bars have labels
		o.ValueAxis[0].Max = charts.Ptr((1 + 110/float64(c.width-120)) * most)                   // room for the longest label
		o.SeriesList[0].Label = charts.SeriesLabel{
			Show: charts.Ptr(true), FontStyle: font(), ValueFormatter: display.Duration,
		}
		return p.BarChart(o)
	})
}
