//go:build unix

package remotetest

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
)

// Reserve returns an address of 127.0.0.1 that refuses connections, and that a server which is told of it can listen at,
// then or later, also again. Until release is called the system assigns it to nobody else: a socket is bound to it that
// does not listen, with SO_REUSEADDR, as servers in Go and gRPC set it. An address that was listened at and closed has
// no such holder, and another test may listen at it a moment later.
func Reserve() (address string, release func() error, err error) {
	syscall.ForkLock.RLock() // a process that is started meanwhile must not inherit the socket
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(socket)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return "", nil, err
	}
	err = errors.Join(
		syscall.SetsockoptInt(socket, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1),
		syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}),
	)
	bound, failed := syscall.Getsockname(socket)
	at, is := bound.(*syscall.SockaddrInet4)
	if err = errors.Join(err, failed); err != nil || !is {
		return "", nil, errors.Join(err, syscall.Close(socket))
	}
	return fmt.Sprintf("127.0.0.1:%d", at.Port), func() error { return syscall.Close(socket) }, nil
}

// Reserved is an address that Reserve holds until the test ends.
func Reserved(t testing.TB) string {
	t.Helper()
	address, release, err := Reserve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := release(); err != nil {
			t.Error(err)
		}
	})
	return address
}
