package inject

import (
	"os"
	"strings"
	"syscall"
)

// Program is what is run.
type Program struct {
	// Path is that of the executable, Args what follows its name.
	Path string
	Args []string
	// Dir is the working folder, Env the whole environment.
	Dir string
	Env []string
	// Stdout and Stderr are files, as nothing reads a pipe while the program is stopped.
	Stdout, Stderr *os.File
}

// Call is a system call that concerns the folder.
type Call struct {
	// Name is that of the call, such as "openat".
	Name string
	// Path is the file, absolute: as the call names it, or as the descriptor of the call shows it. Of a call on two
	// files it is the one that the call makes.
	Path string
}

// Fault is what becomes of a call. The zero value lets it be made.
type Fault struct {
	// Errno is what the call returns; it is not made.
	Errno syscall.Errno
	// Kill ends the process by SIGKILL before the call is made.
	Kill bool
}

// Ended is how a program ended: by itself with a code, or by a signal.
type Ended struct {
	Code   int // -1 where a signal ended it
	Signal syscall.Signal
}

// below reports whether a path is the folder root or in it. Both are absolute and clean.
func below(path, root string) bool {
	rest, is := strings.CutPrefix(path, root)
	return is && (rest == "" || rest[0] == '/')
}
