package preflight

import (
	"context"
	"fmt"
	"strings"

	"graphscore/jobs/run"
)

// Severity is how a check ended.
type Severity string

// The severities as text and JSON have them.
const (
	OK   Severity = "ok"
	Warn Severity = "warn"
	Fail Severity = "FAIL"
)

// Finding is what one check found.
type Finding struct {
	Check    string   `json:"check"`
	Severity Severity `json:"mark"`
	Text     string   `json:"text"`
	// ExitCode is that of a run because of this finding.
	ExitCode int `json:"exit_code"`

	err   error
	phase phase // in which a run meets it
}

// phase is when a run meets what a finding is about.
type phase int

const (
	opening   phase = iota // up to the lock of the output
	serving                // its metrics, unless another run has the lock
	entering               // an output that exists
	preflight              // then, before it scores anything
	scoring
	gating // compares the output with its gates
	ending // once all went through
	phases
)

func ok(format string, args ...any) Finding {
	return Finding{Severity: OK, Text: fmt.Sprintf(format, args...)}
}

func warn(format string, args ...any) Finding {
	return Finding{Severity: Warn, Text: fmt.Sprintf(format, args...)}
}

// fail is a finding that ends a run with err.
func fail(p phase, err error) Finding {
	return Finding{Severity: Fail, Text: strings.TrimSpace(err.Error()), err: err, phase: p}
}

// unchecked is a finding about what cannot be looked at, as something before it failed.
func unchecked(why string) Finding { return warn("not checked: %s", why) }

// Findings are those of all checks.
type Findings struct {
	Checks   []Finding `json:"checks"`
	ExitCode int       `json:"exit_code"` // that a run would end with, as far as is known

	// Ends is the error that a run would meet first, nil for none.
	Ends error `json:"-"`
}

// Warnings counts the findings that no run ends for.
func (f *Findings) Warnings() (n int64) {
	for i := range f.Checks {
		if f.Checks[i].Severity == Warn {
			n++
		}
	}
	return n
}

// check is one thing that a run needs.
type check struct {
	name string
	// needs is what must be known to look; lacking says what is missing where it is not.
	needs   fact
	lacking string
	// idle: a run without input needs it as well.
	idle bool
	look func(context.Context, *known) Finding
}

// fact is what a check finds out for those after it; facts are sets of them.
type fact uint

const (
	haveJob fact = 1 << iota
	haveInput
	haveScorer
	haveParts
)

// known is what the checks so far have found out. have says which fields count.
type known struct {
	cfg  run.Config
	have fact

	in           *run.Input
	served       run.Served
	workerMemory int64 // peak of a worker that has started and not scored, in bytes; 0 without local workers
	width        int
	comparison   *comparison
}

func (k *known) knows(facts fact) bool { return k.have&facts == facts }

// idle reports whether a run would end before it takes the output: nothing matches.
func (k *known) idle() bool { return k.knows(haveInput) && idle(k.in) }

// checks come in the order in which a run meets what they look at, but for the rights to an output that exists: a
// run takes the lock first.
func checks(jobErr error) []check {
	const noJob = "the job cannot be used"
	return []check{
		{name: "job", idle: true, look: func(_ context.Context, k *known) Finding { return checkJob(k, jobErr) }},
		{"watch", haveJob, noJob, true, checkWatch},
		{"paths", haveJob, noJob, true, checkPaths},
		{"input", haveJob, noJob, true, checkInput},
		{"output", haveJob, noJob, false, checkOutput},
		{"lock", haveJob, noJob, false, checkLock},
		{"tls", haveJob, noJob, false, checkTLS},
		{"scorer", haveJob, noJob, false, checkScorer},
		{"model", haveInput | haveScorer, "there is no input or no model to look at", false, checkModel},
		{"messages", haveScorer, "nothing scores", false, checkMessages},
		{"parts", haveInput | haveScorer, "there is no input or no model to compare parts with", false, checkParts},
		{"gates", haveInput, "there is no input to look at", true, checkGates},
		{"space", haveJob, noJob, false, checkSpace},
		{"memory", haveJob, noJob, false, checkMemory},
		{name: "clock", look: checkClock},
	}
}

// Check makes every check of cfg, goes on where one fails, scores nothing and changes nothing. jobErr is why there is
// no job, nil where cfg has one. The error is that of ctx.
func Check(ctx context.Context, cfg run.Config, jobErr error) (*Findings, error) {
	k, found := &known{cfg: cfg}, &Findings{}
	for _, c := range checks(jobErr) {
		f := unchecked(c.lacking)
		if k.knows(c.needs) {
			f = c.look(ctx, k)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if f.err != nil && k.idle() && !c.idle {
			f = warn("%s (there is no input, so a run ends before)", f.Text)
		}
		f.Check, f.ExitCode = c.name, run.ExitCode(f.err)
		found.Checks = append(found.Checks, f)
	}
	found.Ends = firstMet(found.Checks)
	found.ExitCode = run.ExitCode(found.Ends)
	return found, nil
}

// firstMet is the error that a run would meet first, nil for none.
func firstMet(findings []Finding) error {
	for p := range phases {
		for i := range findings {
			if f := &findings[i]; f.err != nil && f.phase == p {
				return f.err
			}
		}
	}
	return nil
}
