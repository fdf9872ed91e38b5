package observe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"
)

// closePatience is how long Close lets answers finish that are under way.
const closePatience = time.Second

// ListenError is an address at which metrics cannot be served.
type ListenError struct {
	Address string
	Err     error
}

func (e *ListenError) Error() string {
	return fmt.Sprintf("metrics cannot be served at %s (%v): name another address, or port 0 for any that is free",
		e.Address, reason(e.Err))
}

// Unwrap returns the cause.
func (e *ListenError) Unwrap() error { return e.Err }

// reason leaves out the operation and the address.
func reason(err error) error {
	var at *net.OpError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// Server serves /metrics and /debug/pprof/ while a run goes on.
type Server struct {
	server   *http.Server
	listener net.Listener
	group    errgroup.Group
}

// TryListen says whether Serve could listen at the address now. The error is a *ListenError.
func TryListen(ctx context.Context, address string) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return &ListenError{Address: address, Err: err}
	}
	_ = listener.Close() // nobody was served
	return nil
}

// Serve listens at the address and serves what read returns, whenever it is asked. The address is one on the loopback,
// which the caller has checked: profiles are for nobody else. The caller closes the server. The error is a
// *ListenError.
func Serve(ctx context.Context, address, job string, read func() Live, log *slog.Logger) (*Server, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, &ListenError{Address: address, Err: err}
	}
	s := &Server{listener: listener, server: &http.Server{
		Handler: handler(job, read), ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
	s.group.Go(func() error { return s.server.Serve(listener) })
	return s, nil
}

// URL is that of the metrics.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() + "/metrics" }

// Close ends the server, and what it still answers after a second.
func (s *Server) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closePatience)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil {
		_ = s.server.Close() // a profile takes longer than the run had left
	}
	if err := s.group.Wait(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving metrics: %w", err)
	}
	return nil
}

// handler has a registry and a mux of its own: nothing that a library registers globally is shown.
func handler(job string, read func() Live) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(newLive(job, read),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}
