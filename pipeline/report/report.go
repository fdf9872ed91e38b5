package report

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"graphscore/pipeline/display"
	"graphscore/pipeline/exit"
	"graphscore/writers"
	"graphscore/writers/atomic"
	"graphscore/writers/record"
)

// How much is shown of what may be long.
const (
	ShownOutputs  = 256
	ShownProblems = 20
	shownShards   = 10
	shownRuns     = 20
	shownNotes    = 20
	shownExamples = 3
)

// Config says what to report on. Path must be set.
type Config struct {
	// Path is an output folder, or a run record in its _runs.
	Path string
	// Previous is an output folder to compare with. Default: the one that the run knew of, that of gates.drift or of
	// an earlier date; for want of one the run before, as far as records go.
	Previous string
}

// Validate names the field that is wrong.
func (c Config) Validate() error {
	if c.Path == "" {
		return errors.New("the path to report on (Path) is empty")
	}
	return nil
}

// Build reads the records and parts of an output. It takes as long as reading every part twice, takes no lock, and
// changes nothing. A part or record that cannot be read is noted in the report. The error is a *NotFoundError, a
// *NotOutputError, a *record.Error for a file that is no record, an *atomic.IOError, or that of ctx.
func Build(ctx context.Context, cfg Config) (*Report, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("building a report: %w", err)
	}
	b := &builder{cfg: cfg, report: newReport()}
	for _, step := range []func(context.Context) error{b.locate, b.locatePrevious, b.measure, b.examples, b.drift} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	b.run()
	b.gates()
	b.outcome()
	b.problems()
	b.provenance()
	return b.report, b.state()
}

func newReport() *Report {
	return &Report{
		Notes: []string{}, Outcome: []Reason{}, Refused: []Problem{}, Failed: []Problem{}, Orphaned: []Problem{}, Throughput: []Rate{},
		Stages: []Stage{}, Scores: []Scores{}, Slowest: []Shard{}, Quarantine: []QuarantineCode{}, Gates: []Gate{}, Drift: []Change{},
		ScoreDrift: []ScoreDrift{}, Recent: []Recent{}, Provenance: []Fact{},
	}
}

// builder makes one report.
type builder struct {
	cfg    Config
	report *Report

	dir      string
	files    []string        // run records, newest first
	record   *record.Run     // nil: none can be read
	at       int             // of the record in files
	holder   *writers.Holder // a later run that left no record
	output   *output
	previous *output // to compare with, nil for none
	lost     string  // an output that the run knew of and that cannot be compared with now
	dropped  int     // notes that are not shown
	torn     int64   // parts whose quarantine file is not the one that they were committed with
}

// view is the output that is reported.
func (b *builder) view() writers.View { return writers.NewView(b.dir) }

func (b *builder) note(format string, args ...any) {
	if len(b.report.Notes) == shownNotes {
		b.dropped++
		return
	}
	b.report.Notes = append(b.report.Notes, fmt.Sprintf(format, args...))
}

// locate finds the output and its records, and reads the one to report on.
func (b *builder) locate(ctx context.Context) error {
	info, err := os.Stat(b.cfg.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return &NotFoundError{b.cfg.Path}
	}
	if err != nil {
		return &atomic.IOError{Op: "reading", Path: b.cfg.Path, Err: err}
	}
	b.dir = b.cfg.Path
	if !info.IsDir() {
		var ok bool
		if b.dir, ok = record.OutputOf(b.cfg.Path); !ok {
			return strayRecord(b.cfg.Path)
		}
	}
	b.report.Output = b.dir
	if b.files, err = b.view().Records(); err != nil {
		return err
	}
	if err := b.choose(info.IsDir()); err != nil {
		return err
	}
	if b.output, err = openOutput(ctx, b.view(), b.note); err != nil {
		return err
	}
	b.compareWithPlan()
	if len(b.files) == 0 && len(b.output.parts) == 0 {
		reason := "it holds neither parts nor run records"
		if n := b.output.unreadable; n > 0 {
			reason = "it has no run record, and graphscore made none of its Parquet files"
		}
		return &NotOutputError{b.cfg.Path, reason}
	}
	return nil
}

// strayRecord says why a file is not the record of a run.
func strayRecord(path string) error {
	reason := "it is not in the _runs of an output"
	rec, err := record.ReadBackfill(path)
	var failed *atomic.IOError
	if errors.As(err, &failed) {
		return err
	}
	if err == nil {
		reason = "it is that of a backfill, whose dates have outputs of their own"
		if rec.ExitCode == record.NotEnded {
			reason = "it is that of a backfill that never ended (it was killed, or is running), whose dates have outputs of their own"
		}
	}
	return &record.Error{Path: path, Reason: reason}
}

// choose reads the record that was named, or the newest that can be read.
func (b *builder) choose(folder bool) error {
	if !folder {
		var err error
		b.record, err = record.Read(b.cfg.Path)
		b.at = max(slices.IndexFunc(b.files, func(f string) bool { return filepath.Base(f) == filepath.Base(b.cfg.Path) }), 0)
		if err == nil && b.at > 0 {
			b.note("Later runs wrote to this output. Parts, scores and quarantine are reported as they are now.")
		}
		return err
	}
	for i, file := range b.files {
		rec, err := record.Read(file)
		var bad *record.Error
		switch {
		case errors.As(err, &bad):
			b.note("The record %s was left out: %s.", filepath.Base(file), bad.Reason)
			continue
		case err != nil:
			return err
		}
		b.record, b.at = rec, i
		break
	}
	return b.unfinished()
}

// unfinished finds out whether a run began after the last one that left a record.
func (b *builder) unfinished() error {
	h, err := b.view().Holder()
	if h == nil {
		return err
	}
	if slices.ContainsFunc(b.files, func(file string) bool { return filepath.Base(file) == h.RunID+".json" }) {
		return nil
	}
	b.holder = h
	return nil
}

// run describes the run of the record.
func (b *builder) run() {
	rec := b.record
	if rec == nil {
		return
	}
	r := b.report
	r.Name = rec.Name
	r.Run = &Run{
		ID: rec.RunID, Started: rec.Started, Finished: rec.Finished,
		Seconds: rec.Seconds, StartupSeconds: rec.StartupSeconds,
		ExitCode: rec.ExitCode, Meaning: exit.Meaning(rec.ExitCode), Error: rec.Error,
		Scored: rec.Counts.Scored, Quarantined: rec.Counts.Quarantined, Skipped: rec.Counts.Skipped,
		Requests: rec.Counts.Requests, Retries: rec.Counts.Retries,
		PerSecond: perSecond(rec), Memory: int64(memory(rec)),
	}
	r.Throughput = rates(rec.Throughput)
	r.Stages = stages(rec.Stages)
	r.Slowest = slowest(rec.Shards)
	b.orphans()
}

// orphans names the parts whose input does not exist any more, as the run found it, and that still exist.
func (b *builder) orphans() {
	r := b.report
	orphaned := map[string]bool{}
	for _, name := range b.record.Orphaned {
		orphaned[name] = true
	}
	for _, p := range b.output.parts {
		if !orphaned[p.name] {
			continue
		}
		if r.OrphanedCount++; len(r.Orphaned) < ShownProblems {
			r.Orphaned = append(r.Orphaned, Problem{p.name, fmt.Sprintf("%s of the input %q, which is gone or was renamed.",
				display.Plural(p.footer.RowsIn, "graph"), p.footer.Input)})
		}
	}
	if n := int64(r.OrphanedCount); n > 0 {
		b.note("%s of inputs that are gone or were renamed: their graphs count here and wherever the output is read, perhaps twice. "+
			"Run with --prune, or set on_orphan: prune in the job, to remove them.", are(n, "part"))
	}
}

// perSecond is the speed of a run once it scored.
func perSecond(rec *record.Run) float64 {
	working := rec.Seconds - rec.StartupSeconds
	if n := rec.Counts.Scored + rec.Counts.Quarantined; n > 0 && working > 0 {
		return float64(n) / working
	}
	return 0
}

// rates turns counts at moments into speeds between them.
func rates(samples []record.Sample) []Rate {
	list := []Rate{}
	if n := len(samples); n == 0 || samples[n-1].Graphs == 0 {
		return list
	}
	for i := 1; i < len(samples); i++ {
		a, b := samples[i-1], samples[i]
		if span := b.Seconds - a.Seconds; span > 0 && b.Graphs >= a.Graphs {
			n := b.Graphs - a.Graphs
			list = append(list, Rate{From: a.Seconds, To: b.Seconds, Graphs: n, PerSecond: float64(n) / span})
		}
	}
	return list
}

func stages(s record.Stages) []Stage {
	list := []Stage{
		{Name: "read", Seconds: s.Read}, {Name: "pack", Seconds: s.Pack}, {Name: "transport", Seconds: s.Transport},
		{Name: "model", Seconds: s.Model}, {Name: "write", Seconds: s.Write},
	}
	var sum float64
	for _, st := range list {
		sum += st.Seconds
	}
	if sum <= 0 {
		return []Stage{}
	}
	for i := range list {
		list[i].Share = list[i].Seconds / sum
	}
	return list
}

// slowest are the shards of the run that took longest.
func slowest(shards []record.Shard) []Shard {
	list := []Shard{}
	for _, s := range shards {
		if s.Seconds > 0 && s.Outcome == "scored" {
			list = append(list, Shard{
				Part: s.Part, Graphs: s.RowsIn, Nodes: s.Nodes, Seconds: s.Seconds, PerSecond: float64(s.RowsIn) / s.Seconds,
			})
		}
	}
	slices.SortStableFunc(list, func(a, b Shard) int { return cmp.Compare(b.Seconds, a.Seconds) })
	return list[:min(len(list), shownShards)]
}

// problems lists what gave no part.
func (b *builder) problems() {
	if b.record == nil {
		return
	}
	r := b.report
	for _, f := range b.record.Refused {
		if r.RefusedCount++; len(r.Refused) < ShownProblems {
			r.Refused = append(r.Refused, Problem{f.File, f.Reason})
		}
	}
	for _, s := range b.record.Shards {
		if s.Outcome != "failed" {
			continue
		}
		if r.FailedCount++; len(r.Failed) < ShownProblems {
			r.Failed = append(r.Failed, Problem{s.Part, cmp.Or(s.Reason, "the run ended before it")})
		}
	}
}
