package local

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

// serves reports whether the process at the other end of a unix socket is in a process group. The error is errEnded where
// there is no such process any more.
func serves(conn net.Conn, group int) (in bool, _ error) {
	socket, is := conn.(*net.UnixConn)
	if !is {
		return false, nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return false, err
	}
	var ended error
	err = raw.Control(func(fd uintptr) {
		peer, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err != nil || peer.Pid <= 0 {
			return // it is of another namespace
		}
		of, err := unix.Getpgid(int(peer.Pid))
		in = err == nil && of == group
		if err == unix.ESRCH {
			ended = errEnded
		}
	})
	return in && err == nil, errors.Join(err, ended)
}
