//go:build unix

package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// atOnce is how many bytes a pipe takes without waiting once it can be written to: PIPE_BUF of Linux. A line that is
	// not longer comes whole where several processes write to one pipe.
	atOnce = 4096
	// lookEvery is how often a stream that waits looks whether the command was told to end.
	lookEvery = 100 * time.Millisecond
	// lastWords is how long a command that was told to end waits for somebody to read what it says.
	lastWords = time.Second
)

// errUnread is the error of a text that nobody read.
var errUnread = errors.New("nobody reads this pipe")

// dropUnread returns a stream which lets a command that was told to end do so: where it is a pipe that is full and that nobody
// reads, what is written later than lastWords after the end of ctx is dropped. Until then writing waits, as it does without
// us. Any other stream is returned as it is. The stream is safe for concurrent use, and does not own the file.
func dropUnread(ctx context.Context, w io.Writer) io.Writer {
	file, is := w.(*os.File)
	if !is {
		return w
	}
	info, err := file.Stat()
	if err != nil || info.Mode()&(os.ModeNamedPipe|os.ModeSocket) == 0 {
		return w
	}
	return &pipe{file: file, ended: ctx.Done()}
}

type pipe struct {
	file  *os.File
	ended <-chan struct{} // of the context

	mu     sync.Mutex
	waited time.Duration // since then
}

// Write waits for room before each piece, so that no call of the system ever blocks.
func (p *pipe) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	written := 0
	for written < len(text) {
		if err := p.room(); err != nil {
			return written, err
		}
		n, err := p.file.Write(text[written:min(written+atOnce, len(text))])
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// room blocks until the pipe can be written to, or has an error that writing will return.
func (p *pipe) room() error {
	for {
		poll := []unix.PollFd{{Fd: int32(p.file.Fd()), Events: unix.POLLOUT}}
		n, err := unix.Poll(poll, int(lookEvery.Milliseconds()))
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return os.NewSyscallError("poll", err)
		case n > 0:
			return nil
		}
		select {
		case <-p.ended:
			if p.waited += lookEvery; p.waited > lastWords {
				return errUnread
			}
		default:
		}
	}
}
