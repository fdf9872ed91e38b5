// Package remotetest has scorers on real sockets for tests: a server of the native protocol that can be made to
// misbehave, and a plain server of the older one, as its users have it.
package remotetest

import (
	"net"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"graphscore/pipeline/pipelinetest"
)

// Serve runs a server on 127.0.0.1 until the test ends, and returns its address. Services are registered before.
func Serve(t testing.TB, server *grpc.Server) string {
	t.Helper()
	return ServeOn(t, server, "127.0.0.1:0")
}

// ServeUnix runs a server on a unix socket until the test ends, and returns its address.
func ServeUnix(t testing.TB, server *grpc.Server) string {
	t.Helper()
	return ServeOn(t, server, "unix:"+filepath.Join(pipelinetest.SocketFolder(t), "s"))
}

// ServeOn runs a server on an address until the test ends or the server is stopped.
func ServeOn(t testing.TB, server *grpc.Server, address string) string {
	t.Helper()
	network := "tcp"
	place, unix := strings.CutPrefix(address, "unix:")
	if unix {
		network = "unix"
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), network, place)
	if err != nil {
		t.Fatal(err)
	}
	ServeListener(t, server, listener)
	if unix {
		return address
	}
	return listener.Addr().String()
}

// ServeListener runs a server on what listens until the test ends or the server is stopped.
func ServeListener(t testing.TB, server *grpc.Server, listener net.Listener) {
	t.Helper()
	var group errgroup.Group
	group.Go(func() error { return server.Serve(listener) })
	t.Cleanup(func() {
		server.Stop()
		if err := group.Wait(); err != nil {
			t.Errorf("serving on %s: %v", listener.Addr(), err)
		}
	})
}
