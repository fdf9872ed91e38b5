package inject

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// where says which arguments of a call name its file.
type where struct {
	name string
	// fd is the place of a descriptor: the file itself, or with a path what the path is relative to. It is none where
	// the path is relative to the working folder.
	fd int
	// path is the place of the path, none where the descriptor is the file.
	path int
}

const none = -1

// watched are the calls on files. Of those on two files the one that is made counts.
var watched = map[uint64]where{
	unix.SYS_READ: {"read", 0, none}, unix.SYS_PREAD64: {"pread64", 0, none}, unix.SYS_READV: {"readv", 0, none},
	unix.SYS_WRITE: {"write", 0, none}, unix.SYS_PWRITE64: {"pwrite64", 0, none}, unix.SYS_WRITEV: {"writev", 0, none},
	unix.SYS_CLOSE: {"close", 0, none}, unix.SYS_FSTAT: {"fstat", 0, none}, unix.SYS_FSTATFS: {"fstatfs", 0, none},
	unix.SYS_LSEEK: {"lseek", 0, none}, unix.SYS_FLOCK: {"flock", 0, none}, unix.SYS_FALLOCATE: {"fallocate", 0, none},
	unix.SYS_FSYNC: {"fsync", 0, none}, unix.SYS_FDATASYNC: {"fdatasync", 0, none}, unix.SYS_FTRUNCATE: {"ftruncate", 0, none},
	unix.SYS_FCHMOD: {"fchmod", 0, none}, unix.SYS_FCHOWN: {"fchown", 0, none}, unix.SYS_GETDENTS64: {"getdents64", 0, none},
	unix.SYS_COPY_FILE_RANGE: {"copy_file_range", 2, none}, unix.SYS_SENDFILE: {"sendfile", 1, none},
	unix.SYS_OPENAT: {"openat", 0, 1}, unix.SYS_OPENAT2: {"openat2", 0, 1}, unix.SYS_MKDIRAT: {"mkdirat", 0, 1},
	unix.SYS_NEWFSTATAT: {"newfstatat", 0, 1}, unix.SYS_STATX: {"statx", 0, 1}, unix.SYS_UNLINKAT: {"unlinkat", 0, 1},
	unix.SYS_READLINKAT: {"readlinkat", 0, 1}, unix.SYS_FACCESSAT: {"faccessat", 0, 1}, unix.SYS_FACCESSAT2: {"faccessat2", 0, 1},
	unix.SYS_FCHMODAT: {"fchmodat", 0, 1}, unix.SYS_FCHOWNAT: {"fchownat", 0, 1}, unix.SYS_UTIMENSAT: {"utimensat", 0, 1},
	unix.SYS_RENAMEAT: {"renameat", 2, 3}, unix.SYS_RENAMEAT2: {"renameat2", 2, 3}, unix.SYS_LINKAT: {"linkat", 2, 3},
	unix.SYS_SYMLINKAT: {"symlinkat", 1, 2},
	unix.SYS_OPEN:      {"open", none, 0}, unix.SYS_CREAT: {"creat", none, 0}, unix.SYS_STAT: {"stat", none, 0},
	unix.SYS_LSTAT: {"lstat", none, 0}, unix.SYS_STATFS: {"statfs", none, 0}, unix.SYS_ACCESS: {"access", none, 0},
	unix.SYS_MKDIR: {"mkdir", none, 0}, unix.SYS_RMDIR: {"rmdir", none, 0}, unix.SYS_UNLINK: {"unlink", none, 0},
	unix.SYS_READLINK: {"readlink", none, 0}, unix.SYS_CHMOD: {"chmod", none, 0}, unix.SYS_TRUNCATE: {"truncate", none, 0},
	unix.SYS_RENAME: {"rename", none, 1}, unix.SYS_LINK: {"link", none, 1}, unix.SYS_SYMLINK: {"symlink", none, 1},
}

// callOf is the call that a thread is about to make. Its path is empty where it is no file.
func callOf(tid int, regs *syscall.PtraceRegs) (Call, error) {
	w, is := watched[regs.Orig_rax]
	if !is {
		return Call{}, nil
	}
	args := [...]uint64{regs.Rdi, regs.Rsi, regs.Rdx, regs.R10}
	call, folder := Call{Name: w.name}, "cwd"
	if w.fd != none {
		if fd := int32(args[w.fd]); fd != unix.AT_FDCWD {
			folder = fmt.Sprintf("fd/%d", fd)
		}
	}
	if w.path == none {
		call.Path = shown(tid, folder)
		return call, nil
	}
	name, err := text(tid, uintptr(args[w.path]))
	if err != nil {
		return Call{}, fmt.Errorf("reading the path of a call of %s: %w", w.name, err)
	}
	if filepath.IsAbs(name) {
		call.Path = filepath.Clean(name)
	} else if base := shown(tid, folder); base != "" {
		call.Path = filepath.Join(base, name)
	}
	return call, nil
}

// shown is the file that /proc shows for a descriptor or the working folder of a thread, empty where it is none.
func shown(tid int, name string) string {
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/%s", tid, name))
	if err != nil || !filepath.IsAbs(path) { // not open: the call fails by itself; a socket, a pipe
		return ""
	}
	return strings.TrimSuffix(path, " (deleted)")
}

// text reads a string that ends with a zero from the memory of a thread. It reads page by page: the next one may not
// be mapped.
func text(tid int, at uintptr) (string, error) {
	const page = 4096
	var all []byte
	for len(all) <= unix.PathMax {
		buffer := make([]byte, page-at%page)
		local := []unix.Iovec{{Base: &buffer[0], Len: uint64(len(buffer))}}
		n, err := unix.ProcessVMReadv(tid, local, []unix.RemoteIovec{{Base: at, Len: len(buffer)}}, 0)
		if err != nil {
			return "", err
		}
		if end := strings.IndexByte(string(buffer[:n]), 0); end >= 0 {
			return string(append(all, buffer[:end]...)), nil
		}
		all, at = append(all, buffer[:n]...), at+uintptr(n)
	}
	return string(all), nil
}
