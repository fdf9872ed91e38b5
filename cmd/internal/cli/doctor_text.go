package cli

import (
	"fmt"
	"io"
	"strings"

	"graphscore/jobs/preflight"
	"graphscore/pipeline/display"
	"graphscore/pipeline/exit"
)

// printFindings prints a line for each check, and one on what they come to.
func printFindings(stdout io.Writer, f *preflight.Findings, format string) error {
	if format == "json" {
		return display.JSON(stdout, f)
	}
	var b strings.Builder
	for i := range f.Checks {
		c := &f.Checks[i]
		b.WriteString(display.Paragraph(fmt.Sprintf("%-5s %-9s ", c.Severity, c.Check), c.Text))
	}
	_, err := fmt.Fprintf(stdout, "%s%s\n", b.String(), findingsVerdict(f))
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
