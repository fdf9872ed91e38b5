// Package exit lists the exit codes of graphscore and what they mean. Help, reports, records and checks all read them
// here. A code speaks of the output as it is after the command, so a resumed run ends like an undisturbed one.
package exit

import (
	"fmt"
	"strings"
)

// The exit codes. Never 2: that is a Go panic.
const (
	// Done: everything was scored.
	Done = 0
	// Other is an error without a code of its own.
	Other = 1
	// Partly: the run ended, but graphs or files were not scored, now or in parts of an earlier run.
	Partly = 3
	// CheckFailed: the command ended, and a gate or a check failed, or more graphs are in quarantine than the job allows.
	CheckFailed = 4
	// Usage: the command line cannot be understood.
	Usage = 64
	// NoInput: no input could be read, or the model folder does not load.
	NoInput = 65
	// NotThere: the input does not exist, or nothing matches and the job does not say that input is optional.
	NotThere = 66
	// NoScorer: no server or worker answers.
	NoScorer = 69
	// Bug: a panic or a wrong count that no input caused.
	Bug = 70
	// CannotCreate: the output cannot be created.
	CannotCreate = 73
	// IO: reading or writing failed.
	IO = 74
	// Locked: nothing is wrong, try again later: another run holds the output, the input is not finished, or the time of
	// the run is over.
	Locked = 75
	// Contract: the scorer answered with something that it must not.
	Contract = 76
	// Auth: TLS or credentials failed.
	Auth = 77
	// Config: the job cannot be run, or resuming is refused.
	Config = 78
	// Interrupted: SIGINT stopped the command.
	Interrupted = 130
	// Terminated: SIGTERM stopped the command.
	Terminated = 143
)

// Entry is one code with its meaning.
type Entry struct {
	Code    int
	Meaning string // a few words without a full stop
}

// Table returns every code, in ascending order. The caller owns the slice.
func Table() []Entry {
	return []Entry{
		{Done, "done"},
		{Other, "an error without a code of its own"},
		{Partly, "done, but some graphs or files were not scored"},
		{CheckFailed, "a gate, limits.max_quarantined or a check failed (validate, verify, diff)"},
		{Usage, "wrong usage"},
		{NoInput, "no input could be read, or the model folder does not load"},
		{NotThere, "the input does not exist, or nothing matches (see input.optional)"},
		{NoScorer, "the scorer is unavailable after retries, or no worker can be started"},
		{Bug, "a bug in graphscore"},
		{CannotCreate, "the output cannot be created"},
		{IO, "reading or writing failed"},
		{Locked, "try again later: output is held, input not finished, or run_deadline over"},
		{Contract, "the scorer broke its contract"},
		{Auth, "TLS or credentials"},
		{Config, "the job cannot be run, or resuming is refused"},
		{Interrupted, "SIGINT"},
		{Terminated, "SIGTERM"},
	}
}

// Meaning returns what a code means in a few words, "" for a number that is no exit code of graphscore.
func Meaning(code int) string {
	for _, e := range Table() {
		if e.Code == code {
			return e.Meaning
		}
	}
	return ""
}

// Help returns the section of --help that lists the codes: an empty line, a heading and one line per code.
func Help() string {
	var b strings.Builder
	b.WriteString("\nExit codes:\n")
	for _, e := range Table() {
		fmt.Fprintf(&b, "  %-3d %s\n", e.Code, e.Meaning)
	}
	return b.String()
}

// Ended reports whether a run with this code came to its end: it committed all it could, and its record is complete.
// Every other code is that of a run that was refused, failed or was stopped.
func Ended(code int) bool { return code == Done || code == Partly || code == CheckFailed }
