//go:build !unix

package local

import (
	"os/exec"
	"runtime"
	"syscall"
)

// supported is the error of a system without process groups, lifelines and unix sockets as the workers need them.
func supported() error {
	return &StartError{Message: "local workers cannot be started on " + runtime.GOOS + ": start servers with `python -m graphscore serve` and name " +
		"them with --server or server.addresses in the job, or run on Linux or macOS"}
}

func inGroup(*exec.Cmd) {}

func signalGroup(int, syscall.Signal) {}

func endGroup(int) bool { return false }

func signalName(s syscall.Signal) string { return s.String() }
