package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/dustin/go-humanize"

	"graphscore/jobs/gates"
	"graphscore/jobs/preflight"
	"graphscore/jobs/run"
	"graphscore/pipeline/display"
	"graphscore/pipeline/estimate"
	"graphscore/pipeline/exit"
)

// planObject is a forecast as --json prints it. Where plan ends with another code than 0, error is its own.
type planObject struct {
	Code int `json:"code"`
	*preflight.Forecast
}

// printForecast prints what a run would do, and on stderr what it would not read.
func (e *env) printForecast(f *preflight.Forecast) error {
	e.sayRefused("", f.Refused)
	e.sayUnfinished(f.Unfinished)
	if e.asJSON {
		e.answer = func(end ending) any {
			if end.Code != exit.Done {
				f.Error = end.Error
			}
			return planObject{end.Code, f}
		}
		return nil
	}
	var b strings.Builder
	forecastText(&b, f)
	_, err := io.WriteString(e.stdout, b.String())
	return err
}

func forecastText(b *strings.Builder, f *preflight.Forecast) {
	title := f.Name
	if f.Date != "" {
		title += " of " + f.Date
	}
	where := f.Output
	if !f.OutputThere {
		where += " (not there yet)"
	}
	b.WriteString(display.Line(fmt.Sprintf("%s: %s", title, where)) + "\n")
	line(b, "files", int64(f.Files), humanize.IBytes(uint64(f.InputBytes)))
	some(b, "refused", int64(len(f.Refused)), "files that cannot be read")
	some(b, "left out", f.LeftOut.Sum(), f.LeftOut.String())
	line(b, "shards", int64(f.All.Shards), workloadText(f.All))
	line(b, "to score", int64(f.Score.Shards), workloadText(f.Score))
	some(b, "to redo", int64(f.Redo.Shards), workloadText(f.Redo))
	some(b, "done before", int64(f.Skip.Shards), workloadText(f.Skip))
	some(b, "blocked", int64(f.Blocked.Shards), workloadText(f.Blocked))
	some(b, "quarantined", f.Quarantined, "graphs of parts that exist")
	orphansText(b, f.Orphaned, f.Prunable, "to prune", "they go at the end")
	some(b, "superseded", int64(len(f.Superseded)), "parts of old ranges; they go at the end")
	if f.Score.Graphs+f.Redo.Graphs > 0 {
		estimatesText(b, f)
	}
	if f.Calibration != nil {
		calibrationText(b, f.Calibration)
	}
	mismatchesText(b, f)
	for i := range f.Gates {
		if !f.Gates[i].Passed {
			b.WriteString(display.Paragraph("  ", gates.Sentence(&f.Gates[i])))
		}
	}
	for _, note := range f.Notes {
		b.WriteString(display.Paragraph("  note: ", note))
	}
	b.WriteString(forecastVerdict(f))
}

// mismatchesShown is how many parts the text names; JSON names all.
const mismatchesShown = 20

func mismatchesText(b *strings.Builder, f *preflight.Forecast) {
	for i, m := range f.Mismatches {
		if i == mismatchesShown {
			fmt.Fprintf(b, "  ... and %s more: see --format json\n", display.Plural(int64(len(f.Mismatches)-i), "part"))
			break
		}
		b.WriteString(display.Paragraph("  blocked: ", m.Part+": "+strings.Join(m.Reasons, ", ")))
	}
}

func estimatesText(b *strings.Builder, f *preflight.Forecast) {
	line(b, "requests", int64(f.Requests.Likely), "about; "+between(f.Requests, count))
	if f.TooLarge.Most > 0 {
		guess := "estimated from the sizes of row groups"
		line(b, "too large", f.TooLarge.Most, fmt.Sprintf("graphs at most, %s at least; %s", count(float64(f.TooLarge.Least)), guess))
	}
	if f.Calibration == nil && f.OutputBytes.Likely > 0 {
		fmt.Fprintf(b, "  %-12s %13s  about; %s\n", "output", display.Bytes(f.OutputBytes.Likely), between(f.OutputBytes, display.Bytes[float64]))
	}
}

func calibrationText(b *strings.Builder, c *preflight.Calibration) {
	fmt.Fprintf(b, "with %s, from a sample of %s in %.1f s:\n", display.Plural(int64(c.Workers), "worker"),
		display.Plural(c.SampledGraphs, "graph"), c.SampledSeconds)
	row := func(what, value, note string) {
		text := fmt.Sprintf("  %-12s %13s  %s", what, value, note)
		b.WriteString(strings.TrimRight(text, " ") + "\n")
	}
	row("graphs/s", count(c.GraphsPerSecond.Likely), between(c.GraphsPerSecond, count))
	row("time", display.Estimate(c.Seconds.Likely), between(c.Seconds, display.Estimate)+", start-up "+display.Estimate(c.StartupSeconds))
	if c.MemoryBytes.Likely > 0 {
		whose := ""
		if !c.WorkersMemoryKnown {
			whose = ", without the servers"
		}
		row("memory", display.Bytes(c.MemoryBytes.Likely), between(c.MemoryBytes, display.Bytes[float64])+whose)
	}
	row("output", display.Bytes(c.OutputBytes.Likely), between(c.OutputBytes, display.Bytes[float64]))
	if c.SampledQuarantined > 0 {
		row("quarantined", count(float64(c.SampledQuarantined)), "graphs of the sample")
	}
	if c.PricePerHour > 0 {
		row("price", money(c.Price.Likely), fmt.Sprintf("%s, at %s an hour", between(c.Price, money), money(c.PricePerHour)))
	}
}

// forecastVerdict says how a run would end.
func forecastVerdict(f *preflight.Forecast) string {
	var over *run.BudgetError
	switch {
	case f.ExitCode == exit.Done && f.Score.Shards+f.Redo.Shards == 0:
		return "nothing is to be scored\n"
	case f.ExitCode == exit.Done:
		return "a run can start\n"
	case errors.As(f.Ends, &over):
		return display.Paragraph("", fmt.Sprintf("a run would end with %d before it scores anything: %s", f.ExitCode, f.Error))
	case f.ExitCode == exit.CheckFailed:
		return fmt.Sprintf("a run can start, and would end with %d: a gate would fail\n", exit.CheckFailed)
	case f.Starts():
		return fmt.Sprintf("a run can start, and would end with %d: %s\n", f.ExitCode, f.Error)
	default:
		return fmt.Sprintf("a run would end with %d before it scores anything\n", f.ExitCode)
	}
}

func workloadText(w preflight.Workload) string {
	text := display.Plural(w.Graphs, "graph")
	if w.Graphs > 0 && w.Nodes >= 0 && w.Edges >= 0 {
		text += fmt.Sprintf(", %s, %s", display.Plural(w.Nodes, "node"), display.Plural(w.Edges, "edge"))
	}
	return text
}

func between(r estimate.Range, as func(float64) string) string {
	return as(r.Low) + " to " + as(r.High)
}

func count(x float64) string { return humanize.Comma(int64(x + 0.5)) }

func money(x float64) string {
	if x > 0 && x < 0.01 {
		return "<0.01"
	}
	return fmt.Sprintf("%.2f", x)
}
