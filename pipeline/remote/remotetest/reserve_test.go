//go:build unix

package remotetest

import (
	"errors"
	"net"
	"syscall"
	"testing"
)

// A reserved address refuses, is assigned to nobody who asks for any address, and can be listened at, again and again.
func TestReserved(t *testing.T) {
	t.Parallel()
	address := Reserved(t)
	dialer := new(net.Dialer)
	for range 2 {
		if _, err := dialer.DialContext(t.Context(), "tcp", address); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("dialing a reserved address: %v", err)
		}
		for range 200 {
			other, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			if other.Addr().String() == address {
				t.Fatal("a reserved address was assigned")
			}
		}
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := dialer.DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(conn.Close(), listener.Close()); err != nil {
			t.Fatal(err)
		}
	}
}
