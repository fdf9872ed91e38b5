package atomic

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// renameNew names a file of a folder, unless another has the name. File systems that cannot do so in one step, as NFS,
// are asked for a link.
func renameNew(dir *os.File, from, to string) error {
	fd := int(dir.Fd())
	for {
		err := unix.Renameat2(fd, from, fd, to, unix.RENAME_NOREPLACE)
		switch {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ENOSYS), errors.Is(err, syscall.ENOTSUP):
			return linkNew(dir, from, to)
		default:
			return err
		}
	}
}
