//go:build faults

package faults

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"graphscore/pipeline/exit"
	"graphscore/pipeline/faulttest"
	"graphscore/pipeline/remote/remotetest"
	scoringv1 "graphscore/proto/graphscore/v1"
)

// sameBytes is the outcome of what a run survives: 3, as each input has broken graphs, whatever is injected.
const sameBytes = "as undisturbed, the same bytes"

// small requests, so that there are many, and a budget that a busy machine does not use up.
const patient = "limits: {request_bytes: 20KiB, retry_budget: 10m}\n"

// lasting is a deadline that no test waits for.
const lasting = "limits: {request_bytes: 20KiB, deadline: 1h, retry_budget: 10m}\n"

// Links that break, and slow ones. A run over them ends as an undisturbed one.
func TestLinks(t *testing.T) {
	t.Parallel()
	c := newTrial(t)
	for _, test := range []struct {
		number, name, how, limits string
		link                      *remotetest.Link
	}{
		{"10", "slow", "a link of 100 KB/s, default limits", "", &remotetest.Link{Rate: 100e3}},
		{"10", "late", "a link on which each 4 KiB take 50 ms longer, default limits", "", &remotetest.Link{Latency: 50 * time.Millisecond}},
		{"12", "reset", "RST in the middle of a request, on the first five connections", patient, &remotetest.Link{Broken: 5, After: 30000, End: remotetest.Reset}},
		{"12", "cut", "closed in the middle of an answer, on the first five connections", patient, &remotetest.Link{Broken: 5, After: 9000, Answers: true, End: remotetest.Cut}},
		{"12", "black hole", "from the middle of a request on nothing passes, on the first connection",
			"limits: {request_bytes: 20KiB, deadline: 10s, retry_budget: 10m}\n", &remotetest.Link{Broken: 1, After: 30000, End: remotetest.Silence}},
		{"12", "vanished", "from the middle of a request on the kernel drops every packet (SO_ATTACH_FILTER), on the first connection, a deadline of an hour",
			lasting, &remotetest.Link{Broken: 1, After: 30000, End: remotetest.Vanish}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := c.in(t)
			c.run(exit.Partly, c.job(test.link.Through(t, behaved(t)), test.limits), "out")
			times := 1
			if test.link.Broken > 0 {
				times = test.link.Breaks()
			}
			faulttest.Report(t, faulttest.Row{Case: test.number, How: test.how, Outcome: sameBytes, Times: times, Tally: c.whole("out")})
		})
	}
}

// A server that computes one call at a time, and each for long.
func TestServerIsSlow(t *testing.T) {
	t.Parallel()
	c, n := newTrial(t).in(t), native()
	var turn sync.Mutex
	n.Before = func(context.Context, *scoringv1.ScoreRequest) error {
		turn.Lock()
		defer turn.Unlock()
		time.Sleep(300 * time.Millisecond)
		return nil
	}
	c.run(exit.Partly, c.job(remotetest.Serve(t, serving(n)), ""), "out")
	faulttest.Report(t, faulttest.Row{Case: "10", How: "a server that takes one call at a time, and 300 ms for each, default limits",
		Outcome: sameBytes, Times: n.Calls(), Tally: c.whole("out")})
}

// in is the trial for a test of its own: the same input, with outputs and job files of its own.
func (c *trial) in(t *testing.T) *trial {
	t.Helper()
	own := &trial{t: t, folder: t.TempDir(), want: c.want, same: c.same}
	own.link("in", c.path("in"))
	return own
}

// A server that is gone for 3 s, and one that does not come back.
func TestServersThatGo(t *testing.T) {
	t.Parallel()
	c := newTrial(t)
	// gone serves until so many calls were made, then never again, and closes what it returns.
	gone := func(t *testing.T, address string, calls int) <-chan struct{} {
		t.Helper()
		n, stopped := native(), make(chan struct{})
		server := serving(n)
		var g errgroup.Group
		stop := sync.OnceFunc(func() {
			g.Go(func() error { server.Stop(); close(stopped); return nil })
		})
		n.Before = func(ctx context.Context, _ *scoringv1.ScoreRequest) error {
			if n.Calls() < calls {
				return nil
			}
			stop()
			<-ctx.Done()
			return ctx.Err()
		}
		t.Cleanup(func() { _ = g.Wait() })
		remotetest.ServeOn(t, server, address)
		return stopped
	}
	t.Run("for 3 s", func(t *testing.T) {
		t.Parallel()
		c, address := c.in(t), remotetest.Reserved(t)
		stopped := gone(t, address, 10)
		var g errgroup.Group
		g.Go(func() error {
			<-stopped
			time.Sleep(3 * time.Second)
			remotetest.ServeOn(t, serving(native()), address)
			return nil
		})
		c.run(exit.Partly, c.job(address, patient), "out")
		_ = g.Wait()
		faulttest.Report(t, faulttest.Row{Case: "7", How: "the server is stopped in the middle of calls, and serves again after 3 s",
			Outcome: sameBytes, Times: 1, Tally: c.whole("out")})
	})
	t.Run("for good", func(t *testing.T) {
		t.Parallel()
		c, address := c.in(t), remotetest.Reserved(t)
		gone(t, address, 5)
		said := c.run(exit.NoScorer, c.job(address, "limits: {request_bytes: 20KiB, retry_budget: 10s}\n"), "out")
		if err := has(said, address); err != nil {
			t.Error(err)
		}
		c.run(exit.Partly, c.job(behaved(t), patient), "out")
		faulttest.Report(t, faulttest.Row{Case: "8", How: "the server is stopped in the middle of calls, for good; then the run is continued with another",
			Outcome: "69 after the retry budget, then the same bytes", Times: 1, Tally: c.whole("out")})
	})
}

// A server that is full refuses every call for some time, and says how long to wait. Afterwards there are several calls at once
// again.
func TestServerIsFull(t *testing.T) {
	t.Parallel()
	c := newTrial(t)
	for name, pushback := range map[string]string{"says when": "400", "says nothing": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, n := c.in(t), native()
			var refused, under, most atomic.Int64
			n.Before = func(ctx context.Context, _ *scoringv1.ScoreRequest) error {
				// One call in three is taken until 30 were refused: a storm, and after it none.
				if refused.Load() >= 30 {
					for now := under.Add(1); ; {
						if seen := most.Load(); now <= seen || most.CompareAndSwap(seen, now) {
							break
						}
					}
					time.Sleep(50 * time.Millisecond)
					under.Add(-1)
					return nil
				}
				if n.Calls()%3 == 0 {
					return nil
				}
				refused.Add(1)
				if pushback != "" {
					if err := grpc.SetTrailer(ctx, metadata.Pairs("grpc-retry-pushback-ms", pushback)); err != nil {
						return err
					}
				}
				return status.Error(codes.ResourceExhausted, "full")
			}
			c.run(exit.Partly, c.job(remotetest.Serve(t, serving(n)), patient), "out")
			if most.Load() < 2 {
				t.Errorf("after the storm there were never more than %d calls at once", most.Load())
			}
			how := "RESOURCE_EXHAUSTED for two calls in three, 30 times"
			if pushback != "" {
				how += ", with a trailer that asks for " + pushback + " ms"
			}
			faulttest.Report(t, faulttest.Row{Case: "13", How: how, Outcome: sameBytes + "; several calls at once again after it", Times: int(refused.Load()), Tally: c.whole("out")})
		})
	}
}

// counting counts the connections of a listener.
type counting struct {
	net.Listener
	accepted atomic.Int64
}

func (l *counting) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.accepted.Add(1)
	}
	return c, err
}

// GOAWAY: a server that ends connections by their age.
func TestConnectionsHaveAnAge(t *testing.T) {
	t.Parallel()
	c, n := newTrial(t), native()
	n.Before = func(context.Context, *scoringv1.ScoreRequest) error { time.Sleep(300 * time.Millisecond); return nil }
	server := serving(n, grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: 2 * time.Second}))
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &counting{Listener: listener}
	remotetest.ServeListener(t, server, l)
	c.run(exit.Partly, c.job(listener.Addr().String(), "limits: {request_bytes: 4KiB, retry_budget: 10m}\n"), "out")
	faulttest.Report(t, faulttest.Row{Case: "14", How: "GOAWAY by a max_connection_age of 2 s, calls of 300 ms",
		Outcome: sameBytes, Times: int(l.accepted.Load()) - 1, Tally: c.whole("out")})
}
