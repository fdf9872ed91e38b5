package jobs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"graphscore/pipeline/fifo"

	"github.com/dustin/go-humanize"
)

// pipePatience is how long a pipe may take to say the next of what is read from it, and until somebody writes to it.
const pipePatience = 10 * time.Second

// ReadFile reads a small file whole: a regular one, or a pipe that a process writes to, as a shell makes it of <(command).
// Of a larger one it returns the first most bytes, and a *LargeError. A pipe that says nothing for pipePatience is an error,
// however long it takes as a whole. Errors are an *fs.PathError, fifo.ErrUnwritten, or say what the file is.
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
		from = fifo.NewReader(f, fifo.Patience{Limit: patience, EachRead: true})
	}
	content, err := io.ReadAll(io.LimitReader(from, most+1))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, fmt.Errorf("it is a pipe that said nothing for %g s", patience.Seconds())
	case err != nil:
		return nil, err
	case int64(len(content)) > most:
		return content[:most], &LargeError{most}
	}
	return content, nil
}

// LargeError is a file that is larger than what is read of its kind.
type LargeError struct{ Most int64 }

func (e *LargeError) Error() string {
	return fmt.Sprintf("it is larger than %s", humanize.IBytes(uint64(e.Most)))
}
