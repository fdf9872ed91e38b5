package slots

import (
	"errors"
	"fmt"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// fileLimit is the size that no file of this process may exceed, or a signal ends it.
func fileLimit() uint64 {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_FSIZE, &limit) != nil {
		return math.MaxUint64
	}
	return limit.Cur
}

// create makes a memfd of so many bytes that can neither grow nor shrink, and maps those that it begins with.
func create(bytes, mapped int64) (*os.File, []byte, error) {
	fd, err := unix.MemfdCreate("graphscore-columns", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_NOEXEC_SEAL)
	if err == unix.EINVAL { // before Linux 6.3
		fd, err = unix.MemfdCreate("graphscore-columns", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("memfd_create: %w", err)
	}
	file := os.NewFile(uintptr(fd), "graphscore-columns")
	data, err := seal(file, fd, bytes, mapped)
	if err != nil {
		_ = file.Close() // the other error matters
		return nil, nil, err
	}
	return file, data, nil
}

// seal fixes the size, tries whether pages can be allocated, and maps.
func seal(file *os.File, fd int, bytes, mapped int64) ([]byte, error) {
	if limit := fileLimit(); uint64(bytes) > limit {
		return nil, fmt.Errorf("no file may have more than %d bytes (ulimit -f), and %d are needed", limit, bytes)
	}
	if err := unix.Ftruncate(fd, bytes); err != nil {
		return nil, fmt.Errorf("ftruncate to %d bytes: %w", bytes, err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL); err != nil {
		return nil, fmt.Errorf("sealing it: %w", err)
	}
	if err := allocate(file, 0, page); err != nil { // a sandbox denies the call: no slot could be taken
		return nil, fmt.Errorf("fallocate: %w", err)
	}
	_ = empty(file, 0, page) // where that is denied, one page stays
	data, err := unix.Mmap(fd, 0, int(mapped), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mmap of %d bytes: %w", mapped, err)
	}
	return data, nil
}

// atOnce is how much is allocated at a time: a signal undoes what has been allocated since the system was asked.
const atOnce = 16 << 20

// allocate allocates the pages of a range.
func allocate(file *os.File, from, bytes int64) error {
	for end := from + bytes; from < end; from += atOnce {
		if err := fallocate(file, 0, from, min(atOnce, end-from)); err != nil {
			return err
		}
	}
	return nil
}

// empty gives the pages of a range back. Whoever reads them finds zeros.
func empty(file *os.File, from, bytes int64) error {
	return fallocate(file, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, from, bytes)
}

// fallocate holds the descriptor meanwhile: were the file closed by another goroutine, that number may be another file's.
func fallocate(file *os.File, mode uint32, from, bytes int64) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		for {
			if failed = unix.Fallocate(int(fd), mode, from, bytes); failed != unix.EINTR {
				return
			}
		}
	})
	return errors.Join(err, failed)
}

func unmap(data []byte) error { return unix.Munmap(data) }
