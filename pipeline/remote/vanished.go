package remote

import (
	"context"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// patience is how long the other end of a TCP connection may be silent. Its kernel answers for it, however busy the server is,
// and also where the server takes nothing of what was sent.
type patience struct {
	idle  time.Duration // after which its kernel is asked for a sign, and again after half of it
	until time.Duration // without any sign: the connection is given up
}

// vanished is that of connections to scorers. Cables, hosts and virtual machines that move are back sooner as a rule.
var vanished = patience{idle: 10 * time.Second, until: 30 * time.Second}

// dial connects to an address: "host:port" or "unix:/path".
func (p patience) dial(ctx context.Context, address string) (net.Conn, error) {
	if path, unix := unixPath(address); unix {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	every := p.idle / 2
	dialer := net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: p.idle, Interval: every, Count: int((p.until - p.idle) / every)},
	}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	w := &watched{Conn: conn, closed: make(chan struct{})}
	if tcp, is := conn.(*net.TCPConn); is {
		go w.watch(tcp, every, p.until)
	}
	return w, nil
}

// watched is a connection over TCP that is given up where the other end gives no sign. The kernel probes one over which nothing
// is on the way; where something is, it would send again for a quarter of an hour, and the bound that it has for that
// (TCP_USER_TIMEOUT) also ends a connection whose other end answers and takes nothing. gRPC sets that bound on a *net.TCPConn,
// to the timeout of its pings.
type watched struct {
	net.Conn
	once   sync.Once
	closed chan struct{}
	lost   atomic.Bool
}

// watch looks at the connection every now and then until it is closed.
func (w *watched) watch(conn *net.TCPConn, every, until time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-w.closed:
			return
		case <-ticker.C:
		}
		if silent, err := silence(conn); err != nil {
			return
		} else if silent >= until {
			w.lost.Store(true)
			_ = conn.Close() // what reads and writes says why
			return
		}
	}
}

// Close closes the connection.
func (w *watched) Close() error {
	w.once.Do(func() { close(w.closed) })
	return w.Conn.Close()
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	return n, w.reason("read", err)
}

func (w *watched) Write(b []byte) (int, error) {
	n, err := w.Conn.Write(b)
	return n, w.reason("write", err)
}

// reason is the error of a connection that was given up, as the kernel has it.
func (w *watched) reason(op string, err error) error {
	if err == nil || !w.lost.Load() {
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: w.LocalAddr(), Addr: w.RemoteAddr(), Err: os.NewSyscallError(op, syscall.ETIMEDOUT)}
}
