package readers

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"graphscore/readers/internal/column"
)

// FileError says that a file, or the rest of it, cannot be read.
type FileError struct {
	// Path is the file as a user would name it.
	Path string
	// RowGroup is the row group or record batch, -1 where the file as a whole is meant.
	RowGroup int
	// Row counts through the file from 0; -1 where no row is meant.
	Row int64
	// Reason says what is wrong and what to do.
	Reason string
	// Err is the cause, nil where there is no other than Reason. Where the contents made a decoder panic, that is the
	// last error of its chain, for a debug log.
	Err error
	// Rel is the path under the root, as File.Rel, where planning has refused the file; "." is all of an input.
	Rel string
	// Whole: graphs of the file that were read before are wrong as well. Nothing of it may stay in an output.
	Whole bool
}

// Error returns one sentence.
func (e *FileError) Error() string {
	place := ""
	if e.RowGroup >= 0 {
		place = fmt.Sprintf(", row group %d", e.RowGroup)
	}
	if e.Row >= 0 {
		place += fmt.Sprintf(", row %d", e.Row)
	}
	return fmt.Sprintf("reading %s%s: %s", column.Printable(e.Path), place, e.Reason)
}

// Unwrap returns the cause.
func (e *FileError) Unwrap() error { return e.Err }

// OfSystem reports whether the file could not be read because a call of the operating system failed: nothing need be wrong
// with it, and it may be read later or on another machine. That the user may not read it is no such failure.
func (e *FileError) OfSystem() bool {
	var errno syscall.Errno
	return errors.As(e.Err, &errno) && !errors.Is(errno, os.ErrPermission)
}

// permissionDenied is the reason of a file that the user of this process may not read.
const permissionDenied = "permission denied; make it readable for this user"

// NotFoundError says that nothing exists at a path without wildcard.
type NotFoundError struct {
	Path string
	Err  error
}

// Error returns one sentence.
func (e *NotFoundError) Error() string {
	return fmt.Sprintf("input %s is not there; check the path", column.Printable(e.Path))
}

// Unwrap returns the cause.
func (e *NotFoundError) Unwrap() error { return e.Err }

// PlanError says that what was asked for cannot be planned: inputs whose parts would collide, names that no
// part may have, roots without a name. Nothing was read.
type PlanError struct {
	// Path is the input that it is about.
	Path   string
	Reason string
}

// Error returns one sentence.
func (e *PlanError) Error() string {
	return fmt.Sprintf("input %s: %s", column.Printable(e.Path), e.Reason)
}

// UnfinishedError says that nothing is wrong with an input but that its writer has not finished it: try again later.
type UnfinishedError struct {
	// Path is the folder or the file that it is about.
	Path   string
	Reason string
}

// Error returns one sentence.
func (e *UnfinishedError) Error() string {
	return fmt.Sprintf("input %s: %s", column.Printable(e.Path), e.Reason)
}

// ConfigError says that a setting is out of its range.
type ConfigError struct {
	// Field is the name of the setting in the job file.
	Field  string
	Reason string
}

// Error returns one sentence.
func (e *ConfigError) Error() string { return fmt.Sprintf("%s: %s", e.Field, e.Reason) }

// ChangedError says that an input is not what it was when it was planned.
type ChangedError struct {
	// Path is the file, "" where it is about what is read and how.
	Path   string
	Reason string
}

// Error returns one sentence.
func (e *ChangedError) Error() string {
	if e.Path == "" {
		return e.Reason
	}
	return fmt.Sprintf("%s is not what was planned: %s", column.Printable(e.Path), e.Reason)
}
