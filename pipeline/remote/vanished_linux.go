package remote

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// silence is for how long the other end has not answered what its kernel has to answer: data that was sent again, or probes.
// It is 0 while there is nothing to be answered.
func silence(conn *net.TCPConn) (silent time.Duration, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var info *unix.TCPInfo
	var failed error
	err = raw.Control(func(fd uintptr) { info, failed = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) })
	if err == nil {
		err = failed
	}
	if err != nil || info.Retransmits < 2 && info.Probes < 2 {
		return 0, err
	}
	return time.Duration(info.Last_ack_recv) * time.Millisecond, nil
}
