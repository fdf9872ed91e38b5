package writers

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/gofrs/flock"

	"graphscore/pipeline/display"
	"graphscore/writers/atomic"
)

// lockName is the file that a run holds by flock: the lock goes with the process, the file stays.
const lockName = "_lock"

// Holder is the run that last held an output: the content of the lock file.
type Holder struct {
	PID     int       `json:"pid"`
	Host    string    `json:"host"`
	Start   time.Time `json:"start"`
	RunID   string    `json:"run_id"`
	Version string    `json:"version"`
}

// holderLimit is the largest lock file that is read.
const holderLimit = 64 << 10

// lock takes the lock of the output without waiting, and writes into its file who holds it.
func (o *Output) lock() error {
	// The root refuses a link that leads out; flock itself would follow one.
	f, err := o.folder.Root().OpenFile(lockName, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return atomic.Creating(o.folder.Path(lockName), err)
	}
	err = o.lockFile(f)
	if closing := f.Close(); closing != nil && err == nil {
		err = &atomic.IOError{Op: "closing", Path: o.folder.Path(lockName), Err: closing}
	}
	return err
}

// lockFile locks the open file of the lock.
func (o *Output) lockFile(f *os.File) error {
	l := flock.New(o.folder.Path(lockName), flock.SetFlag(os.O_RDWR|syscall.O_NOFOLLOW), flock.SetPermissions(0o666))
	held, err := l.TryLock()
	if err != nil {
		return atomic.Creating(o.folder.Path(lockName), err)
	}
	if !held {
		return lockedError(o.cfg.Dir, f)
	}
	o.flock = l
	host, _ := os.Hostname() // a message without a host is still a message
	content, err := display.CompactJSON(Holder{os.Getpid(), host, o.cfg.Now().UTC(), o.cfg.RunID, o.cfg.Version})
	if err != nil {
		return fmt.Errorf("locking the output %q: %w", o.cfg.Dir, err)
	}
	content = append(content, '\n')
	if err := f.Truncate(0); err != nil {
		return &atomic.IOError{Op: "writing", Path: o.folder.Path(lockName), Err: err}
	}
	if _, err := f.WriteAt(content, 0); err != nil {
		return &atomic.IOError{Op: "writing", Path: o.folder.Path(lockName), Err: err, Need: int64(len(content))}
	}
	return nil
}

// lockedError reads who holds the lock. A holder that has not yet written its name, or whose name cannot be read, yields
// an error without one.
func lockedError(dir string, f io.Reader) error {
	e := &LockedError{Path: dir}
	var h Holder
	content, err := io.ReadAll(io.LimitReader(f, holderLimit))
	if err == nil && json.Unmarshal(content, &h) == nil {
		e.PID, e.Host, e.Start, e.RunID = h.PID, h.Host, h.Start, h.RunID
	}
	return e
}

// unlock frees the output for the next run.
func (o *Output) unlock() error {
	if o.flock == nil {
		return nil
	}
	err := o.flock.Close()
	o.flock = nil
	if err != nil {
		return &atomic.IOError{Op: "unlocking", Path: o.folder.Path(lockName), Err: err}
	}
	return nil
}
