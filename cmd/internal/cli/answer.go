package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"graphscore/jobs/run"
	"graphscore/pipeline/display"
)

// ending is what every object of --json has first: how the command ended.
type ending struct {
	// Code is the exit code of the process.
	Code int `json:"code"`
	// Error says in a sentence why the code is not 0. It is "" for 0.
	Error string `json:"error"`
}

// endingOf is how a command ends.
func endingOf(err error) ending {
	if err == nil {
		return ending{}
	}
	return ending{run.ExitCode(err), strings.TrimSpace(err.Error())}
}

// bindJSON binds --json, which every command has; what says what its object is.
func (e *env) bindJSON(cmd *cobra.Command, what string) {
	cmd.Flags().BoolVar(&e.asJSON, "json", false, what+", and nothing else there; it has code and error, however the command ends")
}

// bindFormat binds --format of a command, and --json, which is short for --format json.
func (e *env) bindFormat(cmd *cobra.Command, format *string) {
	cmd.Flags().StringVar(format, "format", "text", "output as text or json")
	e.bindJSON(cmd, "print one JSON object on standard output, as --format json does")
}

// checkFormat refuses a format that is not one of those known, and one that --json contradicts. Of a command that was asked
// for JSON every ending is an object.
func (e *env) checkFormat(cmd *cobra.Command, format *string) error {
	switch {
	case *format != "text" && *format != formatJSON:
		return usagef("--format is %q: it must be text or json", *format)
	case e.asJSON && cmd.Flags().Changed("format") && *format != formatJSON:
		return usagef("--json and --format %s exclude each other: keep one", *format)
	case e.asJSON:
		*format = formatJSON
	}
	e.asJSON = *format == formatJSON
	return nil
}

// understood reads those flags that say how a command speaks from a command line that cannot be understood as a whole.
func (e *env) understood() {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	asJSON, help := flags.Bool("json", false, ""), flags.BoolP("help", "h", false, "")
	logFormat, format := flags.String("log-format", e.logFormat, ""), flags.String("format", "", "")
	_ = flags.Parse(e.args) // what was read before an error counts
	e.asJSON = e.asJSON || (*asJSON || *format == formatJSON) && !*help
	if *logFormat == formatJSON {
		e.openVoice()
	}
}

// answered prints the object of --json, once, for a command that ends with err. It returns how the command ends then: a
// standard output that takes nothing is a failure.
func (e *env) answered(ctx context.Context, err error) error {
	if !e.asJSON || e.printed {
		return err
	}
	e.printed = true
	end := endingOf(err)
	var object any = end
	if e.answer != nil {
		object = e.answer(end)
	}
	failed := e.printObject(object)
	if e.log == nil { // the command did not begin, and has failed
		return err
	}
	return run.FirstFailure(ctx, e.log, err, failed)
}

// printObject prints one object. In a log in JSON, which may take both streams, it is a line.
func (e *env) printObject(object any) error {
	if e.voice == nil {
		return display.JSON(e.stdout, object)
	}
	text, err := display.CompactJSON(object)
	if err == nil {
		_, err = fmt.Fprintf(e.stdout, "%s\n", text)
	}
	return err
}
