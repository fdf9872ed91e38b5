package atomic

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"graphscore/pipeline/display"

	"github.com/dustin/go-humanize"
)

// CreateError says that the output, or a file or folder in it, cannot be created.
type CreateError struct {
	Path string
	Err  error
	// Remedy is what to do. Default: what helps where the place cannot be written to.
	Remedy string
}

func (e *CreateError) Error() string {
	remedy := "choose another output, or make this one writable"
	switch {
	case e.Remedy != "":
		remedy = e.Remedy
	case errors.Is(e.Err, syscall.ENOTDIR): // no right to write would help
		remedy = "choose another output"
	}
	return fmt.Sprintf("cannot create the output %q: %v: %s", e.Path, display.Cause(e.Err), remedy)
}

func (e *CreateError) Unwrap() error { return e.Err }

// Creating returns the error for a file or folder that could not be created: an *IOError where the disk is full or
// broken, else a *CreateError, and nil for nil.
func Creating(path string, err error) error {
	if err == nil {
		return nil
	}
	for _, hardware := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.EMFILE, syscall.ENFILE} {
		if errors.Is(err, hardware) {
			return &IOError{Op: "creating", Path: path, Err: err}
		}
	}
	return &CreateError{Path: path, Err: err}
}

// Absent reports whether an error of a look says that nothing has the name. After any other error nobody can say.
func Absent(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) }

// LookingFor returns the error for a name of which nobody can say whether it exists.
func LookingFor(path string, err error) error {
	return &IOError{Op: "looking for", Path: path, Err: err}
}

// IOError says that a file of the output could not be written or read. What was committed before stays.
type IOError struct {
	// Op says what was tried: "writing", "syncing", "renaming", ...
	Op, Path string
	Err      error
	// Written is the number of bytes that reached the file, Need how many more the failing call had to write.
	Written, Need int64
}

func (e *IOError) Error() string {
	at := fmt.Sprintf("%s %q: %v", e.Op, e.Path, display.Cause(e.Err))
	if errors.Is(e.Err, syscall.ENOSPC) || errors.Is(e.Err, syscall.EDQUOT) {
		if e.Need > 0 {
			at += fmt.Sprintf(" after %s, at least %s more are needed",
				humanize.IBytes(uint64(e.Written)), humanize.IBytes(uint64(e.Need)))
		}
		return at + ": free some space and run again, finished parts are kept"
	}
	if errors.Is(e.Err, fs.ErrPermission) {
		return at + ": give the user of this run the right to, and run again"
	}
	return at + ": " + cmp.Or(display.Raise(e.Err), "check the disk") + " and run again, finished parts are kept"
}

func (e *IOError) Unwrap() error { return e.Err }
