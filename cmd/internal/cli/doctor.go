package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"graphscore/pipeline"
	"graphscore/pipeline/display"
)

func (e *env) doctorCommand() *cobra.Command {
	f := &jobFlags{}
	var format string
	cmd := &cobra.Command{
		Use:   "doctor [JOB.yaml]",
		Short: "Check whether a run can work on this machine, and say what to do",
		Long: "Doctor checks one by one what a run needs: the job, rights, the lock, the\n" +
			"workers or servers, the model, the parts that stand, those gates that the input\n" +
			"alone decides, space, clock and memory.\n" +
			"It goes on where a check fails, scores nothing and changes nothing. It exits\n" +
			"with 0, or with the code that a run would end with.",
		Example: "  graphscore doctor job.yaml\n  graphscore doctor nightly.yaml --date 2026-01-31",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkFormat(format); err != nil {
				return err
			}
			d := &doctor{dryRun: dryRun{run: run{env: e, flags: f, session: &session{}, progress: &pipeline.Progress{}}}}
			job, err := f.job(cmd, args)
			if err == nil {
				job, d.date, err = e.onDate(f, job)
			}
			d.job, d.jobErr = job, err
			return d.examine(cmd.Context(), format)
		},
	}
	f.bindInput(cmd)
	f.bindScorer(cmd)
	f.bindOutput(cmd)
	f.bindDate(cmd)
	bindFormat(cmd, &format)
	return cmd
}

// doctor is a dry run that goes on where a run would end.
type doctor struct {
	dryRun
	jobErr   error
	findings []finding
}

// mark says how a check ended.
type mark string

const (
	sound  mark = "ok"
	doubt  mark = "warn"
	failed mark = "FAIL"
)

// finding is what one check found.
type finding struct {
	Check string `json:"check"`
	Mark  mark   `json:"mark"`
	Text  string `json:"text"`
	// ExitCode is that of a run because of this finding.
	ExitCode int `json:"exit_code"`

	err  error
	when moment // a run meets it
}

// moment is when a run meets what a finding is about.
type moment int

const (
	starting moment = iota // before it scores anything
	scoring
	holding // the output against its gates
	ending  // once all went through
	moments
)

func passed(format string, args ...any) finding {
	return finding{Mark: sound, Text: fmt.Sprintf(format, args...)}
}
func doubted(format string, args ...any) finding {
	return finding{Mark: doubt, Text: fmt.Sprintf(format, args...)}
}

// fails is a finding that ends a run with err.
func fails(err error) finding {
	return finding{Mark: failed, Text: strings.TrimSpace(err.Error()), err: err}
}

// unchecked is a finding about what cannot be looked at, as something before it failed.
func unchecked(what string) finding { return doubted("not checked: %s", what) }

// check is one thing that a run needs. Checks come in the order in which a run meets what they look at.
type check struct {
	name string
	look func(context.Context) finding
}

func (d *doctor) checks() []check {
	return []check{
		{"job", d.checkJob},
		{"watch", d.checkWatch},
		{"paths", d.checkPaths},
		{"input", d.checkInput},
		{"output", d.checkOutput},
		{"lock", d.checkLock},
		{"tls", d.checkTLS},
		{"scorer", d.checkScorer},
		{"model", d.checkWidth},
		{"messages", d.checkMessages},
		{"parts", d.checkParts},
		{"gates", d.checkGates},
		{"space", d.checkSpace},
		{"memory", d.checkMemory},
		{"clock", d.checkClock},
	}
}

// examine runs all checks, tells what they found, and gives the error that a run would meet first.
func (d *doctor) examine(ctx context.Context, format string) error {
	for _, c := range d.checks() {
		f := c.look(ctx)
		if err := ctx.Err(); err != nil {
			return errors.Join(err, d.session.Close())
		}
		f.Check, f.ExitCode = c.name, exitCode(f.err)
		d.findings = append(d.findings, f)
	}
	err := errors.Join(d.say(format), d.session.Close())
	if err != nil {
		return err
	}
	return d.first()
}

// first is the error that a run would meet first.
func (d *doctor) first() error {
	for when := range moments {
		for _, f := range d.findings {
			if f.err != nil && f.when == when {
				return f.err
			}
		}
	}
	return nil
}

// say prints the findings.
func (d *doctor) say(format string) error {
	if format == "json" {
		return display.JSON(d.stdout, struct {
			Checks   []finding `json:"checks"`
			ExitCode int       `json:"exit_code"`
		}{d.findings, exitCode(d.first())})
	}
	var b strings.Builder
	for _, f := range d.findings {
		b.WriteString(display.Paragraph(fmt.Sprintf("%-5s %-9s ", f.Mark, f.Check), f.Text))
	}
	_, err := fmt.Fprintf(d.stdout, "%s%s\n", b.String(), d.verdict())
	return err
}

// verdict is the last line.
func (d *doctor) verdict() string {
	var warnings int64
	for _, f := range d.findings {
		if f.Mark == doubt {
			warnings++
		}
	}
	switch code := exitCode(d.first()); {
	case code != exitDone:
		return fmt.Sprintf("a run would end with %d", code)
	case warnings > 0:
		return "a run can work; see the " + display.Plural(warnings, "warning")
	}
	return "all is well"
}
