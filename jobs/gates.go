package jobs

import (
	"fmt"
	"iter"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Gates are what an output must pass to be given its _SUCCESS. The parts stay where one fails, and the next run
// looks again. A gate that is not set is not looked at.
type Gates struct {
	// QuarantineRate is the largest share of the graphs that may be in quarantine; nil: any.
	QuarantineRate *Share `yaml:"quarantine_rate"`
	// MinGraphs is how many graphs the input must hold; 0: none.
	MinGraphs int64 `yaml:"min_graphs"`
	// MaxInputAge is how long ago the newest input file may have been written when the run starts; 0: any time.
	MaxInputAge Duration `yaml:"max_input_age"`
	// Drift bounds how far scores may be from those of another output; nil: it is not read.
	Drift *Drift `yaml:"drift"`
}

// Any says whether a gate is set.
func (g Gates) Any() bool {
	return g.QuarantineRate != nil || g.MinGraphs > 0 || g.MaxInputAge > 0 || g.Drift != nil
}

// Drift bounds how far the scores of an output may be from those of another one. A limit that is nil holds
// nothing back.
type Drift struct {
	// Against is the folder of the other output. In a partitioned job it may have a {date}: then it is that of the
	// last earlier date which has its _SUCCESS. Default, where the output has a {date}: output.path.
	Against string `yaml:"against"`
	// PSI and KS bound the distance of the distributions of each score column, as package diff defines them.
	PSI *float64 `yaml:"psi"`
	KS  *float64 `yaml:"ks"`
	// Mean bounds the mean change, up or down, over the nodes that both outputs have, of each score column; Max the
	// largest change of one node.
	Mean *float64 `yaml:"mean"`
	Max  *float64 `yaml:"max"`
}

// Share is a part of a whole, from 0 to 1, in YAML as 1% or 0.01.
type Share float64

// UnmarshalYAML implements yaml.NodeUnmarshaler.
func (s *Share) UnmarshalYAML(node ast.Node) error {
	v, err := ParseShare(text(node))
	if err != nil {
		return misplaced(node, "%v", err)
	}
	if v == 1 && !strings.HasSuffix(text(node), "%") {
		return misplaced(node, "%s may be 1%% or 100%%: write it with its %%", text(node))
	}
	*s = v
	return nil
}

// ParseShare reads a share as in a job file.
func ParseShare(v string) (Share, error) {
	number, percent := strings.CutSuffix(strings.TrimSpace(v), "%")
	if percent { // 0.7% is the same number as 0.007, which a division would miss by a bit
		number = strings.TrimSpace(number) + "e-2"
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !(n >= 0 && n <= 1) {
		return 0, fmt.Errorf("%q is not a share: write 1%% or 0.01, from 0%% to 100%%", v)
	}
	return Share(n), nil
}

// Series says which date of a partitioned job a job is.
type Series struct {
	Date Date
	// Of is the job with its {date}.
	Of *Job
}

// earliest is how many dates before its own a job looks for an output to compare with.
const earliest = 400

// Earlier yields the outputs that the scores of a job may be compared with, the likeliest first: what
// gates.drift.against names, or else, in the job of one date, the outputs of the dates before it. Whether they are
// there is not looked at.
func (j Job) Earlier() iter.Seq[string] {
	path := ""
	if j.Series != nil && j.Series.Of.OutputDated() {
		path = j.Series.Of.Output.Path
	}
	if d := j.Gates.Drift; d != nil && d.Against != "" {
		path = d.Against
	}
	return func(yield func(string) bool) {
		switch {
		case path == "":
		case len(layouts(path)) == 0:
			if path != j.Output.Path {
				yield(path)
			}
		case j.Series != nil:
			j.Series.before(path, j.Output.Path, yield)
		}
	}
}

// DriftDated says whether gates.drift compares one date of a partitioned job with earlier ones.
func (j Job) DriftDated() bool {
	d := j.Gates.Drift
	return d != nil && (d.Against == "" && j.OutputDated() || len(layouts(d.Against)) > 0)
}

// before yields a path at the dates before that of the job, but never its own.
func (s *Series) before(path, own string, yield func(string) bool) {
	calendar, _ := s.Of.calendar() // the date came from it
	d := s.Date
	for range earliest {
		d = d.previous()
		if at := expand(path, d); calendar.Exists(d) && at != own && !yield(at) {
			return
		}
	}
}

func (j Job) validateGates() error {
	g := j.Gates
	switch {
	case g.QuarantineRate != nil && !(*g.QuarantineRate >= 0 && *g.QuarantineRate <= 1):
		return fmt.Errorf("gates.quarantine_rate is %v: it must be from 0%% to 100%%", *g.QuarantineRate)
	case g.MinGraphs < 0:
		return fmt.Errorf("gates.min_graphs is %d: it must be at least 0", g.MinGraphs)
	case g.MaxInputAge < 0:
		return fmt.Errorf("gates.max_input_age is %v: it must be a time span, such as 36h", time.Duration(g.MaxInputAge))
	case g.Drift == nil:
		return nil
	}
	if err := g.Drift.validate(); err != nil {
		return err
	}
	return j.validateAgainst(g.Drift.Against)
}

func (d *Drift) validate() error {
	limits := 0
	for _, l := range []struct {
		key   string
		value *float64
		most  float64
	}{{"psi", d.PSI, math.MaxFloat64}, {"ks", d.KS, 1}, {"mean", d.Mean, math.MaxFloat64}, {"max", d.Max, math.MaxFloat64}} {
		switch {
		case l.value == nil:
			continue
		case !(*l.value >= 0 && *l.value <= l.most) && l.most == 1:
			return fmt.Errorf("gates.drift.%s is %v: it must be from 0 to 1", l.key, *l.value)
		case !(*l.value >= 0 && *l.value <= l.most):
			return fmt.Errorf("gates.drift.%s is %v: it must be a number of at least 0", l.key, *l.value)
		}
		limits++
	}
	if limits == 0 {
		return fmt.Errorf("gates.drift sets no limit: give psi, ks, mean or max")
	}
	return nil
}

// validateAgainst wants another output than the one that is written.
func (j Job) validateAgainst(against string) error {
	const key = "gates.drift.against"
	dated := len(layouts(against)) > 0
	whole := &j
	if j.Series != nil {
		whole = j.Series.Of
	}
	switch {
	case against == "" && !whole.OutputDated():
		return fmt.Errorf("%s is missing: name the output to compare with (only where output.path has a {date}, it is that of an earlier date)", key)
	case dated && !whole.Partitioned():
		return fmt.Errorf("%s has a {date}, but neither input.path nor output.path has one: name one output", key)
	case against != "" && !dated && samePath(against, j.Output.Path):
		return fmt.Errorf("%s is the output itself, %s: name another output to compare with", key, j.Output.Path)
	}
	for _, brace := range placeholder.FindAllString(against, -1) {
		l, is := layout(brace)
		if !is {
			return fmt.Errorf("%s has the unknown placeholder %s: write {date}, or a path without braces", key, brace)
		}
		if err := validateLayout(l); err != nil {
			return fmt.Errorf("%s: %s %w", key, brace, err)
		}
	}
	return nil
}

func samePath(a, b string) bool {
	absA, errA := filepath.Abs(a)
	absB, errB := filepath.Abs(b)
	return errA == nil && errB == nil && absA == absB
}
