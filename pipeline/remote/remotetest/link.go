package remotetest

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// Link is a link to a server over TCP, which may be slow, and whose first connections that carry so many bytes may break after
// them: a connection that carries less, as of a client that looks for a server that had the port before, is none of them. Once
// one is broken, nothing passes over it any more, either way.
type Link struct {
	Rate    float64       // bytes a second towards the server that all connections share, 0 for any
	Latency time.Duration // of each 4 KiB that go to the server
	Broken  int32         // how many connections break, the first that carry After bytes
	After   int64         // bytes towards the server, or from it
	Answers bool          // they break in an answer, not in a request
	End     func(in, out *net.TCPConn)

	listener net.Listener
	to       string
	breaks   atomic.Int64
	carried  atomic.Int32 // connections that have carried After bytes
	mu       sync.Mutex
	free     time.Time               // the link is
	open     map[*net.TCPConn]func() // break it
}

// Reset ends a connection by RST, both ways.
func Reset(in, out *net.TCPConn) {
	_, _ = in.SetLinger(0), out.SetLinger(0)
	_, _ = in.Close(), out.Close()
}

// Cut closes a connection, both ways.
func Cut(in, out *net.TCPConn) { _, _ = in.Close(), out.Close() }

// Silence leaves a connection open as a black hole: what is sent is taken, and goes nowhere.
func Silence(*net.TCPConn, *net.TCPConn) {}

// Breaks is how many connections broke.
func (l *Link) Breaks() int { return int(l.breaks.Load()) }

// Break breaks all connections that there are.
func (l *Link) Break() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, breaks := range l.open {
		breaks()
	}
}

// Through begins the link to an address, which ends with the test, and returns its own address.
func (l *Link) Through(t *testing.T, to string) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.listener, l.to, l.open = listener, to, map[*net.TCPConn]func(){}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var g errgroup.Group
	g.Go(func() error { return l.serve(ctx) })
	t.Cleanup(func() {
		cancel()
		_ = listener.Close()
		_ = g.Wait() // connections are cut
	})
	return listener.Addr().String()
}

func (l *Link) serve(ctx context.Context) error {
	var g errgroup.Group
	for {
		in, err := l.listener.Accept()
		if err != nil {
			return errors.Join(err, g.Wait())
		}
		g.Go(func() error { return l.carry(ctx, in.(*net.TCPConn)) })
	}
}

// carry copies both ways until one side ends.
func (l *Link) carry(ctx context.Context, in *net.TCPConn) error {
	defer func() { _ = in.Close() }()
	dialed, err := new(net.Dialer).DialContext(ctx, "tcp", l.to)
	if err != nil {
		return err
	}
	out := dialed.(*net.TCPConn)
	defer func() { _ = out.Close() }()
	stop := context.AfterFunc(ctx, func() { _, _ = in.Close(), out.Close() })
	defer stop()
	var broken atomic.Bool
	breaks := sync.OnceFunc(func() { broken.Store(true); l.breaks.Add(1); l.End(in, out) })
	l.mu.Lock()
	l.open[in] = breaks
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.open, in)
	}()
	var g errgroup.Group
	way := func(to, from *net.TCPConn, left int64, slow bool) {
		g.Go(func() error {
			err := l.copy(to, from, left, slow, &broken, breaks)
			if !broken.Load() {
				_ = to.CloseWrite()
			}
			return err
		})
	}
	limit := func(is bool) int64 {
		if l.Broken > 0 && is {
			return l.After
		}
		return 1 << 60
	}
	way(out, in, limit(!l.Answers), true)
	way(in, out, limit(l.Answers), false)
	return g.Wait()
}

// copy copies so many bytes, breaks the connection then where it is one of the first, and swallows what still comes.
func (l *Link) copy(to io.Writer, from io.Reader, left int64, slow bool, broken *atomic.Bool, breaks func()) error {
	buffer := make([]byte, 4<<10)
	for {
		n, err := from.Read(buffer[:min(int64(len(buffer)), left)])
		if err != nil {
			return err
		}
		if slow {
			time.Sleep(l.Latency + l.wait(n))
		}
		if !broken.Load() {
			if _, err := to.Write(buffer[:n]); err != nil {
				return err
			}
		}
		if left -= int64(n); left == 0 && l.carried.Add(1) > l.Broken {
			left = 1 << 60
		}
		if left == 0 || broken.Load() {
			breaks()
			_, err := io.Copy(io.Discard, from)
			return err
		}
	}
}

// wait takes the link for so many bytes, and returns how long they need.
func (l *Link) wait(bytes int) time.Duration {
	if l.Rate == 0 {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); l.free.Before(now) {
		l.free = now
	}
	l.free = l.free.Add(time.Duration(float64(bytes) / l.Rate * float64(time.Second)))
	return time.Until(l.free)
}
