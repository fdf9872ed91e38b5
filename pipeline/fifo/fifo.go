// Package fifo reads pipes that processes write to, as a shell makes them of <(command), and waits for none of them for
// ever.
//
// A pipe is opened without blocking, and one without a writer is at its end then, whether its writer has not come yet or
// has closed it. A Reader waits for the first. Where the system distinguishes the two (Linux), it ends at once at the second.
package fifo

import (
	"errors"
	"io"
	"os"
	"time"
)

// ErrUnwritten is the error of a pipe that no process has opened for writing in time.
var ErrUnwritten = errors.New("it is a pipe that nobody writes to")

// unwrittenPause is how long a pipe that nobody writes to is left alone before it is read again.
const unwrittenPause = 20 * time.Millisecond

// Patience is how long a pipe is waited for.
type Patience struct {
	// Limit is the time until a process writes to the pipe, from when the Reader is made.
	Limit time.Duration
	// EachRead: each read has the limit for itself, however long the pipe takes as a whole. Else it is that of all reads,
	// up to the end of the pipe.
	EachRead bool
}

// Reader reads a pipe to its end. It owns neither the pipe nor a goroutine, and is for one goroutine.
type Reader struct {
	pipe     source
	patience Patience
	until    time.Time
	heard    bool
}

// source is a pipe that does not block. abandoned reports whether a process had it open for writing, none has, and nothing is left
// to read; it is false on a system that does not distinguish this.
type source interface {
	io.Reader
	SetReadDeadline(t time.Time) error
	abandoned() bool
}

// NewReader returns a Reader of a pipe that was opened with O_NONBLOCK. Its patience begins now.
func NewReader(pipe *os.File, patience Patience) *Reader {
	return newReader(file{pipe}, patience)
}

func newReader(pipe source, patience Patience) *Reader {
	return &Reader{pipe: pipe, patience: patience, until: time.Now().Add(patience.Limit)}
}

// Read returns the next bytes of the pipe. Its own error is ErrUnwritten; that of a pipe whose writer takes longer than the
// patience is os.ErrDeadlineExceeded.
func (r *Reader) Read(b []byte) (int, error) {
	for {
		deadline := r.until
		if r.patience.EachRead {
			deadline = time.Now().Add(r.patience.Limit)
		}
		_ = r.pipe.SetReadDeadline(deadline) // a system without deadlines reads on
		n, err := r.pipe.Read(b)
		r.heard = r.heard || n > 0
		switch {
		case r.heard || !errors.Is(err, io.EOF) || r.pipe.abandoned():
			return n, err
		case time.Now().After(r.until):
			return 0, ErrUnwritten
		}
		time.Sleep(unwrittenPause)
	}
}

// file is a source.
type file struct{ *os.File }
