package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/spf13/cobra"

	"graphscore/jobs"
	"graphscore/pipeline"
	"graphscore/pipeline/diff"
	"graphscore/pipeline/exit"
	"graphscore/pipeline/local"
	"graphscore/pipeline/observe"
	"graphscore/pipeline/remote"
	"graphscore/pipeline/report"
	"graphscore/readers"
	"graphscore/writers"
	"graphscore/writers/atomic"
	"graphscore/writers/part"
	"graphscore/writers/record"
)

// The exit codes, as this package calls them: see package exit.
const (
	exitDone         = exit.Done
	exitOther        = exit.Other
	exitPartly       = exit.Partly
	exitCheckFailed  = exit.CheckFailed
	exitUsage        = exit.Usage
	exitNoInput      = exit.NoInput
	exitNotThere     = exit.NotThere
	exitNoScorer     = exit.NoScorer
	exitBug          = exit.Bug
	exitCannotCreate = exit.CannotCreate
	exitIO           = exit.IO
	exitLocked       = exit.Locked
	exitContract     = exit.Contract
	exitAuth         = exit.Auth
	exitConfig       = exit.Config
	exitInterrupted  = exit.Interrupted
	exitTerminated   = exit.Terminated
)

// usageError is a command line that cannot be understood.
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// outcomeError is a command that worked and ends with a code other than 0.
type outcomeError struct {
	code    int
	message string
	said    bool // the command has told it already
}

func (e *outcomeError) Error() string { return e.message }

// missingError is an input that is not there.
type missingError struct{ message string }

func (e *missingError) Error() string { return e.message }

// noArgs refuses arguments.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no arguments, not %q: see %s --help", cmd.CommandPath(), args[0], cmd.CommandPath())
	}
	return nil
}

// exitCode maps every error to the code of the process: the only place that does.
func exitCode(err error) int {
	for _, c := range classes {
		if code, is := c(err); is {
			return code
		}
	}
	return exitOther
}

// classes are asked in this order.
var classes = []func(error) (int, bool){
	func(err error) (int, bool) { return exitDone, err == nil },
	func(err error) (int, bool) {
		var e *outcomeError
		if errors.As(err, &e) {
			return e.code, true
		}
		return 0, false
	},
	signalCode,
	of[*pipeline.PanicError](exitBug), of[*pipeline.CountError](exitBug), of[*writers.CountError](exitBug),
	of[*usageError](exitUsage),
	of[*missingError](exitNotThere), of[*readers.NotFoundError](exitNotThere),
	of[*readers.PlanError](exitConfig), of[*readers.FileError](exitNoInput),
	of[*local.ModelError](exitNoInput), of[*local.PythonError](exitNoScorer), of[*local.StartError](exitNoScorer),
	of[*writers.LockedError](exitLocked), of[*atomic.CreateError](exitCannotCreate),
	of[*writers.MismatchError](exitConfig), of[*atomic.IOError](exitIO), of[*spaceError](exitIO),
	of[*report.NotFoundError](exitNotThere), of[*report.NotOutputError](exitNoInput), of[*record.Error](exitNoInput),
	of[*part.DamagedError](exitNoInput), of[*diff.OutputError](exitNoInput),
	of[*pipeline.ContractError](exitContract),
	of[*overlapError](exitConfig), of[*observe.ListenError](exitConfig), of[*readers.ConfigError](exitConfig),
	remoteCode, of[*tlsError](exitAuth), jobCode,
	of[*fs.PathError](exitIO),
}

func of[E error](code int) func(error) (int, bool) {
	return func(err error) (int, bool) {
		var e E
		return code, errors.As(err, &e)
	}
}

func signalCode(err error) (int, bool) {
	var e *signalError
	switch {
	case !errors.As(err, &e):
		return 0, false
	case e.signal == syscall.SIGTERM:
		return exitTerminated, true
	default:
		return exitInterrupted, true
	}
}

func remoteCode(err error) (int, bool) {
	var e *remote.Error
	if !errors.As(err, &e) {
		return 0, false
	}
	switch e.Kind {
	case remote.Unavailable:
		return exitNoScorer, true
	case remote.Contract:
		return exitContract, true
	case remote.Auth:
		return exitAuth, true
	default:
		return exitOther, true
	}
}

// jobCode: what is wrong in a job file is 78, what is wrong in flags is 64.
func jobCode(err error) (int, bool) {
	var e *jobs.Error
	if !errors.As(err, &e) {
		return 0, false
	}
	if e.Path == "" {
		return exitUsage, true
	}
	return exitConfig, true
}
