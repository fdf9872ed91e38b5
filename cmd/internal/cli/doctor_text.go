package cli

import (
	"fmt"
	"strings"

	"graphscore/jobs/preflight"
	"graphscore/pipeline/display"
	"graphscore/pipeline/exit"
)

// doctorObject is what doctor found as --json prints it.
type doctorObject struct {
	ending
	*preflight.Findings
}

// printFindings prints a line for each check, and one on what they come to.
func (e *env) printFindings(f *preflight.Findings) error {
	if e.asJSON {
		e.answer = func(end ending) any { return doctorObject{end, f} }
		return nil
	}
	var b strings.Builder
	for i := range f.Checks {
		c := &f.Checks[i]
		b.WriteString(display.Paragraph(fmt.Sprintf("%-5s %-9s ", c.Severity, c.Check), c.Text))
	}
	_, err := fmt.Fprintf(e.stdout, "%s%s\n", b.String(), findingsVerdict(f))
	return err
}

// findingsVerdict is the last line.
func findingsVerdict(f *preflight.Findings) string {
	if f.ExitCode != exit.Done {
		return fmt.Sprintf("a run would end with %d", f.ExitCode)
	}
	if n := f.Warnings(); n > 0 {
		return "ready to run, " + display.Plural(n, "warning")
	}
	return "ready to run"
}
