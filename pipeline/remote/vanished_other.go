//go:build !linux

package remote

import (
	"syscall"
	"time"
)

// boundSilence does nothing: the system bounds how often it sends again, and the count of probes is set.
func boundSilence(syscall.RawConn, time.Duration) error { return nil }
