//go:build unix

package pipelinetest

import "syscall"

// Fifo makes a named pipe: reading it blocks for ever, as nobody writes.
func Fifo(path string) error { return syscall.Mkfifo(path, 0o600) }
