//go:build unix

package atomic

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// linkNew is renameNew in two steps: between them the file has both names.
func linkNew(dir *os.File, from, to string) error {
	fd := int(dir.Fd())
	err := unix.Linkat(fd, from, fd, to, 0)
	if err == nil {
		_ = unix.Unlinkat(fd, from, 0) // a temporary name that stays is removed by the next run
	}
	return err
}

// syncFolder takes it as done where the file system cannot sync folders.
func syncFolder(f *os.File) error {
	err := f.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil
	}
	return err
}

// syncUnread makes a folder durable that may be written but not read: only with all else.
func syncUnread(error) error {
	syscall.Sync()
	return nil
}
