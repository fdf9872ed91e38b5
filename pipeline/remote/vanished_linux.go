package remote

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// boundSilence bounds how long what is sent may be without acknowledgement, and how long probes may be without answer.
func boundSilence(c syscall.RawConn, d time.Duration) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds()))
	})
	if err != nil {
		return err
	}
	return failed
}
