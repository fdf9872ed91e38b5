package writers

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"
	"time"

	"graphscore/pipeline/display"
	"graphscore/writers/atomic"
)

// lockName is the file that a run holds by flock: the lock goes with the process, the file stays.
const lockName = "_lock"

// locker is a lock that goes with the process. Its file stays.
type locker interface {
	// TryLock takes the lock alone, TryRLock with others that share it. Neither waits.
	TryLock() (bool, error)
	TryRLock() (bool, error)
	Close() error
	Path() string
}

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
	l, err := lockFile(o.folder, lockName, o.cfg, false)
	o.locks = append(o.locks, l)
	return whoHolds(o.folder.Root(), o.cfg.Dir, err)
}

// lockFile takes a lock without waiting, alone or shared with others that share it, and writes into its file who holds
// it. The lock is not nil where it was taken, also beside an error.
func lockFile(folder *atomic.Folder, name string, cfg Config, shared bool) (l locker, err error) {
	return takeFile(folder, name, cfg.Dir, shared, func(f *os.File) error { return writeHolder(f, folder.Path(name), cfg) })
}

// takeFile is lockFile for any work on the file of a lock once it is taken. dir is what messages call what it locks.
func takeFile(folder *atomic.Folder, name, dir string, shared bool, taken func(*os.File) error) (l locker, err error) {
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
	l = newLock(folder.Path(name), os.O_RDWR)
	try := l.TryLock
	if shared {
		try = l.TryRLock
	}
	held, err := try()
	if err != nil {
		return nil, locking(folder.Path(name), err)
	}
	if !held {
		return nil, lockedError(dir, f, !shared && sharedNow(l))
	}
	return l, taken(f)
}

// locking is the error of a file that cannot be locked: on some file systems none can.
func locking(path string, err error) error {
	for _, none := range []error{syscall.ENOLCK, syscall.ENOTSUP, syscall.ENOSYS, syscall.EINVAL} {
		if errors.Is(err, none) {
			return &atomic.CreateError{Path: path, Err: err, Remedy: "its file system has no locks of files (flock): mount it with them, or choose an output on another"}
		}
	}
	return atomic.Creating(path, err)
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
func sharedNow(l locker) bool {
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
	var err error
	for _, l := range slices.Backward(o.locks) {
		if l != nil {
			err = errors.Join(err, unlock(l, l.Path()))
		}
	}
	o.locks = nil
	return err
}

// unlock frees a lock, which may be nil.
func unlock(l locker, path string) error {
	if l == nil {
		return nil
	}
	if err := l.Close(); err != nil {
		return &atomic.IOError{Op: "unlocking", Path: path, Err: err}
	}
	return nil
}
