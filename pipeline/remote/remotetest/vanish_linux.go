package remotetest

import (
	"net"

	"golang.org/x/sys/unix"
)

// Vanish is the end of a host, or of all that leads there: the kernel drops every packet of the client's before TCP sees it,
// so that nothing is acknowledged, answered or reset any more.
func Vanish(in, _ *net.TCPConn) {
	none := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K} // no byte of a packet is kept
	raw, err := in.SyscallConn()
	if err == nil {
		var failed error
		err = raw.Control(func(fd uintptr) {
			failed = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &none})
		})
		if err == nil {
			err = failed
		}
	}
	if err != nil {
		panic(err) // else the test would be one of another fault
	}
	_ = in.SetLinger(0) // for when the test ends
}
