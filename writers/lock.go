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
	var err error
	o.flock, err = lockFile(o.folder, lockName, o.cfg, false)
	return err
}

// lockFile takes a lock without waiting, alone or shared with others that share it, and writes into its file who holds
// it. The lock is not nil where it was taken, also beside an error.
func lockFile(folder *atomic.Folder, name string, cfg Config, shared bool) (l *flock.Flock, err error) {
	// The root refuses a link that leads out; flock itself would follow one.
	f, err := folder.Root().OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, atomic.Creating(folder.Path(name), err)
	}
	defer func() {
		if closing := f.Close(); closing != nil && err == nil {
			err = &atomic.IOError{Op: "closing", Path: folder.Path(name), Err: closing}
		}
	}()
	l = flock.New(folder.Path(name), flock.SetFlag(os.O_RDWR|syscall.O_NOFOLLOW), flock.SetPermissions(0o666))
	try := l.TryLock
	if shared {
		try = l.TryRLock
	}
	held, err := try()
	if err != nil {
		return nil, atomic.Creating(folder.Path(name), err)
	}
	if !held {
		return nil, lockedError(cfg.Dir, f, !shared && sharedNow(l))
	}
	return l, writeHolder(f, folder.Path(name), cfg)
}

// writeHolder writes into the file of a lock who holds it.
func writeHolder(f *os.File, path string, cfg Config) error {
	host, _ := os.Hostname() // a message without a host is still a message
	content, err := display.CompactJSON(Holder{os.Getpid(), host, cfg.Now().UTC(), cfg.RunID, cfg.Version})
	if err != nil {
		return fmt.Errorf("locking the output %q: %w", cfg.Dir, err)
	}
	content = append(content, '\n')
	if err := f.Truncate(0); err != nil {
		return &atomic.IOError{Op: "writing", Path: path, Err: err}
	}
	if _, err := f.WriteAt(content, 0); err != nil {
		return &atomic.IOError{Op: "writing", Path: path, Err: err, Need: int64(len(content))}
	}
	return nil
}

// sharedNow reports whether those who hold a lock, which could not be taken alone, share it. It shares it for an instant.
func sharedNow(l *flock.Flock) bool {
	shared, err := l.TryRLock()
	return shared && err == nil && l.Close() == nil
}

// lockedError reads who holds the lock. A holder that has not yet written its name, or whose name cannot be read, yields
// an error without one.
func lockedError(dir string, f io.Reader, shared bool) error {
	e := &LockedError{Path: dir, Shared: shared}
	var h Holder
	content, err := io.ReadAll(io.LimitReader(f, holderLimit))
	if err == nil && json.Unmarshal(content, &h) == nil {
		e.PID, e.Host, e.Start, e.RunID = h.PID, h.Host, h.Start, h.RunID
	}
	return e
}

// unlock frees the output for the next run.
func (o *Output) unlock() error {
	l := o.flock
	o.flock = nil
	return unlock(l, o.folder.Path(lockName))
}

// unlock frees a lock, which may be nil.
func unlock(l *flock.Flock, path string) error {
	if l == nil {
		return nil
	}
	if err := l.Close(); err != nil {
		return &atomic.IOError{Op: "unlocking", Path: path, Err: err}
	}
	return nil
}
