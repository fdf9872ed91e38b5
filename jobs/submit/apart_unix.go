//go:build unix

package submit

import (
	"os/exec"
	"syscall"
)

// apart keeps the signals of the terminal from a command: Ctrl-C is for who waits for it.
func apart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
