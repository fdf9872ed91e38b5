package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/dustin/go-humanize"

	"graphscore/pipeline/display"
	"graphscore/pipeline/estimate"
	"graphscore/pipeline/graph"
	"graphscore/pipeline/remote"
	"graphscore/readers"
	"graphscore/writers"
)

// planReport is what plan says. Every key is always there; ranges are zero where nothing can be told.
type planReport struct {
	Name   string   `json:"name"`
	Date   string   `json:"date"`
	Inputs []string `json:"inputs"`
	Output string   `json:"output"`
	// OutputThere is false where the output folder is not there yet.
	OutputThere bool       `json:"output_there"`
	Model       modelBrief `json:"model"`

	Files      int                   `json:"files"`
	InputBytes int64                 `json:"input_bytes"`
	Refused    []writers.RefusedFile `json:"refused"`
	Ignored    []string              `json:"ignored"`

	All   workload `json:"all"`
	Score workload `json:"score"`
	Skip  workload `json:"skip"`
	Redo  workload `json:"redo"`
	// Blocked are shards whose part stands for something else: without --rescore the run is refused.
	Blocked     workload  `json:"blocked"`
	Mismatches  []blocked `json:"mismatches"`
	Orphaned    []string  `json:"orphaned"`
	Superseded  []string  `json:"superseded"`
	Quarantined int64     `json:"quarantined"` // in parts that stand

	// Requests, TooLarge and OutputBytes are of what is to be scored.
	Requests    estimate.Range     `json:"requests"`
	TooLarge    tooLarge           `json:"too_large"`
	OutputBytes estimate.Range     `json:"output_bytes"`
	Calibration *calibrationReport `json:"calibration"` // null without --calibrate

	Gates    []writers.GateRecord `json:"gates"` // that can be told before a run
	Notes    []string             `json:"notes"`
	ExitCode int                  `json:"exit_code"` // that a run would end with, as far as is known
	Error    string               `json:"error"`
}

type modelBrief struct {
	Name       string   `json:"name"`
	Digest     string   `json:"digest"`
	InFeatures int      `json:"in_features"`
	Outputs    []string `json:"outputs"`
}

// workload is a number of shards and what is in them. Nodes and edges are -1 where footers do not tell.
type workload struct {
	Shards int   `json:"shards"`
	Graphs int64 `json:"graphs"`
	Nodes  int64 `json:"nodes"`
	Edges  int64 `json:"edges"`
}

// tooLarge bounds the number of graphs that no message can hold. Counted is false where the bounds are guesses.
type tooLarge struct {
	Least   int64 `json:"least"`
	Most    int64 `json:"most"`
	Counted bool  `json:"counted"`
}

type blocked struct {
	Part    string   `json:"part"`
	Reasons []string `json:"reasons"`
	Foreign bool     `json:"foreign"`
}

// report puts together what is known; ends is how a run would end.
func (d *dryRun) report(ends error) *planReport {
	m := d.session.model
	r := &planReport{
		Name: d.job.Name, Date: d.date, Inputs: []string{}, Output: d.job.Output.Path, OutputThere: d.survey.There,
		Model: modelBrief{m.Name, m.Digest, m.InFeatures, m.Outputs},
		Files: len(d.plan.Files) + len(d.plan.Refused), Refused: []writers.RefusedFile{}, Ignored: notNil(d.plan.Ignored),
		Mismatches: []blocked{}, Orphaned: notNil(d.survey.Orphaned), Superseded: notNil(d.survey.Superseded),
		Calibration: d.calibration, Gates: append([]writers.GateRecord{}, d.gates...), Notes: notNil(d.notes), ExitCode: exitCode(ends),
	}
	for _, p := range d.job.Input.Path {
		r.Inputs = append(r.Inputs, p.Path)
	}
	for _, f := range d.plan.Files {
		r.InputBytes += f.Size
	}
	for _, f := range d.plan.Refused {
		r.Refused = append(r.Refused, writers.RefusedFile{File: f.Path, Reason: f.Error()})
	}
	for _, l := range d.survey.Ledgers {
		if l != nil {
			r.Quarantined += l.Quarantined
		}
	}
	if ends != nil {
		r.Error = ends.Error()
	}
	d.workloads(r)
	d.estimates(r)
	return r
}

func notNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// workloads says which shards are in which state.
func (d *dryRun) workloads(r *planReport) {
	bad := map[string]bool{}
	for _, m := range d.survey.Mismatches {
		bad[m.Part] = true
		r.Mismatches = append(r.Mismatches, blocked{m.Part, m.Reasons, m.Foreign})
	}
	for i := range d.plan.Shards {
		sh := &d.plan.Shards[i]
		to := &r.Score
		switch decision := d.survey.Decisions[i]; {
		case bad[sh.Part]:
			to = &r.Blocked
		case decision == writers.Skip:
			to = &r.Skip
		case decision == writers.Redo:
			to = &r.Redo
		}
		groups := groupsOf(sh, d.session.model, d.plan)
		to.add(groups)
		r.All.add(groups)
	}
}

func (w *workload) add(groups []estimate.Group) {
	t := estimate.Total(append(groups, estimate.Group{Nodes: w.Nodes, Edges: w.Edges}))
	w.Shards, w.Graphs, w.Nodes, w.Edges = w.Shards+1, w.Graphs+t.Rows, t.Nodes, t.Edges
}

// estimates works out what footers say of requests and parts.
func (d *dryRun) estimates(r *planReport) {
	limits := estimate.Limits{
		RequestBytes: int64(d.job.Limits.RequestBytes), BatchBytes: readers.Config{}.WithDefaults().BatchBytes,
		OneByOne: d.job.Server.Protocol == remote.ProtocolGCN,
	}
	total := estimate.Group{Counted: true}
	for _, i := range d.todo {
		groups := groupsOf(&d.plan.Shards[i], d.session.model, d.plan)
		r.Requests = r.Requests.Plus(estimate.Requests(groups, limits))
		least, most := estimate.TooLarge(groups, int64(d.job.Limits.MessageBytes))
		r.TooLarge.Least, r.TooLarge.Most = r.TooLarge.Least+least, r.TooLarge.Most+most
		total = estimate.Total(append(groups, total))
	}
	r.TooLarge.Counted = total.Counted
	if total.Nodes < 0 || total.Rows == 0 {
		return
	}
	r.OutputBytes = estimate.Output(total.Rows, total.Nodes, len(d.todo), estimate.Form{
		Outputs:      len(d.session.model.Outputs),
		TextGraphIDs: d.plan.GraphIDs == graph.String, TextNodeIDs: d.plan.NodeIDs == graph.String,
	})
}

// write writes the report, and on stderr what a run would not read.
func (r *planReport) write(stdout, stderr io.Writer, format string) error {
	for _, f := range r.Refused {
		fmt.Fprintf(stderr, "graphscore: refused: %s\n", f.Reason)
	}
	if format == "json" {
		return display.JSON(stdout, r)
	}
	var b strings.Builder
	r.text(&b)
	_, err := io.WriteString(stdout, b.String())
	return err
}

func (r *planReport) text(b *strings.Builder) {
	title := r.Name
	if r.Date != "" {
		title += " of " + r.Date
	}
	where := r.Output
	if !r.OutputThere {
		where += " (not there yet)"
	}
	fmt.Fprintf(b, "%s: %s\n", title, where)
	line(b, "files", int64(r.Files), humanize.IBytes(uint64(r.InputBytes)))
	some(b, "refused", int64(len(r.Refused)), "files that cannot be read")
	some(b, "ignored", int64(len(r.Ignored)), "files that are neither Parquet nor Arrow")
	line(b, "shards", int64(r.All.Shards), r.All.text())
	line(b, "to score", int64(r.Score.Shards), r.Score.text())
	some(b, "to redo", int64(r.Redo.Shards), r.Redo.text())
	some(b, "done before", int64(r.Skip.Shards), r.Skip.text())
	some(b, "blocked", int64(r.Blocked.Shards), r.Blocked.text())
	some(b, "quarantined", r.Quarantined, "graphs of parts that stand")
	some(b, "orphaned", int64(len(r.Orphaned)), "parts whose input is gone; they stay")
	some(b, "superseded", int64(len(r.Superseded)), "parts of old ranges; they go at the end")
	if r.Score.Graphs+r.Redo.Graphs > 0 {
		r.textOfEstimates(b)
	}
	if r.Calibration != nil {
		r.Calibration.text(b)
	}
	r.textOfMismatches(b)
	for i := range r.Gates {
		if !r.Gates[i].Passed {
			b.WriteString(display.Paragraph("  ", gateText(&r.Gates[i])))
		}
	}
	for _, note := range r.Notes {
		b.WriteString(display.Paragraph("  note: ", note))
	}
	b.WriteString(r.verdict())
}

// mismatchesShown is how many parts the text names; JSON names all.
const mismatchesShown = 20

func (r *planReport) textOfMismatches(b *strings.Builder) {
	for i, m := range r.Mismatches {
		if i == mismatchesShown {
			fmt.Fprintf(b, "  ... and %s more: see --format json\n", display.Plural(int64(len(r.Mismatches)-i), "part"))
			break
		}
		b.WriteString(display.Paragraph("  blocked: ", m.Part+": "+strings.Join(m.Reasons, ", ")))
	}
}

func (r *planReport) textOfEstimates(b *strings.Builder) {
	line(b, "requests", int64(r.Requests.Likely), "about; "+between(r.Requests, count))
	if r.TooLarge.Most > 0 {
		guess := "estimated from the sizes of row groups"
		line(b, "too large", r.TooLarge.Most, fmt.Sprintf("graphs at most, %s at least; %s", count(float64(r.TooLarge.Least)), guess))
	}
	if r.Calibration == nil && r.OutputBytes.Likely > 0 {
		fmt.Fprintf(b, "  %-12s %13s  about; %s\n", "output", display.Bytes(r.OutputBytes.Likely), between(r.OutputBytes, display.Bytes[float64]))
	}
}

func (c *calibrationReport) text(b *strings.Builder) {
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

// verdict says how a run would end.
func (r *planReport) verdict() string {
	switch {
	case r.ExitCode == exitDone && r.Score.Shards+r.Redo.Shards == 0:
		return "nothing is to be scored\n"
	case r.ExitCode == exitDone:
		return "a run can start\n"
	case r.ExitCode == exitCheckFailed:
		return fmt.Sprintf("a run can start, and would end with %d: a gate would fail\n", exitCheckFailed)
	case r.ExitCode == exitPartly:
		return fmt.Sprintf("a run can start, and would end with %d: %s\n", exitPartly, r.Error)
	default:
		return fmt.Sprintf("a run would end with %d before it scores anything\n", r.ExitCode)
	}
}

func (w workload) text() string {
	text := display.Plural(w.Graphs, "graph")
	if w.Graphs > 0 && w.Nodes >= 0 && w.Edges >= 0 {
		text += fmt.Sprintf(", %s, %s", display.Plural(w.Nodes, "node"), display.Plural(w.Edges, "edge"))
	}
	return text
}

func line(b *strings.Builder, what string, n int64, note string) {
	b.WriteString(strings.TrimRight(fmt.Sprintf("  %-12s %13s  %s", what, humanize.Comma(n), note), " ") + "\n")
}

// some is a line, unless there is nothing to count.
func some(b *strings.Builder, what string, n int64, note string) {
	if n > 0 {
		line(b, what, n, note)
	}
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
