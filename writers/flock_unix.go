//go:build unix

package writers

import (
	"os"
	"syscall"

	"github.com/gofrs/flock"
)

// newLock returns the lock of a file by its path, which is no link. flag is how the file is opened.
func newLock(path string, flag int) locker {
	return flock.New(path, flock.SetFlag(flag|syscall.O_NOFOLLOW), flock.SetPermissions(0o666))
}

// lockHandle locks an open file without waiting. The error is syscall.EWOULDBLOCK where another has the lock.
func lockHandle(f *os.File, shared bool) error {
	mode := syscall.LOCK_EX
	if shared {
		mode = syscall.LOCK_SH
	}
	return syscall.Flock(int(f.Fd()), mode|syscall.LOCK_NB)
}

func unlockHandle(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_UN) }
