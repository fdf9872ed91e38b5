package preflight

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"graphscore/jobs/gates"
	"graphscore/jobs/run"
	"graphscore/pipeline/estimate"
	"graphscore/pipeline/exit"
	"graphscore/pipeline/observe"
	"graphscore/writers"
	"graphscore/writers/record"
)

// Forecast is what a run would do and cost. Every key always exists; ranges are zero where nothing is known.
type Forecast struct {
	Name   string   `json:"name"`
	Date   string   `json:"date"`
	Inputs []string `json:"inputs"`
	Output string   `json:"output"`
	// OutputThere is false where the output folder does not exist yet.
	OutputThere bool  `json:"output_there"`
	Model       Model `json:"model"`

	Files      int                  `json:"files"`
	InputBytes int64                `json:"input_bytes"`
	Refused    []record.RefusedFile `json:"refused"`
	Ignored    []string             `json:"ignored"`
	Unfinished []string             `json:"unfinished"`
	LeftOut    record.LeftOut       `json:"left_out"`

	Workloads
	Mismatches  []Mismatch `json:"mismatches"`
	Orphaned    []string   `json:"orphaned"` // parts whose input is gone, and that stay
	Prunable    []string   `json:"prunable"` // those that a run would remove at its end
	Superseded  []string   `json:"superseded"`
	Quarantined int64      `json:"quarantined"` // in parts that exist

	Estimates
	Calibration *Calibration `json:"calibration"` // null without samples

	Gates    []record.Gate `json:"gates"` // that are known before a run
	Notes    []string      `json:"notes"`
	ExitCode int           `json:"exit_code"` // that a run would end with, as far as is known
	Error    string        `json:"error"`

	// Ends is the error that a run would end with, nil for none.
	Ends error `json:"-"`
	// Contract is what input, model and existing parts agree on, nil where there is nothing to score.
	Contract *run.Contract `json:"-"`
}

// Model is what scores, as far as a plan knows it.
type Model struct {
	Name       string   `json:"name"`
	Digest     string   `json:"digest"`
	InFeatures int      `json:"in_features"`
	Outputs    []string `json:"outputs"`
}

// Mismatch is a part that was made from something else.
type Mismatch struct {
	Part    string   `json:"part"`
	Reasons []string `json:"reasons"`
	Foreign bool     `json:"foreign"`
}

// Starts reports whether a run would score, or would end with nothing left to score.
func (f *Forecast) Starts() bool {
	var ended *run.OutcomeError
	return f.ExitCode == exit.Done || f.ExitCode == exit.Partly || f.ExitCode == exit.CheckFailed ||
		f.ExitCode == exit.Locked && errors.As(f.Ends, &ended)
}

// PlanOptions are what a plan does beside reading footers.
type PlanOptions struct {
	// Calibrate scores samples with the real workers, for about as long as Sample.
	Calibrate bool
	Sample    time.Duration
	// PricePerHour is that of the machine, 0 where it is not known.
	PricePerHour float64

	anyAge bool // the gate on the age of the input is left out
}

// Plan forecasts the run of cfg and changes nothing. Its error is what a run would end with where no more can be
// known, or that of a calibration; else Forecast.Ends is.
func Plan(ctx context.Context, cfg run.Config, opts PlanOptions) (*Forecast, error) {
	in, err := prepare(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := in.Missing(); err != nil {
		return nil, err
	}
	return forecast(ctx, in, opts, func(ctx context.Context) (run.Served, error) { return run.Describe(ctx, cfg) })
}

// Foresee forecasts the run of one of the dates of a backfill, whose input may be old, and changes nothing. describe
// finds out what would score, as [run.Describe] does; it is not called where a run asks no scorer. Errors are as those
// of [Plan].
func Foresee(ctx context.Context, in *run.Input, describe func(context.Context) (run.Served, error)) (*Forecast, error) {
	return forecast(ctx, in, PlanOptions{anyAge: true}, describe)
}

func forecast(ctx context.Context, in *run.Input, opts PlanOptions, describe func(context.Context) (run.Served, error)) (*Forecast, error) {
	taken := takesOutput(in)
	c, misfit, notes, err := compareParts(ctx, in, describe)
	if err != nil {
		return nil, first(ctx.Err(), taken, misfit, err)
	}
	f := c.forecast()
	if !in.Unreadable() && !idle(in) {
		f.Contract = c.contract
	}
	stopped := first(misfit, c.found.Refusal())
	if stopped == nil && opts.Calibrate {
		var more []string
		if f.Calibration, more, err = calibrate(ctx, c, opts); err != nil {
			return nil, first(ctx.Err(), taken, err)
		}
		notes = append(notes, more...)
	}
	if stopped == nil {
		verdicts, more, err := c.gates(opts.anyAge)
		if err != nil {
			return nil, err
		}
		f.Gates, notes = append(f.Gates, verdicts...), append(notes, more...)
		stopped = c.outcome(f.Gates)
	}
	f.Notes = append(f.Notes, notes...)
	f.end(first(taken, stopped))
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return f, nil
}

// end notes how the run would end.
func (f *Forecast) end(err error) {
	f.Ends, f.ExitCode = err, run.ExitCode(err)
	if err != nil {
		f.Error = err.Error()
	}
}

// first returns the first error that is one.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// prepare takes the steps of a run that need neither output nor scorer. As in a run, a port that is in use is an error once
// the input is planned.
func prepare(ctx context.Context, cfg run.Config) (*run.Input, error) {
	port := checkListen(ctx, cfg.Job, cfg.CheckHeld)
	var taken *observe.ListenError
	var locked *writers.LockedError
	if port != nil && !errors.As(port, &taken) && !errors.As(port, &locked) {
		return nil, port
	}
	in, err := run.Prepare(ctx, cfg)
	return in, first(err, port)
}

// idle reports whether a run would end at once, without a lock and without a scorer: nothing matches, and the job says
// that this is right.
func idle(in *run.Input) bool { return in.Plan.Empty() }

func nothingMatches(in *run.Input) string { return "nothing matches " + in.Job.Input.Path.String() }

// takesOutput returns the error of a run that cannot take its output, nil where it can or does not.
func takesOutput(in *run.Input) error {
	if idle(in) {
		return nil
	}
	return outputError(in.Config)
}

// compareParts finds out what would score and compares the plan with the parts that exist. misfit is the error of a
// run whose model does not fit the data; notes are what else is to be known of input and model.
func compareParts(ctx context.Context, in *run.Input, describe func(context.Context) (run.Served, error)) (c *comparison, misfit error, notes []string, err error) {
	for _, path := range in.Plan.Unmatched {
		notes = append(notes, "nothing matches "+path)
	}
	if in.Unreadable() || idle(in) { // a run asks no scorer then, and looks at no part
		return nothingToCompare(in), nil, notes, nil
	}
	served, err := describe(ctx)
	if err == nil {
		var width int
		var note string
		if width, note, misfit = detectWidth(ctx, in, served); note != "" {
			notes = append(notes, note)
		}
		if c, err = compare(ctx, in, served, width); err == nil {
			c.misfit = misfit != nil
		}
	}
	return c, misfit, notes, err
}

// maxFilesProbed is the number of files whose first graphs are compared with the model; a run looks at more.
const maxFilesProbed = 16

// detectWidth returns the number of features of a node, and the error of a run whose model does not fit the data.
// note says that too few files were looked at to know, "" where it is known.
func detectWidth(ctx context.Context, in *run.Input, served run.Served) (width int, note string, err error) {
	width, err = in.Fit(ctx, served, maxFilesProbed)
	var misfit *run.Misfit
	if errors.As(err, &misfit) && misfit.More {
		return width, fmt.Sprintf("the first graphs of %d files do not fit the model; the others were not looked at: %s",
			misfit.Files, misfit.Mistake.Reason), nil
	}
	return width, "", err
}

// forecast puts together what the comparison knows, without how the run would end.
func (c *comparison) forecast() *Forecast {
	in, m := c.in, &c.served.Model
	f := &Forecast{
		Name: in.Job.Name, Date: in.Date, Inputs: list(in.Job.Input.Path.Strings()), Output: in.Job.Output.Path,
		OutputThere: c.found.Exists, Model: Model{m.Name, m.Digest, c.contract.Width, list(m.Outputs)},
		Files: in.Files(), Refused: []record.RefusedFile{}, Ignored: list(in.Plan.LeftOut.Other),
		Unfinished: list(in.Plan.LeftOut.Unfinished), LeftOut: in.LeftOut(),
		Workloads: c.workloads(), Mismatches: []Mismatch{}, Orphaned: c.kept(), Prunable: list(c.found.Prunable), Superseded: list(c.found.Superseded),
		Quarantined: c.quarantined(), Estimates: c.estimates(), Gates: []record.Gate{}, Notes: []string{},
	}
	for _, file := range in.Plan.Files {
		f.InputBytes += file.Size
	}
	for _, file := range in.Plan.Refused {
		f.Refused = append(f.Refused, record.RefusedFile{File: file.Path, Reason: file.Error()})
	}
	for _, file := range in.Plan.Files {
		if why := c.lacking[file]; why != nil {
			f.Refused = append(f.Refused, record.RefusedFile{File: file.Path, Reason: why.Error()})
		}
	}
	for _, m := range c.found.Mismatches {
		f.Mismatches = append(f.Mismatches, Mismatch{m.Part, m.Reasons, m.Foreign})
	}
	return f
}

// kept are the parts whose input does not exist any more, and that a run would leave.
func (c *comparison) kept() []string {
	return slices.DeleteFunc(list(c.found.Orphaned), func(name string) bool { return slices.Contains(c.found.Prunable, name) })
}

// list is never null in JSON.
func list(of []string) []string { return append([]string{}, of...) }

// gates judges by those gates that need nothing but the input, or parts that all exist. notes say what the scores
// will be compared with.
func (c *comparison) gates(anyAge bool) (verdicts []record.Gate, notes []string, err error) {
	verdicts, notes, _, err = inputGates(c.in, anyAge)
	return append(verdicts, c.quarantineGate()...), notes, err
}

// inputGates judges by those gates that need nothing but the input. earlier is the output that the scores will be
// compared with, "" for none. Errors are those of a run that cannot look at its input or at an earlier output.
func inputGates(in *run.Input, anyAge bool) (verdicts []record.Gate, notes []string, earlier string, err error) {
	if in.Limit > 0 { // a run does not look at them either
		return nil, nil, "", nil
	}
	limits := in.Job.Gates
	facts, err := in.GateFacts(in.Plan.Rows, anyAge)
	if err != nil {
		return nil, nil, "", err
	}
	verdicts = gates.Input(limits, facts)
	if limits.Drift == nil {
		return verdicts, nil, "", nil
	}
	if earlier, err = in.Earlier(); err != nil {
		return nil, nil, "", err
	}
	if earlier == "" {
		return verdicts, []string{"drift: " + in.NothingEarlier()}, "", nil
	}
	return verdicts, []string{"drift: the scores will be compared with those of " + earlier}, earlier, nil
}

// quarantineGate judges by the gate on graphs in quarantine, where every part exists.
func (c *comparison) quarantineGate() []record.Gate {
	if c.in.Limit > 0 || len(c.todo()) > 0 || len(c.found.Mismatches) > 0 {
		return nil
	}
	facts := gates.Facts{Output: c.in.Job.Output.Path, Quarantined: c.quarantined()}
	for _, l := range c.found.Footers {
		if l != nil {
			facts.Graphs += l.RowsIn
		}
	}
	return gates.Quarantine(c.in.Job.Gates, facts)
}

// Workloads are the shards of a plan by what a run would do with them.
type Workloads struct {
	All   Workload `json:"all"`
	Score Workload `json:"score"`
	Skip  Workload `json:"skip"`
	// Redo are shards whose part does not match, or holds graphs in quarantine that are tried again.
	Redo Workload `json:"redo"`
	// Blocked are shards whose part was made from something else: without --rescore the run is refused.
	Blocked Workload `json:"blocked"`
}

// Workload is a number of shards and what is in them. Nodes and edges are -1 where footers do not say.
type Workload struct {
	Shards int   `json:"shards"`
	Graphs int64 `json:"graphs"`
	Nodes  int64 `json:"nodes"`
	Edges  int64 `json:"edges"`
}

func (w *Workload) add(groups []estimate.Group) {
	t := estimate.Total(append(groups, estimate.Group{Nodes: w.Nodes, Edges: w.Edges}))
	w.Shards, w.Graphs, w.Nodes, w.Edges = w.Shards+1, w.Graphs+t.Rows, t.Nodes, t.Edges
}

// Estimates are of what is to be scored.
type Estimates struct {
	Requests    estimate.Range `json:"requests"`
	TooLarge    TooLarge       `json:"too_large"`
	OutputBytes estimate.Range `json:"output_bytes"`
}

// TooLarge bounds the number of graphs that no message can hold. Counted is false where the bounds are guesses.
type TooLarge struct {
	Least   int64 `json:"least"`
	Most    int64 `json:"most"`
	Counted bool  `json:"counted"`
}
