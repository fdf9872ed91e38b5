package remote

import (
	"io"
	"net"
	"testing"
	"time"
)

// TestStalledIsNotVanished: a server that takes nothing for longer than one may be silent, while its kernel answers, keeps its
// connection.
func TestStalledIsNotVanished(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := patience{idle: 500 * time.Millisecond, until: time.Second}.dial(t.Context(), listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	const size = 64 << 20 // more than what both kernels keep
	sent := make(chan error, 1)
	go func() {
		_, err := conn.Write(make([]byte, size))
		sent <- err
	}()
	select {
	case err := <-sent:
		t.Fatalf("the connection ended, or took it all: %v", err)
	case <-time.After(5 * time.Second):
	}
	if n, err := io.CopyN(io.Discard, server, size); err != nil {
		t.Fatalf("after %d bytes: %v", n, err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}
