package fifo

import "golang.org/x/sys/unix"

// abandoned asks poll: a pipe has hung up once a process that had opened it for writing has closed it, also before this
// end was opened where the pipe has no name.
func (f file) abandoned() bool {
	raw, err := f.SyscallConn()
	if err != nil {
		return false
	}
	gone := false
	err = raw.Control(func(fd uintptr) {
		look := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, failed := unix.Poll(look, 0)
		gone = failed == nil && n == 1 && look[0].Revents == unix.POLLHUP // with POLLIN there is something to read
	})
	return err == nil && gone
}
