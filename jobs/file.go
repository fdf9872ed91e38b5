package jobs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"
)

// pipePatience is how long a pipe may take to say the next of what is read from it, and until somebody writes to it.
const pipePatience = 10 * time.Second

// unwrittenPause is how long a pipe that nobody writes to is left alone before it is read again.
const unwrittenPause = 20 * time.Millisecond

// errUnwritten is the error of a pipe that nobody writes to.
var errUnwritten = errors.New("it is a pipe that nobody writes to")

// ReadFile reads a small file whole: a regular one, or a pipe that a process writes to, as a shell makes it of <(command).
// Of a larger one it returns the first most bytes, and a *LargeError. A pipe that says nothing for pipePatience is an error,
// however long it takes as a whole. Errors are an *fs.PathError, or say what the file is.
func ReadFile(path string, most int64) ([]byte, error) {
	return readFile(path, most, pipePatience)
}

func readFile(path string, most int64, patience time.Duration) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: syscall.EISDIR}
	}
	flags, pipe := os.O_RDONLY, info.Mode()&fs.ModeNamedPipe != 0
	if pipe {
		flags |= syscall.O_NONBLOCK // opening one that nobody writes to would block
	}
	f, err := os.OpenFile(path, flags, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var from io.Reader = f
	if pipe {
		from = &pipeReader{pipe: f, patience: patience, writtenUntil: time.Now().Add(patience)}
	}
	content, err := io.ReadAll(io.LimitReader(from, most+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(content)) > most:
		return content[:most], &LargeError{most}
	}
	return content, nil
}

// pipeReader reads a pipe that does not block. One without a writer is at its end: until writtenUntil that is no end as
// long as nothing was read.
type pipeReader struct {
	pipe interface {
		io.Reader
		SetReadDeadline(t time.Time) error
	}
	patience     time.Duration
	writtenUntil time.Time
	heard        bool
}

// Read returns what the pipe says next. Its own errors are errUnwritten, and one that names the patience.
func (r *pipeReader) Read(b []byte) (int, error) {
	for {
		_ = r.pipe.SetReadDeadline(time.Now().Add(r.patience)) // a system without reads on
		n, err := r.pipe.Read(b)
		switch {
		case n > 0:
			r.heard = true
			return n, err
		case errors.Is(err, os.ErrDeadlineExceeded):
			return 0, fmt.Errorf("it is a pipe that said nothing for %g s", r.patience.Seconds())
		case !errors.Is(err, io.EOF) || r.heard:
			return n, err
		case time.Now().After(r.writtenUntil):
			return 0, errUnwritten
		}
		time.Sleep(unwrittenPause)
	}
}

// LargeError is a file that is larger than what is read of its kind.
type LargeError struct{ Most int64 }

func (e *LargeError) Error() string {
	return fmt.Sprintf("it is larger than %s", humanize.IBytes(uint64(e.Most)))
}
