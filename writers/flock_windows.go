package writers

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/windows"
)

// fileLock is a lock of one byte far beyond the content of a file: locks are mandatory on Windows, and others read
// there who has the lock.
type fileLock struct {
	path string
	flag int
	file *os.File // nil where the lock is free
}

func newLock(path string, flag int) locker { return &fileLock{path: path, flag: flag} }

func (l *fileLock) Path() string { return l.path }

func (l *fileLock) TryLock() (bool, error) { return l.try(false) }

func (l *fileLock) TryRLock() (bool, error) { return l.try(true) }

func (l *fileLock) try(shared bool) (bool, error) {
	f, err := os.OpenFile(l.path, l.flag, 0o666)
	if err != nil {
		return false, err
	}
	switch err := lockHandle(f, shared); {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return false, f.Close()
	case err != nil:
		return false, errors.Join(err, f.Close())
	}
	l.file = f
	return true, nil
}

func (l *fileLock) Close() error {
	if l.file == nil {
		return nil
	}
	f := l.file
	l.file = nil
	return errors.Join(unlockHandle(f), f.Close())
}

// lockedByte is the byte that is locked, in units of 4 GiB.
const lockedByte = 1 << 30

// lockHandle locks an open file without waiting. The error is syscall.EWOULDBLOCK where another has the lock.
func lockHandle(f *os.File, shared bool) error {
	flags := uint32(windows.LOCKFILE_FAIL_IMMEDIATELY)
	if !shared {
		flags |= windows.LOCKFILE_EXCLUSIVE_LOCK
	}
	err := windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, &windows.Overlapped{OffsetHigh: lockedByte})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return syscall.EWOULDBLOCK
	}
	return err
}

func unlockHandle(f *os.File) error {
	return windows.UnlockFileEx(windows.Handle(f.Fd()), 0, 1, 0, &windows.Overlapped{OffsetHigh: lockedByte})
}
