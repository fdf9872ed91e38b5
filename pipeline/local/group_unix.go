//go:build unix

package local

import (
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// supported is nil where workers can be started.
func supported() error { return nil }

// inGroup lets a process begin in a group of its own, whose number is that of the process.
func inGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// signalGroup reaches a process and what it started. It fails only where the group has ended.
func signalGroup(group int, s syscall.Signal) { _ = syscall.Kill(-group, s) }

const (
	groupPause = 10 * time.Millisecond
	groupGrace = time.Second
)

// endGroup kills what a process has left behind in its group, and reports whether all of it has gone.
func endGroup(group int) bool {
	for waited := time.Duration(0); waited < groupGrace; waited += groupPause {
		if errors.Is(syscall.Kill(-group, syscall.SIGKILL), syscall.ESRCH) {
			return true
		}
		time.Sleep(groupPause)
	}
	return false
}

// signalName is as in SIGSEGV.
func signalName(s syscall.Signal) string {
	if name := unix.SignalName(s); name != "" {
		return name
	}
	return fmt.Sprintf("signal %d", s)
}
