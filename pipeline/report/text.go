package report

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"

	"graphscore/pipeline/display"
)

// WriteText writes the report for a terminal: no line is wider than 80 columns, and nothing that comes from data can
// move the cursor.
func (r *Report) WriteText(w io.Writer) error {
	t := &textPage{}
	t.head(r)
	t.outcome(r)
	t.gates(r)
	t.speed(r)
	t.distributions(r)
	t.drift(r)
	t.quarantine(r)
	t.provenance(r)
	_, err := io.WriteString(w, t.b.String())
	return err
}

// textPage gathers the lines.
type textPage struct{ b strings.Builder }

// line writes one line, and where it is too long as many as it needs: nothing is left out.
func (t *textPage) line(indent int, format string, args ...any) {
	text := printable(fmt.Sprintf(format, args...))
	if indent+utf8.RuneCountInString(text) <= display.Width {
		t.b.WriteString(strings.TrimRight(strings.Repeat(" ", indent)+text, " ") + "\n")
		return
	}
	t.words(indent, text)
}

// words writes a text over as many lines as it needs. A word that is wider than a line is broken.
func (t *textPage) words(indent int, text string) {
	for _, line := range display.Lines(printable(text), indent, indent) {
		for runes := range slices.Chunk([]rune(line), display.Width-indent) {
			t.b.WriteString(strings.Repeat(" ", indent) + string(runes) + "\n")
		}
	}
}

func (t *textPage) title(format string, args ...any) {
	t.b.WriteString("\n")
	t.line(0, format, args...)
}

// table writes rows in columns; the first is text, the others are numbers. Where it is wider than a line, texts have
// lines of their own, and columns go on below.
func (t *textPage) table(rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i := range row {
			row[i] = printable(row[i])
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i])+2)
		}
	}
	first, sum, fits := widths[0], 0, 0
	own := first > display.Width/2
	if own {
		first = 4
	}
	for fits < len(widths)-1 && (fits == 0 || first+sum+widths[fits+1] <= display.Width) {
		fits++
		sum += widths[fits]
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range rows {
		name := row[0]
		if own {
			name = "  "
		}
		fmt.Fprintf(w, "%s\t\n", strings.Join(append([]string{name}, row[1:fits+1]...), "\t"))
	}
	_ = w.Flush() // into a builder
	i := 0
	for line := range strings.Lines(b.String()) {
		if own && rows[i][0] != "" {
			t.words(2, rows[i][0])
		}
		t.line(0, "%s", strings.TrimSuffix(line, "\n"))
		i++
	}
	if fits == len(widths)-1 {
		return
	}
	var rest [][]string
	for _, row := range rows {
		rest = append(rest, append([]string{row[0]}, row[fits+1:]...))
	}
	t.table(rest)
}

func (t *textPage) head(r *Report) {
	t.line(0, "%s: %s", orName(r.Name), r.Output)
	t.words(2, strings.ToUpper(string(r.State))+". "+r.Summary)
	if run := r.Run; run != nil {
		t.line(2, "run %s, %s, exit code %d", run.ID, display.Duration(run.Seconds), run.ExitCode)
		if run.Meaning != "" {
			t.words(2, "exit code "+fmt.Sprint(run.ExitCode)+": "+run.Meaning)
		}
		if run.Error != "" {
			t.words(2, run.Error)
		}
	}
	for _, n := range r.Notes {
		t.words(2, "! "+n)
	}
}

func (t *textPage) outcome(r *Report) {
	of := display.Plural(r.Totals.Graphs, "graph")
	if r.Planned > r.Totals.Graphs {
		of = display.Plural(r.Planned, "planned graph") + ", " + of
	}
	t.title("outcome, of %s in %s (%s)", of, display.Plural(r.Totals.Parts, "part"), display.Bytes(r.Totals.Bytes))
	var rows [][]string
	for _, o := range r.Outcome {
		rows = append(rows, []string{o.Name, comma(o.Graphs), display.Percent(o.Share)})
	}
	if len(rows) > 0 {
		t.table(rows)
	}
	if run := r.Run; run != nil && run.Skipped > 0 {
		t.line(2, "this run scored %s, and found %s done", comma(run.Scored), comma(run.Skipped))
	}
	t.problems("files that could not be read", r.Refused, r.RefusedCount)
	t.problems("shards without a part", r.Failed, r.FailedCount)
	t.problems("parts whose input is gone", r.Orphaned, r.OrphanedCount)
}

func (t *textPage) problems(title string, list []Problem, count int) {
	if count == 0 {
		return
	}
	t.title("%s: %s", title, comma(int64(count)))
	for _, p := range list {
		t.line(2, "%s", p.Name)
		t.words(4, p.Reason)
	}
	if more := count - len(list); more > 0 {
		t.line(2, "and %s more", comma(int64(more)))
	}
}

func (t *textPage) gates(r *Report) {
	if len(r.Gates) == 0 {
		return
	}
	t.title("gates")
	rows := [][]string{{"", "", "value", "limit", "output"}}
	for _, g := range r.Gates {
		rows = append(rows, []string{g.Name, g.Result(), g.Found(), g.Bound(), g.Output})
	}
	t.table(rows)
	for _, g := range r.Gates {
		if g.Message != "" {
			t.words(2, g.Name+": "+g.Message)
		}
	}
}

func (t *textPage) speed(r *Report) {
	if run := r.Run; run != nil && run.PerSecond > 0 {
		t.title("throughput: %s graphs/s after a start-up of %s", comma(int64(run.PerSecond)), display.Duration(run.StartupSeconds))
		spans := buckets(r.Throughput, 10)
		for _, b := range spans {
			t.bar(fmt.Sprintf("%9s", display.Duration(b.From)), b.PerSecond, fastest(spans), compact(b.PerSecond)+"/s")
		}
	}
	if len(r.Stages) > 0 {
		t.title("time by stage, added up over what works side by side")
		for _, s := range r.Stages {
			t.bar(fmt.Sprintf("%-9s", s.Name), s.Share, 1, display.Duration(s.Seconds)+"  "+display.Percent(s.Share))
		}
	}
	if len(r.Slowest) > 0 {
		t.title("slowest shards")
		rows := [][]string{{"part", "graphs", "nodes", "time", "graphs/s"}}
		for _, s := range r.Slowest {
			rows = append(rows, []string{s.Part, comma(s.Graphs), comma(s.Nodes), display.Duration(s.Seconds), comma(int64(s.PerSecond))})
		}
		t.table(rows)
	}
}

// bar draws one bar of a plot.
func (t *textPage) bar(label string, value, most float64, text string) {
	const width = 36
	n := 0
	if most > 0 {
		n = int(math.Round(width * value / most))
	}
	t.line(2, "%s  %s%s %s", label, strings.Repeat("█", n), strings.Repeat("·", width-n), text)
}

func (t *textPage) distributions(r *Report) {
	if s := r.Sizes; s != nil {
		t.title("%ss a graph, of %s: mean %s", r.Unit(), display.Plural(s.Graphs, "graph"), short4(s.Mean))
		t.quantiles(s.Quantiles)
		if s.Empty > 0 {
			t.line(2, "%s without a row of their own", display.Plural(s.Empty, "graph"))
		}
	}
	for _, s := range r.Scores {
		t.title("scores %q, of %s: mean %s, standard deviation %s", s.Output, display.Plural(s.Count, r.Unit()), short4(s.Mean), short4(s.StdDev))
		t.quantiles(s.Quantiles)
		bars := fold(s.Bars, 10)
		labels := lowerEnds(bars)
		for i, b := range bars {
			t.bar(fmt.Sprintf("%10s", labels[i]), float64(b.Count), highest(bars), comma(b.Count))
		}
		if s.Below+s.Above > 0 {
			t.line(2, "beyond these bars: %s below, %s above", comma(s.Below), comma(s.Above))
		}
	}
}

func (t *textPage) quantiles(list []Quantile) {
	names, values, wide := []string{}, []string{}, 0
	for _, q := range quantileTexts(list) {
		names, values = append(names, q.Name), append(values, q.Text)
		wide += max(len(q.Name), len(q.Text)) + 2
	}
	most := len(names)
	if wide > display.Width {
		most = (most + 1) / 2
	}
	for ; len(names) > most; names, values = names[most:], values[most:] {
		t.table([][]string{names[:most], values[:most]})
	}
	t.table([][]string{names, values})
}

func (t *textPage) drift(r *Report) {
	if len(r.Drift) > 0 {
		t.title("against the run before, %s", r.Previous)
		rows := [][]string{{"", "before", "now", "change"}}
		for _, c := range r.Drift {
			mark := ""
			if c.Notable {
				mark = " !"
			}
			rows = append(rows, []string{c.What, amount(c.Before, c.Unit), amount(c.Now, c.Unit), difference(c) + mark})
		}
		t.table(rows)
	}
	if r.DriftNote != "" {
		t.b.WriteString("\n")
		t.words(2, r.DriftNote)
	}
	for _, s := range r.ScoreDrift {
		t.title("scores %q against before: PSI %s, KS %s, mean %s -> %s", s.Output, short4(s.PSI), short4(s.KS), short4(s.Mean[0]), short4(s.Mean[1]))
		names, before, now := []string{""}, []string{"before"}, []string{"now"}
		both := bothTexts(s)
		for i, q := range both[1] {
			names, before, now = append(names, q.Name), append(before, both[0][i].Text), append(now, q.Text)
		}
		t.table([][]string{names, before, now})
	}
}

func (t *textPage) quarantine(r *Report) {
	for _, q := range r.Quarantine {
		moment := ""
		if q.OfTheMoment {
			moment = ", of the moment"
		}
		t.title("quarantine %s: %s (%s)%s", q.Code, display.Plural(q.Graphs, "graph"), display.Percent(q.Share), moment)
		for _, e := range q.Examples {
			t.line(2, "%s in %s, row group %d, row %d", orNone(e.GraphID), e.File, e.RowGroup, e.Row)
			t.words(4, e.Message)
		}
	}
}

func (t *textPage) provenance(r *Report) {
	t.title("provenance")
	const indent = 19
	for _, f := range r.Provenance {
		first := fmt.Sprintf("  %-16s ", f.Name)
		for _, line := range display.Lines(printable(f.Value), indent, indent) {
			for runes := range slices.Chunk([]rune(line), display.Width-indent) {
				t.line(0, "%s%s", first, string(runes))
				first = strings.Repeat(" ", indent)
			}
		}
	}
}

// printable writes what would move the cursor, or would not be seen, as its escape.
func printable(text string) string {
	var b strings.Builder
	for _, c := range text {
		if unicode.IsPrint(c) || c == '\n' {
			b.WriteRune(c)
		} else {
			fmt.Fprintf(&b, "\\u%04x", c)
		}
	}
	return strings.ReplaceAll(b.String(), "\n", " ")
}

func orName(name string) string {
	if name == "" {
		return "graphscore"
	}
	return name
}

func orNone(id string) string {
	if id == "" {
		return "(no id)"
	}
	return id
}
