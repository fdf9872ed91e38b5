package verify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"

	"graphscore/pipeline"
	"graphscore/pipeline/exit"
	"graphscore/pipeline/graph"
	"graphscore/writers"
	"graphscore/writers/part"
	"graphscore/writers/record"
)

// Input reads again what an output was made from. One goroutine uses it.
type Input interface {
	// Files are the inputs that a run would read now, in the form of Ledger.Input.
	Files() []File
	// Gone reports whether an input, in that form, does not exist any more: false also for one that Files leaves out,
	// and for one of which nobody can say.
	Gone(input string) bool
	// Open opens the row groups of a part again. The caller closes the source. rows is how many it has.
	Open(ctx context.Context, l *part.Footer) (source pipeline.Source, rows int64, err error)
	// Kinds are the types of the ids of a run over all inputs.
	Kinds() (graphs, nodes graph.IDKind)
}

// File is one input file.
type File struct {
	Input, Fingerprint string
	// Groups is the number of row groups that a run would read.
	Groups int
	// Refused says why a run would refuse the file, empty where it would not.
	Refused string
}

// Scoring is what scores the sample.
type Scoring struct {
	Scorer pipeline.Scorer
	// Model describes it, as a run record does.
	Model record.Model
	// Share of the graphs is scored, more than 0 and at most 1.
	Share float64
	// Embed is the step whose values the scorer returns beside the scores, empty for none.
	Embed string
	// RequestBytes is the size up to which graphs share a request. Default 2 MiB.
	RequestBytes int64
}

// Config says what to verify. Dir must be set.
type Config struct {
	Dir string
	// Input is compared with the parts, nil for none.
	Input Input
	// Scoring scores a sample again, nil for none. It needs Input.
	Scoring *Scoring
	// Findings is how many findings are kept; all are counted. Default 100.
	Findings int
}

// WithDefaults returns a copy with every unset field at its default.
func (c Config) WithDefaults() Config {
	if c.Findings == 0 {
		c.Findings = 100
	}
	if c.Scoring != nil {
		s := *c.Scoring
		if s.RequestBytes == 0 {
			s.RequestBytes = 2 << 20
		}
		c.Scoring = &s
	}
	return c
}

// Validate names the field that is wrong.
func (c Config) Validate() error {
	switch s := c.Scoring; {
	case c.Dir == "":
		return errors.New("verify: the output folder (Dir) is empty")
	case s != nil && c.Input == nil:
		return errors.New("verify: a sample (Scoring) needs the input (Input)")
	case s != nil && !(s.Share > 0 && s.Share <= 1):
		return fmt.Errorf("verify: Scoring.Share is %g, it must be more than 0 and at most 1", s.Share)
	}
	return nil
}

// Finding is one thing that is wrong.
type Finding struct {
	// Path is the file below the output, or the input, that it is about.
	Path string `json:"path"`
	// What says what is wrong, and what to do where that is not plain.
	What string `json:"what"`
}

// Report is what was looked at and what is wrong. Every key of its JSON is always there.
type Report struct {
	Output string `json:"output"`
	// Level is what the scores of all parts belong to: node, edge or graph; empty where there is no part, or they differ.
	Level string `json:"level"`
	// Parts, Graphs, their Nodes, Rows of parts and Quarantined count what was found to be there and right.
	Parts       int   `json:"parts"`
	Graphs      int64 `json:"graphs"`
	Nodes       int64 `json:"nodes"`
	Rows        int64 `json:"rows"`
	Quarantined int64 `json:"quarantined"`
	// Compared is the number of parts that were compared with their input, Orphaned that of those whose input is
	// gone.
	Compared int `json:"compared"`
	Orphaned int `json:"orphaned"`
	// Sampled is the number of graphs that were scored again, SampledExactly of those that had to have the same bits.
	Sampled        int64 `json:"sampled"`
	SampledExactly int64 `json:"sampled_exactly"`
	// Findings are the first, FoundWrong counts all.
	Findings   []Finding `json:"findings"`
	FoundWrong int       `json:"found_wrong"`
}

// Add adds what was found in an output in a folder below that of r.
func (r *Report) Add(o *Report, dir string) {
	if o.Parts > 0 {
		r.ofLevel(o.Level)
	}
	r.Parts += o.Parts
	r.Graphs += o.Graphs
	r.Nodes += o.Nodes
	r.Rows += o.Rows
	r.Quarantined += o.Quarantined
	r.Compared += o.Compared
	r.Orphaned += o.Orphaned
	r.Sampled += o.Sampled
	r.SampledExactly += o.SampledExactly
	r.FoundWrong += o.FoundWrong
	for _, f := range o.Findings {
		r.Findings = append(r.Findings, Finding{path.Join(dir, f.Path), f.What})
	}
}

// ofLevel takes the level of a part that is right and not counted yet.
func (r *Report) ofLevel(level string) {
	if r.Parts == 0 {
		r.Level = level
	} else if r.Level != level {
		r.Level = ""
	}
}

// Run verifies an output. It blocks until everything is read. The error is a *writers.LockedError where a run holds
// the output or has changed it meanwhile, an *IOError where the folder cannot be listed, one of the scorer, or that
// of ctx. What is wrong is no error but in the report.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	v := &verifier{cfg: cfg, view: writers.NewView(cfg.Dir), footers: map[string]*part.Footer{}}
	v.report = Report{Output: cfg.Dir, Findings: []Finding{}}
	if err := v.view.CheckFree(); err != nil {
		return nil, err
	}
	before, err := v.view.List(ctx)
	if err != nil {
		return nil, err
	}
	if err := v.records(); err != nil {
		return nil, err
	}
	v.leftovers(before)
	if cfg.Input != nil {
		v.files = map[string]File{}
		for _, f := range cfg.Input.Files() {
			v.files[f.Input] = f
		}
	}
	for _, name := range before.Parts {
		if err := v.part(ctx, name); err != nil {
			return nil, err
		}
	}
	v.success(before)
	if cfg.Input == nil {
		v.orphans(before)
	}
	v.coverage()
	return &v.report, v.undisturbed(ctx, before)
}

// verifier is one run of Run.
type verifier struct {
	cfg     Config
	view    writers.View
	report  Report
	footers map[string]*part.Footer // of every part that could be opened
	unseen  bool                    // of a part that could not: it may be of any input
	files   map[string]File         // of the input, nil without one
	last    *record.Run             // of the last run that came to an end
	scored  map[string]record.Model
	sample  sample
}

// found adds a finding.
func (v *verifier) found(path, format string, args ...any) {
	v.report.FoundWrong++
	if len(v.report.Findings) < v.cfg.Findings {
		v.report.Findings = append(v.report.Findings, Finding{path, fmt.Sprintf(format, args...)})
	}
}

// records finds out how the last run ended, and what scored each part.
func (v *verifier) records() error {
	paths, err := v.view.Records()
	if err != nil {
		return err
	}
	v.scored = map[string]record.Model{}
	for _, path := range paths {
		r, err := record.Read(path)
		if err != nil {
			v.found(rel(v.cfg.Dir, path), "the run record cannot be read: %v", err)
			continue
		}
		ended := exit.Ended(r.ExitCode) || r.LeftOut.Unfinished > 0 && r.ExitCode == exit.Locked
		if ended && v.last == nil {
			v.last = r
		}
		for _, s := range r.Shards {
			if _, later := v.scored[s.Part]; !later && s.Outcome == string(pipeline.Scored) {
				v.scored[s.Part] = r.Model
			}
		}
	}
	return nil
}

func rel(dir, path string) string {
	if r, err := filepath.Rel(dir, path); err == nil {
		return filepath.ToSlash(r)
	}
	return path
}

// leftovers names what should not be there.
func (v *verifier) leftovers(inv *writers.Inventory) {
	for _, name := range inv.Temporary {
		v.found(name, "a temporary file is left from a run that was killed: the next run removes it")
	}
	for _, name := range inv.Foreign {
		v.found(name, "it was not written by graphscore: move it away")
	}
	for _, of := range inv.Quarantines {
		if _, exists := slices.BinarySearch(inv.Parts, of); !exists {
			v.found(part.QuarantineName(of), "its part does not exist: run again")
		}
	}
}

// success compares _SUCCESS with the last run that came to its end.
func (v *verifier) success(inv *writers.Inventory) {
	const name = writers.SuccessName
	switch {
	case !inv.Ours():
		v.found(".", "it holds no part, record or lock of graphscore: name the output folder of a run")
	case !inv.Success && v.last == nil:
		v.found(name, "it does not exist, and no run completed: run again")
	case !inv.Success && v.last.ExitCode == exit.Done:
		v.found(name, "it does not exist, though run %s ended with 0: a later run was stopped, run again", v.last.RunID)
	case !inv.Success:
		v.found(name, "it does not exist: run %s ended with %d (%s)", v.last.RunID, v.last.ExitCode, v.last.Error)
	}
	if !inv.Success || v.last == nil {
		return
	}
	for _, f := range v.last.Refused {
		v.found(name, "it exists, but run %s refused %s", v.last.RunID, f.File)
	}
	for _, s := range v.last.Shards {
		if _, there := slices.BinarySearch(inv.Parts, s.Part); !there {
			v.found(s.Part, "the part does not exist, though _SUCCESS does: run again")
		}
	}
}

// orphans names the parts whose input was gone when the last run ended: the input itself is not looked at.
func (v *verifier) orphans(inv *writers.Inventory) {
	if v.last == nil {
		return
	}
	for _, name := range v.last.Orphaned {
		if _, there := slices.BinarySearch(inv.Parts, name); there {
			v.report.Orphaned++
			v.found(name, "its input was gone, or renamed, when run %s ended: run with --prune to remove such parts", v.last.RunID)
		}
	}
}

// coverage compares the parts with the inputs: every row group must have exactly one part. Where a part could not be
// seen, nobody can say which has none.
func (v *verifier) coverage() {
	byInput := map[string][]*part.Footer{}
	for _, l := range v.footers {
		byInput[l.Input] = append(byInput[l.Input], l)
	}
	for _, name := range slices.Sorted(maps.Keys(v.files)) {
		f := v.files[name]
		if f.Refused != "" {
			v.found(name, "the input cannot be read: %s", f.Refused)
			continue
		}
		parts := byInput[name]
		slices.SortFunc(parts, func(a, b *part.Footer) int { return a.FirstGroup - b.FirstGroup })
		next := 0
		for _, l := range parts {
			switch {
			case l.FirstGroup > next && !v.unseen:
				v.found(name, "row groups %d to %d of the input have no part: run again", next, l.FirstGroup-1)
			case l.FirstGroup < next:
				v.found(l.Part, "row groups of the input from %d on are in two parts", l.FirstGroup)
			}
			next = max(next, l.LastGroup+1)
		}
		if v.unseen {
			continue
		}
		if len(parts) == 0 {
			v.found(name, "the input has no part: run again")
		} else if next < f.Groups {
			v.found(name, "row groups %d to %d of the input have no part: run again", next, f.Groups-1)
		}
	}
}

// undisturbed says whether a run changed the output meanwhile.
func (v *verifier) undisturbed(ctx context.Context, before *writers.Inventory) error {
	if err := v.view.CheckFree(); err != nil {
		return err
	}
	after, err := v.view.List(ctx)
	if err != nil {
		return err
	}
	if after.Success != before.Success || after.Records != before.Records || !slices.Equal(after.Parts, before.Parts) {
		e := &writers.LockedError{Path: v.cfg.Dir}
		h, err := v.view.Holder()
		if err != nil {
			return err
		}
		if h != nil {
			e.PID, e.Host, e.RunID, e.Start = h.PID, h.Host, h.RunID, h.Start
		}
		return e
	}
	return nil
}
