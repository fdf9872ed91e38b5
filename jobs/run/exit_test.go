package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"graphscore/jobs"
	"graphscore/pipeline"
	"graphscore/pipeline/diff"
	"graphscore/pipeline/exit"
	"graphscore/pipeline/local"
	"graphscore/pipeline/observe"
	"graphscore/pipeline/remote"
	"graphscore/readers"
	"graphscore/writers"
	"graphscore/writers/atomic"
	"graphscore/writers/part"
)

func TestExitCode(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		err  error
		want int
	}{
		{"nothing", nil, 0},
		{"no class", errors.New("odd"), 1},
		{"context", context.Canceled, 1},
		{"outcome partly", &OutcomeError{Code: exit.Partly}, 3},
		{"outcome check", &OutcomeError{Code: exit.CheckFailed}, 4},
		{"usage", &UsageError{"no"}, 64},
		{"job of flags", &jobs.Error{Reason: "no"}, 64},
		{"file", &readers.FileError{Path: "a", RowGroup: -1, Row: -1}, 65},
		{"outcome no input", &OutcomeError{Code: exit.NoInput}, 65},
		{"model", &local.ModelError{Model: "m"}, 65},
		{"damaged part", &part.DamagedError{Path: "o/a.parquet"}, 65},
		{"no output", &diff.OutputError{Path: "o"}, 65},
		{"missing", &MissingError{"no"}, 66},
		{"not found", &readers.NotFoundError{Path: "a"}, 66},
		{"python", &local.PythonError{Python: "p"}, 69},
		{"start", &local.StartError{Message: "no"}, 69},
		{"unavailable", &remote.Error{Kind: remote.Unavailable}, 69},
		{"panic", &pipeline.PanicError{Value: "odd"}, 70},
		{"count", &pipeline.CountError{}, 70},
		{"create", &atomic.CreateError{Path: "o", Err: fs.ErrPermission}, 73},
		{"io", &atomic.IOError{Op: "writing", Path: "o", Err: syscall.ENOSPC}, 74},
		{"lost", &writers.LostError{Path: "o/a.parquet"}, 74},
		{"moved", &writers.MovedError{Path: "o"}, 74},
		{"path", &fs.PathError{Op: "open", Path: "o", Err: fs.ErrPermission}, 74},
		{"levels", &diff.LevelError{Old: "o", New: "n"}, 78},
		{"locked", &writers.LockedError{Path: "o"}, 75},
		{"contract", &remote.Error{Kind: remote.Contract}, 76},
		{"contract of the pipeline", &pipeline.ContractError{Field: "scores"}, 76},
		{"auth", &remote.Error{Kind: remote.Auth}, 77},
		{"tls", &TLSError{"server.tls.ca", "ca.pem", &fs.PathError{Op: "open", Path: "ca.pem", Err: fs.ErrNotExist}}, 77},
		{"job file", &jobs.Error{Path: "job.yaml", Reason: "no"}, 78},
		{"plan", &readers.PlanError{Path: "a"}, 78},
		{"taken port", &observe.ListenError{Address: "127.0.0.1:1", Err: syscall.EADDRINUSE}, 78},
		{"setting", &readers.ConfigError{Field: "input.path"}, 78},
		{"overlap", &OverlapError{"out in in"}, 78},
		{"mismatch", &writers.MismatchError{Dir: "o"}, 78},
		{"end of its time", &DeadlineError{time.Hour}, 75},
		{"too many in quarantine", &BudgetError{Allowed: &jobs.Allowance{}}, 4},
		{"interrupted", &SignalError{syscall.SIGINT}, 130},
		{"terminated", &SignalError{syscall.SIGTERM}, 143},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := ExitCode(test.err); got != test.want {
				t.Errorf("exit code %d, expected %d", got, test.want)
			}
			if test.err == nil {
				return
			}
			wrapped := fmt.Errorf("scoring %q: %w", "a", test.err)
			if got := ExitCode(wrapped); got != test.want {
				t.Errorf("exit code %d of the error in another, expected %d", got, test.want)
			}
		})
	}
}

// Of two errors at once, the one that says more about what to do decides.
func TestExitCodeOfSeveral(t *testing.T) {
	t.Parallel()
	io := &atomic.IOError{Op: "writing", Path: "o", Err: syscall.ENOSPC}
	for _, test := range []struct {
		name string
		err  error
		want int
	}{
		{"a signal while a file fails", errors.Join(io, &SignalError{syscall.SIGTERM}), 143},
		{"a bug that breaks a file", errors.Join(io, &pipeline.PanicError{}), 70},
		{"a part that cannot be created for a path", &atomic.CreateError{Path: "o", Err: &fs.PathError{Err: fs.ErrPermission}}, 73},
		{"a file of the input that fails", fmt.Errorf("planning: %w", &readers.FileError{RowGroup: -1, Row: -1, Err: &fs.PathError{Err: fs.ErrPermission}}), 65},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := ExitCode(test.err); got != test.want {
				t.Errorf("exit code %d, expected %d", got, test.want)
			}
		})
	}
}

// What --help and jobs/SCRIPTING.md list is what can be.
func TestExitCodesAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../SCRIPTING.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(page), "## Exit codes")
	if !found {
		t.Fatal("jobs/SCRIPTING.md lists no exit codes")
	}
	table, _, _ = strings.Cut(table, "\n## ")
	codes := map[string]*regexp.Regexp{"--help": regexp.MustCompile(`(?m)^  (\d+) `), "SCRIPTING.md": regexp.MustCompile(`(?m)^\| (\d+)(?:, (\d+))? \|`)}
	for name, text := range map[string]string{"--help": exit.Help(), "SCRIPTING.md": table} {
		listed := map[int]bool{}
		for _, match := range codes[name].FindAllStringSubmatch(text, -1) {
			for _, code := range match[1:] {
				if n, err := strconv.Atoi(code); err == nil {
					listed[n] = true
				}
			}
		}
		for _, code := range []int{
			exit.Done, exit.Other, exit.Partly, exit.CheckFailed, exit.Usage, exit.NoInput, exit.NotThere, exit.NoScorer, exit.Bug,
			exit.CannotCreate, exit.IO, exit.Locked, exit.Contract, exit.Auth, exit.Config, exit.Interrupted, exit.Terminated,
		} {
			if !listed[code] {
				t.Errorf("%s does not list %d", name, code)
			}
			delete(listed, code)
		}
		if len(listed) > 0 {
			t.Errorf("%s lists %v, which never is", name, listed)
		}
	}
}
