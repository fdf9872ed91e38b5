package remote

import (
	"context"
	"net"
	"syscall"
	"time"
)

// patience is how long the other end of a TCP connection may be silent. Its kernel answers for it, however busy the server is.
type patience struct {
	idle  time.Duration // after which its kernel is asked for a sign, and again after half of it
	until time.Duration // without any sign, or with data that it does not take: the connection is given up
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
		Control:         func(_, _ string, c syscall.RawConn) error { return boundSilence(c, p.until) },
	}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &watched{conn}, nil
}

// watched is a connection over TCP on which gRPC does not set the bound of silence to the timeout of its pings, as it does with
// a *net.TCPConn: that is as long as the deadline of a call.
type watched struct{ net.Conn }
