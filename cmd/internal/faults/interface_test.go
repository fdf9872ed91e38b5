//go:build faults

package faults

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"graphscore/pipeline/exit"
	"graphscore/pipeline/faulttest"
	"graphscore/pipeline/remote/remotetest"
	scoringv1 "graphscore/proto/graphscore/v1"
)

// The host of one of two servers vanishes with the calls that it has, for good: its network interface goes down, and nobody
// is told. The deadline is an hour, the run ends long before.
func TestServerVanishes(t *testing.T) {
	t.Parallel()
	c := newTrial(t).in(t)
	vanishing, steady := native(), native()
	gone, vanished := make(chan struct{}), make(chan struct{})
	var once sync.Once
	vanishing.Before = func(ctx context.Context, _ *scoringv1.ScoreRequest) error {
		select {
		case <-vanished: // over a new connection, where only the old ones lead nowhere
			return nil
		default:
		}
		once.Do(func() { close(gone) })
		<-ctx.Done()
		return ctx.Err()
	}
	steady.Before = func(context.Context, *scoringv1.ScoreRequest) error { <-vanished; return nil }
	w, err := twoHosts(t)
	how := "the interface of the host of one of two servers goes down (ip link, in a network namespace) while it scores, a deadline of an hour"
	if err != nil {
		t.Logf("packets are dropped by a socket instead: %v", err)
		how = "the kernel drops every packet (SO_ATTACH_FILTER) of the connections of one of two servers while it scores, a deadline of an hour"
		link := &remotetest.Link{End: remotetest.Vanish}
		w = &hosts{address: link.Through(t, remotetest.Serve(t, serving(vanishing))), down: func() error { link.Break(); return nil }}
	} else {
		remotetest.ServeListener(t, serving(vanishing), w.listener)
	}
	var g errgroup.Group
	g.Go(func() error { <-gone; defer close(vanished); return w.down() })
	// This goroutine stays on its thread: what it starts and listens on is in the namespace of the client.
	c.run(exit.Partly, c.job(w.address, lasting, behavedAs(t, steady)), "out")
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	faulttest.Report(t, faulttest.Row{Case: "12", How: how, Outcome: sameBytes, Times: 1, Tally: c.whole("out")})
}

// behavedAs serves a server until the test ends.
func behavedAs(t *testing.T, n *remotetest.Native) string { return remotetest.Serve(t, serving(n)) }

// hosts are two network namespaces and the cable between them. The caller's goroutine is in one of them until it ends.
type hosts struct {
	address  string       // in the other
	listener net.Listener // there
	down     func() error // pulls the cable there
}

// twoHosts needs root and iproute2, and a kernel that lets it. Where it fails the caller's goroutine is where it was.
func twoHosts(t *testing.T) (w *hosts, err error) {
	t.Helper()
	if _, err := exec.LookPath("ip"); err != nil {
		return nil, err
	}
	other := make(chan func())
	run := func(f func() error) error {
		done := make(chan error)
		other <- func() { done <- f() }
		return <-done
	}
	var g errgroup.Group
	g.Go(func() error {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		for f := range other {
			f()
		}
		return nil
	})
	t.Cleanup(func() { close(other); _ = g.Wait() })
	var there int
	if err := run(func() error { there = unix.Gettid(); return unix.Unshare(unix.CLONE_NEWNET) }); err != nil {
		return nil, fmt.Errorf("making a network namespace: %w", err)
	}
	runtime.LockOSThread()
	before, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, unix.Setns(int(before.Fd()), unix.CLONE_NEWNET))
		}
		_ = before.Close()
	}()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("making a network namespace: %w", err)
	}
	ctx := t.Context()
	w = &hosts{down: func() error { return run(func() error { return ip(ctx, "link", "set", "there", "down") }) }}
	err = errors.Join(
		ip(ctx, "link", "set", "lo", "up"),
		ip(ctx, "link", "add", "here", "type", "veth", "peer", "name", "there", "netns", strconv.Itoa(there)),
		ip(ctx, "address", "add", "10.77.0.1/24", "dev", "here"),
		ip(ctx, "link", "set", "here", "up"),
		run(func() (err error) {
			err = errors.Join(ip(ctx, "address", "add", "10.77.0.2/24", "dev", "there"), ip(ctx, "link", "set", "there", "up"))
			if err == nil {
				w.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", "10.77.0.2:0")
			}
			return err
		}))
	if err != nil {
		return nil, err
	}
	w.address = w.listener.Addr().String()
	return w, nil
}

// ip runs iproute2 in the namespace of the caller's thread.
func ip(ctx context.Context, args ...string) error {
	if said, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %v: %w: %s", args, err, said)
	}
	return nil
}
