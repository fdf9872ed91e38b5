package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/dustin/go-humanize"

	"graphscore/jobs"
	"graphscore/pipeline"
	"graphscore/pipeline/display"
	"graphscore/pipeline/exit"
	"graphscore/pipeline/graph"
	"graphscore/writers"
	"graphscore/writers/atomic"
)

// BudgetError is a run that has more graphs in quarantine than the job allows. It ends early: what is committed stays,
// and the same command continues.
type BudgetError struct {
	// Quarantined of Graphs planned ones are in quarantine, in parts that exist and in those of the run.
	Quarantined, Graphs int64
	Allowed             *jobs.Allowance
	// Code is the most frequent reason, Of how many have it.
	Code string
	Of   int64
	// Last is the graph that was too much, and Input its file, by its path under the root: nil and "" where the parts
	// that exist have too many already.
	Last  *graph.Rejection
	Input string
	// Output is the folder of the run.
	Output string
}

// Unwrap returns the outcome, which who prints how a run ended says.
func (e *BudgetError) Unwrap() error {
	return &OutcomeError{Code: exit.CheckFailed, Message: e.Error(), Said: true}
}

func (e *BudgetError) Error() string {
	last := ""
	if e.Last != nil {
		last = fmt.Sprintf("; the last is row %d of %s (%s: %s)", e.Last.Row, e.Input, e.Last.Code, e.Last.Message)
	}
	return fmt.Sprintf("%s of %s in quarantine, more than limits.max_quarantined = %s; most often for %s (%s)%s; what is committed stays, and graphscore quarantine %s lists what of it is in quarantine; mend the cause or raise the limit, and the same command continues",
		humanize.Comma(e.Quarantined), display.Plural(e.Graphs, "graph"), e.Allowed, e.Code, humanize.Comma(e.Of), last, display.ShellWords([]string{e.Output}))
}

// budget counts the graphs in quarantine while a run goes on. It is safe for concurrent use.
type budget struct {
	allowed *jobs.Allowance // nil for no bound
	graphs  int64           // planned
	output  string

	mu    sync.Mutex
	codes map[string]int64
	over  error // the first *BudgetError, which stays
}

// newBudget is that of a job of so many planned graphs, of which those in codes are in quarantine already.
func newBudget(job *jobs.Job, graphs int64, codes map[string]int64) *budget {
	b := &budget{allowed: job.Limits.MaxQuarantined, graphs: graphs, output: job.Output.Path, codes: map[string]int64{}}
	maps.Copy(b.codes, codes)
	return b
}

// check returns a *BudgetError where more graphs are in quarantine than is allowed.
func (b *budget) check() error { return b.add("", nil) }

// add adds a graph of an input, nil for none, and checks. Who adds at the same time gets the same error.
func (b *budget) add(input string, r *graph.Rejection) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r != nil {
		b.codes[string(r.Code)]++
	}
	var all int64
	for _, of := range b.codes {
		all += of
	}
	if b.over != nil || !b.allowed.Exceeded(all, b.graphs) {
		return b.over
	}
	most := slices.MinFunc(slices.Sorted(maps.Keys(b.codes)), func(x, y string) int { return cmp.Compare(b.codes[y], b.codes[x]) })
	b.over = &BudgetError{Quarantined: all, Graphs: b.graphs, Allowed: b.allowed, Code: most, Of: b.codes[most], Last: r, Input: input, Output: b.output}
	return b.over
}

// forget takes n graphs off again.
func (b *budget) forget(code string, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.codes[code] -= n
}

// of passes the graphs of a shard on to its sink, and counts those in quarantine. input is the file of the shard.
func (b *budget) of(input string, sink pipeline.Sink) pipeline.Sink {
	if b.allowed == nil {
		return sink
	}
	return &budgetedSink{Sink: sink, budget: b, input: input, own: map[string]int64{}}
}

// budgetedSink is the sink of one shard.
type budgetedSink struct {
	pipeline.Sink
	budget    *budget
	input     string
	own       map[string]int64 // graphs of the shard by code
	committed bool
}

// Reject returns a *BudgetError for the first graph that is too much: the shard is not committed then.
func (s *budgetedSink) Reject(ctx context.Context, r graph.Rejection) error {
	s.own[string(r.Code)]++
	if err := s.budget.add(s.input, &r); err != nil {
		return err
	}
	return s.Sink.Reject(ctx, r)
}

func (s *budgetedSink) Commit(ctx context.Context) error {
	err := s.Sink.Commit(ctx)
	s.committed = err == nil
	return err
}

// Close takes the graphs of a shard that was not committed off the budget.
func (s *budgetedSink) Close() error {
	if !s.committed {
		for code, n := range s.own {
			s.budget.forget(code, n)
		}
		clear(s.own)
	}
	return s.Sink.Close()
}

// OverBudget returns how a run ends because more graphs are in quarantine than its job allows, nil where they are not
// more: codes counts those of the parts that exist by reason.
func (in *Input) OverBudget(codes map[string]int64) error {
	return newBudget(in.Job, in.Plan.Rows, codes).check()
}

// endedBy ends a run that its budget has ended: the output has no _SUCCESS. Every other error stays as it is, also one
// that came with that of the budget.
func (x *execution) endedBy(err error, output *writers.Output) error {
	var over *BudgetError
	var io *atomic.IOError
	if !errors.As(err, &over) || errors.As(err, &io) {
		return err
	}
	if err := output.Begin(); err != nil {
		return err
	}
	x.over = over
	return over
}
