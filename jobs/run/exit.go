package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"time"

	"graphscore/jobs"
	"graphscore/jobs/gates"
	"graphscore/pipeline"
	"graphscore/pipeline/diff"
	"graphscore/pipeline/display"
	"graphscore/pipeline/exit"
	"graphscore/pipeline/local"
	"graphscore/pipeline/observe"
	"graphscore/pipeline/remote"
	"graphscore/pipeline/report"
	"graphscore/readers"
	"graphscore/readers/extract"
	"graphscore/writers"
	"graphscore/writers/atomic"
	"graphscore/writers/part"
	"graphscore/writers/record"
)

// OutcomeError is a command that came to its end, and ends with a code other than 0.
type OutcomeError struct {
	Code    int
	Message string
	Said    bool // the command has printed it already
}

func (e *OutcomeError) Error() string { return e.Message }

// noInput is the end of a run that could read nothing.
func noInput() error {
	return &OutcomeError{Code: exit.NoInput, Message: "no input could be read", Said: true}
}

// partly is the end of a run that did not score everything, nil where it did.
func partly(files int, graphs int64) error {
	switch {
	case files > 0:
		return &OutcomeError{Code: exit.Partly, Message: were(int64(files), "file") + " refused", Said: true}
	case graphs > 0:
		return &OutcomeError{Code: exit.Partly, Message: were(graphs, "graph") + " quarantined", Said: true}
	}
	return nil
}

// were counts something that had something done to it: "1 file was", "2 files were".
func were(n int64, noun string) string {
	if n == 1 {
		return display.Plural(n, noun) + " was"
	}
	return display.Plural(n, noun) + " were"
}

// unfinished is the end of a run whose input has files that their writers have not finished, nil where it has none.
func unfinished(files int) error {
	if files == 0 {
		return nil
	}
	return &OutcomeError{Code: exit.Locked, Message: "the input is not finished: by their names, the writers of " +
		display.Plural(int64(files), "file") + " are still at work; the same command scores them later"}
}

// GatesFailed is how a run ends because of its gates, nil where none failed.
func GatesFailed(all []record.Gate) error {
	if failed := gates.Failed(all); len(failed) > 0 {
		return &OutcomeError{Code: exit.CheckFailed, Message: strings.Join(failed, "; "), Said: true}
	}
	return nil
}

// MissingError is an input or an output that does not exist.
type MissingError struct{ Message string }

func (e *MissingError) Error() string { return e.Message }

// OverlapError is an input and an output that overlap.
type OverlapError struct{ What string }

func (e *OverlapError) Error() string { return e.What + ": choose an output folder beside the input" }

// UsageError is a command line that cannot be understood.
type UsageError struct{ Message string }

func (e *UsageError) Error() string { return e.Message }

// SpaceError is a disk that has too little room for the output.
type SpaceError struct{ Message string }

func (e *SpaceError) Error() string { return e.Message }

// SignalError is the signal that stopped a command. It is the cause of the context's end.
type SignalError struct{ Signal syscall.Signal }

func (e *SignalError) Error() string {
	name := "SIGINT"
	if e.Signal == syscall.SIGTERM {
		name = "SIGTERM"
	}
	return fmt.Sprintf("stopped by %s; what is committed stays, the same command continues", name)
}

// DeadlineError is the end of a command whose time was over. It is the cause of the context's end.
type DeadlineError struct{ After time.Duration }

func (e *DeadlineError) Error() string {
	return fmt.Sprintf("stopped after limits.run_deadline = %s; what is committed stays, the same command continues", display.Span(e.After))
}

// Within ends the context when the job's run_deadline is over, counted from now, with a *DeadlineError as its cause. A
// job without one has no end. The caller must call stop.
func Within(ctx context.Context, job *jobs.Job) (within context.Context, stop func()) {
	after := time.Duration(job.Limits.RunDeadline)
	if after <= 0 {
		return ctx, func() {}
	}
	within, cancel := context.WithCancelCause(ctx) // not a deadline of the context: calls would take it for theirs
	timer := time.AfterFunc(after, func() { cancel(&DeadlineError{after}) })
	return within, func() {
		timer.Stop()
		cancel(nil)
	}
}

// Stopped returns the signal, or the end of the time, in the place of an error that only says that ctx ended, else err.
func Stopped(ctx context.Context, err error) error {
	if !errors.Is(err, context.Canceled) {
		return err
	}
	var signal *SignalError
	var late *DeadlineError
	switch cause := context.Cause(ctx); {
	case errors.As(cause, &signal):
		return signal
	case errors.As(cause, &late):
		return late
	}
	return err
}

// IsStopped reports whether a signal or the end of its time ended a command.
func IsStopped(err error) bool {
	var signal *SignalError
	var late *DeadlineError
	return errors.As(err, &signal) || errors.As(err, &late)
}

// ExitCode maps every error to the code of the process: the only place that does.
func ExitCode(err error) int {
	for _, c := range classes() {
		if code, is := c(err); is {
			return code
		}
	}
	return exit.Other
}

// classes are asked in this order.
func classes() []func(error) (int, bool) {
	return []func(error) (int, bool){
		func(err error) (int, bool) { return exit.Done, err == nil },
		func(err error) (int, bool) {
			var e *OutcomeError
			if errors.As(err, &e) {
				return e.Code, true
			}
			return 0, false
		},
		ownCode, signalCode, of[*DeadlineError](exit.Locked),
		of[*pipeline.PanicError](exit.Bug), of[*pipeline.CountError](exit.Bug), of[*writers.CountError](exit.Bug),
		of[*UsageError](exit.Usage),
		of[*MissingError](exit.NotThere), of[*readers.NotFoundError](exit.NotThere),
		of[*readers.PlanError](exit.Config), of[*readers.ChangedError](exit.Config), of[*PlanFileError](exit.Config), of[*readers.FileError](exit.NoInput),
		of[*local.ModelError](exit.NoInput), of[*local.PythonError](exit.NoScorer), of[*local.StartError](exit.NoScorer),
		of[*writers.LockedError](exit.Locked), of[*readers.UnfinishedError](exit.Locked), of[*atomic.CreateError](exit.CannotCreate),
		of[*writers.MismatchError](exit.Config), of[*atomic.IOError](exit.IO), of[*writers.LostError](exit.IO), of[*writers.MovedError](exit.IO), of[*SpaceError](exit.IO),
		of[*report.NotFoundError](exit.NotThere), of[*report.NotOutputError](exit.NoInput), of[*record.Error](exit.NoInput),
		of[*part.DamagedError](exit.NoInput), of[*diff.OutputError](exit.NoInput), of[*diff.LevelError](exit.Config),
		of[*pipeline.ContractError](exit.Contract),
		exportCode, of[*extract.Error](exit.Config), of[*OverlapError](exit.Config), of[*observe.ListenError](exit.Config), of[*readers.ConfigError](exit.Config),
		remoteCode, of[*TLSError](exit.Auth), jobCode,
		of[*fs.PathError](exit.IO),
	}
}

func of[E error](code int) func(error) (int, bool) {
	return func(err error) (int, bool) {
		var e E
		return code, errors.As(err, &e)
	}
}

// ownCode is that of an error which lies above this package and has one.
func ownCode(err error) (int, bool) {
	var e interface {
		error
		EndsWith() int
	}
	if errors.As(err, &e) {
		return e.EndsWith(), true
	}
	return 0, false
}

func signalCode(err error) (int, bool) {
	var e *SignalError
	switch {
	case !errors.As(err, &e):
		return 0, false
	case e.Signal == syscall.SIGTERM:
		return exit.Terminated, true
	default:
		return exit.Interrupted, true
	}
}

func remoteCode(err error) (int, bool) {
	var e *remote.Error
	if !errors.As(err, &e) {
		return 0, false
	}
	switch e.Kind {
	case remote.Unavailable:
		return exit.NoScorer, true
	case remote.Contract:
		return exit.Contract, true
	case remote.Auth:
		return exit.Auth, true
	default:
		return exit.Other, true
	}
}

// jobCode: what is wrong in a job file is 78, what is wrong in flags is 64.
func jobCode(err error) (int, bool) {
	var e *jobs.Error
	if !errors.As(err, &e) {
		return 0, false
	}
	if e.Path == "" {
		return exit.Usage, true
	}
	return exit.Config, true
}
