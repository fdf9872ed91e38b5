package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"graphscore/pipeline/display"
)

// Pool is the workers of a run. It is safe for concurrent use.
type Pool struct {
	cfg      Config
	folder   string
	workers  []*worker
	at       map[string]*worker // by address
	lifeline struct{ read, write *os.File }
	stop     context.CancelFunc // ends the watch
	group    errgroup.Group     // one watch a worker
	restarts atomic.Int64
	excused  atomic.Int64           // as Excuse counts
	draining atomic.Pointer[worker] // nil while no worker is

	failed   chan struct{} // closed when err is set
	failOnce sync.Once
	err      error

	endOnce   sync.Once
	endErr    error
	kill      *time.Timer // once End was called
	closeOnce sync.Once
	closeErr  error
}

// Start starts the workers and blocks until all are ready, one has failed, or ctx ends, which counts until then
// only. Errors are *ModelError, *PythonError, *StartError, or that of ctx; no process is left then. The caller
// must Close the pool.
func Start(ctx context.Context, cfg Config) (*Pool, error) {
	cfg = cfg.WithDefaults()
	if err := errors.Join(cfg.Validate(), supported()); err != nil {
		return nil, err
	}
	if model, err := filepath.Abs(cfg.Model); err == nil {
		cfg.Model = model
	}
	p := &Pool{cfg: cfg, at: map[string]*worker{}, failed: make(chan struct{})}
	var err error
	if p.folder, err = socketFolder(cfg.Workers, os.TempDir(), "/tmp"); err != nil {
		return nil, &StartError{Message: fmt.Sprintf("cannot create a folder for the sockets of the workers: %v; set TMPDIR to a writable folder with a short path", err), Err: err}
	}
	if p.lifeline.read, p.lifeline.write, err = os.Pipe(); err != nil {
		_ = os.Remove(p.folder) // the other error matters
		return nil, &StartError{Message: fmt.Sprintf("cannot create a pipe to the workers: %v%s", display.Cause(err), raise(err)), Err: err}
	}
	var watching context.Context
	watching, p.stop = context.WithCancel(context.WithoutCancel(ctx))
	if err := p.begin(ctx, watching); err != nil {
		if closeErr := p.Close(); closeErr != nil {
			err = errors.Join(err, closeErr)
		}
		return nil, err
	}
	for _, w := range p.workers {
		w.ready.Store(true)
		w.out.release()
		p.group.Go(func() error {
			w.check(watching)
			return nil
		})
	}
	return p, nil
}

// begin starts every worker and waits for all.
func (p *Pool) begin(ctx, watching context.Context) error {
	for i := range p.cfg.Workers {
		w := &worker{
			cfg: p.cfg, socket: socketPath(p.folder, i), lifeline: p.lifeline.read,
			out: &output{log: p.cfg.Log.With("worker", i)}, excused: &p.excused,
		}
		first, err := w.start(watching)
		if err != nil {
			return err
		}
		p.workers, p.at[w.address()] = append(p.workers, w), w
		p.group.Go(func() error {
			if err := w.watch(watching, first, func() { p.restarts.Add(1) }); err != nil {
				p.fail(err)
			}
			return nil // Err returns it
		})
	}
	starting, cancel := context.WithTimeout(ctx, p.cfg.StartTimeout)
	defer cancel()
	for i, w := range p.workers {
		if err := p.await(starting, w); err != nil {
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case starting.Err() != nil:
				return &StartError{Message: fmt.Sprintf("worker %d was not ready after %v%s",
					i, p.cfg.StartTimeout, withOutput(lastError(w.out.lines())))}
			}
			return err
		}
	}
	return p.roomy()
}

func (p *Pool) fail(err error) {
	p.failOnce.Do(func() {
		p.err = err
		close(p.failed)
	})
}

// await blocks until the worker says that it serves, the pool has failed, or ctx ends.
func (p *Pool) await(ctx context.Context, w *worker) error {
	const pause = 10 * time.Millisecond
	for !listening(ctx, w.socket) {
		if err := p.pause(ctx, pause); err != nil {
			return err
		}
	}
	conn, err := dial(w.socket)
	if err != nil {
		return &StartError{Message: fmt.Sprintf("the socket %s cannot be used: %v", w.socket, err), Err: err}
	}
	defer func() { _ = conn.Close() }() // nothing was sent that could be lost
	for {
		if healthy(ctx, conn) {
			return nil
		}
		if err := p.pause(ctx, pause); err != nil {
			return err
		}
	}
}

func (p *Pool) pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-p.failed:
		return p.err
	case <-time.After(d):
		return nil
	}
}

func listening(ctx context.Context, socket string) bool {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return false
	}
	_ = conn.Close() // nothing was sent
	return true
}

func dial(socket string) (*grpc.ClientConn, error) {
	return grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
}

func healthy(ctx context.Context, conn *grpc.ClientConn) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	r, err := healthpb.NewHealthClient(conn).Check(ctx, new(healthpb.HealthCheckRequest))
	return err == nil && r.GetStatus() == healthpb.HealthCheckResponse_SERVING
}

// Addresses returns one "unix:/path" a worker, the same for its successors.
func (p *Pool) Addresses() []string {
	out := make([]string, len(p.workers))
	for i, w := range p.workers {
		out[i] = w.address()
	}
	return out
}

// Restarts is how many processes were started in place of dead ones.
func (p *Pool) Restarts() int { return int(p.restarts.Load()) }

// Failed is closed when a worker died too often in a row; Err then says why. The other workers go on.
func (p *Pool) Failed() <-chan struct{} { return p.failed }

// Err is nil until Failed is closed. It wraps a *ModelError, *PythonError or *StartError.
func (p *Pool) Err() error {
	select {
	case <-p.failed:
		return p.err
	default:
		return nil
	}
}

// PeakMemory is the sum of the largest resident memory of each worker, in bytes, as far as it was asked for
// before a worker died. What workers share counts for each. It is 0 after Close and where /proc is missing.
func (p *Pool) PeakMemory() int64 {
	var sum int64
	for _, w := range p.workers {
		sum += w.peakMemory()
	}
	return sum
}

// End begins to end all workers, and does not wait for them: those that have not gone after Config.StopGrace are killed.
// Calls under way fail. It may be called more than once.
func (p *Pool) End() {
	p.endOnce.Do(func() {
		p.stop()
		p.endErr = p.lifeline.write.Close()
		for _, w := range p.workers {
			w.signal(syscall.SIGTERM)
		}
		p.kill = time.AfterFunc(p.cfg.StopGrace, func() {
			for _, w := range p.workers {
				w.signal(syscall.SIGKILL)
			}
		})
	})
}

// Close ends all workers and removes their sockets. It blocks until no process is left. It may be called more than once.
func (p *Pool) Close() error {
	p.closeOnce.Do(func() {
		p.End()
		defer p.kill.Stop()
		p.closeErr = errors.Join(p.endErr, p.group.Wait(), p.lifeline.read.Close(), os.RemoveAll(p.folder))
		if p.closeErr != nil {
			p.closeErr = fmt.Errorf("closing the workers: %w", p.closeErr)
		}
	})
	return p.closeErr
}
