package atomic

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// renameNew names a file of the folder fd, unless another has the name. File systems that cannot do so in one step, as NFS,
// are asked for a link.
func renameNew(fd int, from, to string) error {
	for {
		err := unix.Renameat2(fd, from, fd, to, unix.RENAME_NOREPLACE)
		switch {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ENOSYS), errors.Is(err, syscall.ENOTSUP):
			return linkNew(fd, from, to)
		default:
			return err
		}
	}
}
