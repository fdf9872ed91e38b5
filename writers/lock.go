package writers

import (
	"encoding/json"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

// lockName is the file that a run holds by flock: the lock goes with the process, the file stays.
const lockName = "_lock"

// holder is the content of the lock file.
type holder struct {
	PID     int       `json:"pid"`
	Host    string    `json:"host"`
	Start   time.Time `json:"start"`
	RunID   string    `json:"run_id"`
	Version string    `json:"version"`
}

// lock takes the lock of the output without waiting, and writes into its file who holds it.
func (o *Output) lock() error {
	// The root refuses a link that leads out; flock itself would follow one.
	f, err := o.root.OpenFile(lockName, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return o.creating(lockName, err)
	}
	defer f.Close()
	l := flock.New(o.path(lockName), flock.SetFlag(os.O_RDWR|syscall.O_NOFOLLOW), flock.SetPermissions(0o666))
	held, err := l.TryLock()
	if err != nil {
		return &CreateError{Path: o.path(lockName), Err: err}
	}
	if !held {
		return o.heldBy(f)
	}
	o.flock = l
	host, _ := os.Hostname() // a message without a host is still a message
	content := plainJSON(holder{os.Getpid(), host, o.cfg.Now().UTC(), o.cfg.RunID, o.cfg.Version})
	if err := f.Truncate(0); err != nil {
		return &IOError{Op: "writing", Path: o.path(lockName), Err: err}
	}
	if _, err := f.WriteAt(append(content, '\n'), 0); err != nil {
		return &IOError{Op: "writing", Path: o.path(lockName), Err: err, Need: int64(len(content))}
	}
	return nil
}

// heldBy reads who holds the lock. A holder that has not yet written its name gives an error without one.
func (o *Output) heldBy(f *os.File) error {
	e := &LockedError{Path: o.cfg.Dir}
	var h holder
	content, err := io.ReadAll(io.LimitReader(f, 64<<10))
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
		return &IOError{Op: "unlocking", Path: o.path(lockName), Err: err}
	}
	return nil
}
