package local

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"syscall"

	"graphscore/pipeline/display"
)

// ModelError is a model folder that workers cannot load.
type ModelError struct {
	Model string
	// Message is the worker's own.
	Message string
}

// Error is one sentence that names the folder.
func (e *ModelError) Error() string {
	if strings.Contains(e.Message, e.Model) {
		return "the model does not load: " + e.Message
	}
	return fmt.Sprintf("the model %s does not load: %s", e.Model, e.Message)
}

// PythonError is an interpreter that was not found or cannot run workers.
type PythonError struct {
	Python string
	// Message says what is wrong with it.
	Message string
	// Remedy is what to do but for naming another interpreter. Default: to run `make build`.
	Remedy string
}

// Error is one sentence that says what to do.
func (e *PythonError) Error() string {
	return fmt.Sprintf("the Python interpreter %q %s; %s, or name one that has the package graphscore with --python or "+
		"GRAPHSCORE_PYTHON", e.Python, e.Message, cmp.Or(e.Remedy, "run `make build`, which sets one up"))
}

// StartError is a pool that cannot be started or kept running.
type StartError struct {
	// Message is one sentence, with the last words of the worker where there were any.
	Message string
	// Err is the cause where there is one.
	Err error
}

// Error returns the message.
func (e *StartError) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *StartError) Unwrap() error { return e.Err }

// notStarted is the error of an interpreter that the system did not start. Where it met a limit of the machine, the
// interpreter is not to blame.
func notStarted(python string, err error) error {
	limit := raise(err)
	if errors.Is(err, syscall.EAGAIN) { // of fork; of a read or a write it says nothing about processes
		limit = "; allow more processes (ulimit -u, pids.max) and run again"
	}
	if limit != "" {
		return &StartError{Message: fmt.Sprintf("a worker run by %s cannot be started: %v%s", python, display.Cause(err), limit), Err: err}
	}
	return &PythonError{Python: python, Message: fmt.Sprintf("cannot be started (%v)", err)}
}

// raise is which limit of the machine to raise, as the end of a sentence; "" where none was met.
func raise(err error) string {
	if limit := display.Raise(err); limit != "" {
		return "; " + limit + " and run again"
	}
	return ""
}

// Exit codes of a worker that cannot load its model, and of one that has no memory left to receive a request.
const (
	exitModel  = 65
	exitMemory = 71
)

// exitError says what the end of a worker means.
func exitError(cfg Config, state *os.ProcessState, how End, lines []string) error {
	last := lastError(lines)
	if state.ExitCode() == exitModel {
		if last == "" {
			last = "it printed no reason"
		}
		return &ModelError{Model: cfg.Model, Message: last}
	}
	if state.ExitCode() == 1 {
		for _, line := range lines {
			if strings.Contains(line, "No module named") || strings.HasPrefix(line, "ImportError: ") {
				return &PythonError{Python: cfg.Python, Message: "cannot run workers (" + strings.TrimSpace(afterPrefix(line)) + ")"}
			}
		}
	}
	end := state.String()
	switch status, ok := state.Sys().(syscall.WaitStatus); {
	case how.Hung:
		end = "it hung and was killed"
	case how.Memory:
		end = "killed by the system for its memory"
	case ok && status.Signaled() && status.Signal() == syscall.SIGKILL:
		end = "killed by SIGKILL, possibly out of memory"
	}
	return &StartError{Message: fmt.Sprintf("a worker run by %s ended (%s)%s", cfg.Python, end, withOutput(last))}
}

// unstarted says what to do of a worker that ended by itself before it served, for a reason that is none of its own: what ran
// it may be no Python at all.
func unstarted(err error, state *os.ProcessState) error {
	var start *StartError
	if !errors.As(err, &start) || !state.Exited() || state.ExitCode() == exitMemory {
		return err
	}
	return &StartError{Message: start.Message + "; if that is no Python with the package graphscore, name one with --python or GRAPHSCORE_PYTHON", Err: start.Err}
}

// afterPrefix leaves out the name of the interpreter or the exception.
func afterPrefix(line string) string {
	if at := strings.Index(line, "No module named"); at >= 0 {
		return line[at:]
	}
	return strings.TrimPrefix(line, "ImportError: ")
}

// lastError is the last line that reports an error or a warning, without what every line of a worker begins with.
func lastError(lines []string) string {
	for i := len(lines) - 1; i >= 0; i-- {
		if said := parse(lines[i]); said.severity() >= slog.LevelWarn {
			return said.Message
		}
	}
	return ""
}

// withOutput is what a worker printed, as the end of a sentence.
func withOutput(line string) string {
	if line == "" {
		return " and printed nothing"
	}
	return ": " + line
}
