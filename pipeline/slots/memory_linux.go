package slots

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// create makes a memfd that can neither grow nor shrink, and maps it.
func create(bytes int64) (*os.File, []byte, error) {
	fd, err := unix.MemfdCreate("graphscore-columns", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_NOEXEC_SEAL)
	if err == unix.EINVAL { // before Linux 6.3
		fd, err = unix.MemfdCreate("graphscore-columns", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("memfd_create: %w", err)
	}
	file := os.NewFile(uintptr(fd), "graphscore-columns")
	data, err := seal(fd, bytes)
	if err != nil {
		_ = file.Close() // the other error matters
		return nil, nil, err
	}
	return file, data, nil
}

func seal(fd int, bytes int64) ([]byte, error) {
	if err := unix.Ftruncate(fd, bytes); err != nil {
		return nil, fmt.Errorf("ftruncate to %d bytes: %w", bytes, err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL); err != nil {
		return nil, fmt.Errorf("sealing it: %w", err)
	}
	data, err := unix.Mmap(fd, 0, int(bytes), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mmap of %d bytes: %w", bytes, err)
	}
	return data, nil
}

// allocate allocates the pages of a range.
func allocate(file *os.File, from, bytes int64) error {
	for {
		if err := unix.Fallocate(int(file.Fd()), 0, from, bytes); err != unix.EINTR {
			return err
		}
	}
}

func unmap(data []byte) error { return unix.Munmap(data) }
