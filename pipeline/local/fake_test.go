//go:build unix

package local

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// The test binary stands in for Python: started with one of these variables it is a worker, or a graphscore that
// has workers.
const (
	fakeVariable   = "GRAPHSCORE_TEST_WORKER"
	parentVariable = "GRAPHSCORE_TEST_PARENT"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv(parentVariable); mode != "" {
		parent()
	}
	if mode := os.Getenv(fakeVariable); mode != "" {
		os.Exit(fakeWorker(mode))
	}
	goleak.VerifyTestMain(m)
}

// fakeWorker does what `python -m graphscore serve` promises, or breaks it as the mode says.
func fakeWorker(mode string) int {
	say := func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
	tell := func(level, format string, args ...any) {
		say(`{"time":"2026-01-02T03:04:05+00:00","level":%q,"msg":%q}`, level, fmt.Sprintf(format, args...))
	}
	switch mode {
	case "model":
		tell("ERROR", "%s/config.json: layer 0 has the unknown type \"gat\"", flagOf("--model"))
		return 65
	case "module":
		say("%s: No module named graphscore", os.Args[0])
		return 1
	case "import":
		say("Traceback (most recent call last):")
		say("ImportError: cannot import name 'spam'")
		return 1
	case "crash":
		say("Fatal Python error: Segmentation fault")
		return 139
	case "silent":
		time.Sleep(time.Minute)
		return 0
	}
	if file, once := strings.CutPrefix(mode, "then-model:"); once {
		if _, err := os.Stat(file); err == nil {
			tell("ERROR", "the weights have changed")
			return 65
		}
	}
	if file, found := strings.CutPrefix(mode, "once:"); found {
		if _, err := os.Stat(file); err == nil {
			return 9
		}
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			return 10
		}
	}
	terminate, die, mute := make(chan os.Signal, 1), make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(terminate, syscall.SIGTERM)
	signal.Notify(die, syscall.SIGUSR2)
	signal.Notify(mute, syscall.SIGUSR1)
	var muted atomic.Bool
	go func() {
		<-die
		os.Exit(3)
	}()
	go func() {
		<-mute
		if mode == "swell" {
			os.Exit(swell(terminate))
		}
		muted.Store(true)
		for mode == "busy" {
			muted.Load() // no answer, and all the CPU time that there is
		}
	}()
	socket := strings.TrimPrefix(flagOf("--listen"), "unix:")
	if flagOf("--lifeline-fd") == "3" && mode != "deaf" {
		go func() {
			_, _ = io.Copy(io.Discard, os.NewFile(3, "lifeline"))
			_ = os.Remove(socket)
			_ = os.Remove(filepath.Dir(socket))
			os.Exit(0)
		}()
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		tell("ERROR", "%v", err)
		return 69
	}
	server := grpc.NewServer(grpc.UnaryInterceptor(
		func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			if muted.Load() {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return handler(ctx, request)
		}))
	state := health.NewServer()
	healthpb.RegisterHealthServer(server, state)
	if mode == "unready" {
		state.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
		time.AfterFunc(300*time.Millisecond, func() { state.SetServingStatus("", healthpb.HealthCheckResponse_SERVING) })
	}
	go func() { _ = server.Serve(listener) }()
	tell("INFO", "serving %s", strings.Join(os.Args[1:], " "))
	tell("WARN", "%s", os.Getenv("OPENBLAS_NUM_THREADS")+os.Getenv("OMP_NUM_THREADS")+os.Getenv("PYTHONSAFEPATH"))
	for range terminate {
		if mode != "deaf" {
			return 0
		}
	}
	return 0
}

// swelling is how much memory a worker takes that swells, and slim what one that does not may have.
const swelling, slim = 400 << 20, 200 << 20

// swell takes memory, which is not of Go's heap, until the process is to end.
func swell(terminate <-chan os.Signal) int {
	memory, err := syscall.Mmap(-1, 0, swelling, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return 11
	}
	for i := 0; i < len(memory); i += os.Getpagesize() {
		memory[i] = 1
	}
	<-terminate
	return int(memory[0]) - 1
}

func flagOf(name string) string {
	if at := slices.Index(os.Args, name); at >= 0 && at+1 < len(os.Args) {
		return os.Args[at+1]
	}
	return ""
}

// pids are the numbers of the processes that run now. The system may give the number of one that has ended to the next.
func pids(p *Pool) []int {
	var out []int
	for _, q := range running(p) {
		out = append(out, q.cmd.Process.Pid)
	}
	return out
}

// running are the processes that run now.
func running(p *Pool) []*process {
	var out []*process
	for _, w := range p.workers {
		if now, _ := w.processes(); now != nil {
			out = append(out, now)
		}
	}
	return out
}

// ended reports whether a process has been waited for.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}
