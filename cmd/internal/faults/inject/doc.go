// Package inject runs a program and lets its caller decide, at each system call that the program makes on files below a
// folder, whether the call is made, fails with an error of the caller's choice, or is where the process is killed.
//
// Calls are counted over all threads: a Go program moves between threads, so that a count for each thread, as strace
// keeps it, never names the same call twice. The program runs under ptrace. A seccomp filter, installed in its first
// stop after execve, stops it at calls on files only; all others run at full speed. What the program executes as
// children is let go: it runs on, and is not asked about.
//
// Decision: ptrace and not a file system in between (FUSE), which needs rights that containers seldom give, and not a
// preloaded library, which a static program does not load. Price: linux/amd64 only, and containers must allow ptrace.
package inject
