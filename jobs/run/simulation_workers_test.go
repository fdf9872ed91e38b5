package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	"graphscore/pipeline"
	"graphscore/pipeline/graph"
	"graphscore/pipeline/remote"
	"graphscore/pipeline/slots"
)

const (
	simDeadline = 5 * time.Second
	simBudget   = 20 * time.Second
)

// simPool is the workers of one process, each a server of its own over connections in memory. It is what the pipeline asks
// of workers, and lends the session over them.
type simPool struct {
	process *simProcess
	log     *slog.Logger
	memory  *slots.Memory // nil where columns go inline
	at      map[string]*simWorker
	alone   atomic.Int64 // calls of one graph that somebody waits for
	ending  chan struct{}
	end     func() // closes ending, once
	g       errgroup.Group
}

// simWorker is the place of a worker: one process after the other.
type simWorker struct {
	address string
	index   int

	mu       sync.Mutex
	lives    int
	now      *simLife // nil while there is none
	last     *simLife
	answered time.Time
	pause    time.Duration // until the next one begins
}

// simLife is one process of a worker. Once something has killed it its connections are cut, and it goes on with what it
// has for a while: until it is waited for, nobody may count on its death.
type simLife struct {
	began    time.Time
	number   int           // of that worker, from 1
	throes   time.Duration // how long it goes on
	listener *bufconn.Listener
	holder   *slots.Holder
	draining chan struct{} // it takes no further calls
	killed   chan struct{} // something has ended it
	dead     chan struct{} // it touches nothing any more
	done     chan struct{} // it has been waited for

	mu      sync.Mutex
	drained bool
	stopped time.Time // it does nothing before
	dies    time.Time // once it is killed
	how     string
	fault   graph.Fault
	conns   []net.Conn // of the client
}

var _ pipeline.Workers = (*simPool)(nil)

// newSimPool starts the workers of a process, which share its slots.
func newSimPool(process *simProcess, log *slog.Logger) (*simPool, error) {
	p := &simPool{process: process, log: log, at: map[string]*simWorker{}, ending: make(chan struct{})}
	p.end = sync.OnceFunc(func() { close(p.ending) })
	if process.slots > 0 {
		var err error
		if p.memory, err = slots.Create(slots.Config{Slots: process.slots, SlotBytes: 4096}); err != nil {
			return nil, err
		}
	}
	for i := range process.workers {
		worker := &simWorker{address: fmt.Sprintf("unix:/worker%d", i), index: i}
		p.at[worker.address] = worker
		life := p.begin(worker)
		p.g.Go(func() error { return p.watch(worker, life) })
	}
	return p, nil
}

// session is the session over the pool. Its end is that of leave and close.
func (p *simPool) session(cfg Config) (*Session, error) {
	s := &Session{memory: p.memory, workers: p, gate: pipeline.NewGate(len(p.at))}
	for i := range len(p.at) {
		s.Addresses = append(s.Addresses, fmt.Sprintf("unix:/worker%d", i))
	}
	s.cfg = remote.Config{
		Addresses: s.Addresses, Deadline: simDeadline, Dial: p.dial, Memory: p.memory, Answered: p.answered, Log: cfg.Log,
	}.WithDefaults()
	var err error
	if s.conn, err = remote.Dial(s.cfg); err != nil {
		return nil, err
	}
	s.Model, s.MessageBytes = *p.process.world.served, int64(s.cfg.MaxMessageBytes)
	return s, nil
}

// leave begins to end the session and the workers: a call that is made then fails.
func (p *simPool) leave(s *Session) {
	s.End()
	p.end()
}

// close ends the connection, the workers and the memory, in this order. s may be nil.
func (p *simPool) close(s *Session) error {
	var err error
	if s != nil {
		s.End()
		err = s.ended
	}
	p.end()
	err = errors.Join(err, p.g.Wait())
	if p.memory != nil {
		err = errors.Join(err, p.memory.Close())
	}
	return err
}

// begin starts a process of a worker.
func (p *simPool) begin(w *simWorker) *simLife {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lives++
	l := &simLife{
		began: time.Now(), number: w.lives, throes: p.process.dice.throes(w.index, w.lives), listener: bufconn.Listen(16 << 10),
		draining: make(chan struct{}), killed: make(chan struct{}), dead: make(chan struct{}), done: make(chan struct{}),
	}
	if p.memory != nil {
		l.holder = p.memory.Join(func() { l.end("was replaced, as it held memory of earlier calls", graph.NoFault) })
	}
	w.now = l
	return l
}

// watch serves as one process after the other, until the pool ends.
func (p *simPool) watch(w *simWorker, l *simLife) error {
	for {
		if err := p.live(w, l); err != nil {
			return err
		}
		if l.holder != nil {
			l.holder.Gone()
		}
		w.mu.Lock()
		w.now, w.last = nil, l
		pause := w.pause + 100*time.Millisecond
		w.pause = 0
		w.mu.Unlock()
		close(l.done)
		select {
		case <-p.ending:
			return nil
		case <-time.After(pause):
		}
		l = p.begin(w)
	}
}

// live serves as one process, until that touches nothing any more.
func (p *simPool) live(w *simWorker, l *simLife) error {
	server := grpc.NewServer(grpc.WaitForHandlers(true))
	p.server(w, l).Register(server)
	var g errgroup.Group
	g.Go(func() error {
		if err := server.Serve(l.listener); !errors.Is(err, grpc.ErrServerStopped) { // it may end before it begins
			return err
		}
		return nil
	})
	draining := l.draining
	for alive := true; alive; {
		select {
		case <-l.killed:
			alive = false
		case <-p.ending:
			l.throes, alive = 0, false
			l.end("was ended", graph.FaultCrashed)
		case <-draining:
			draining = nil
			g.Go(func() error {
				server.GracefulStop()
				l.end("was replaced, as it had taken too much memory", graph.NoFault)
				return nil
			})
		}
	}
	l.reset()
	p.process.defect.killed(l)
	time.Sleep(l.throes)
	close(l.dead)
	server.Stop()
	return g.Wait()
}

// end ends a process, which does not touch its slots any more once it is waited for.
func (l *simLife) end(how string, fault graph.Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.how == "" {
		l.how, l.fault, l.dies = how, fault, time.Now().Add(l.throes)
		close(l.killed)
	}
}

// drain has a process end once it has answered its calls.
func (l *simLife) drain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.drained && l.how == "" {
		l.drained = true
		close(l.draining)
	}
}

// stop stops a process for so long.
func (l *simLife) stop(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = time.Now().Add(d)
}

// pass lets so much time pass in a process, and more while it is stopped. It reports whether it is not dead then: one that
// was killed hurries.
func (l *simLife) pass(d time.Duration) bool {
	for end := time.Now().Add(d); ; {
		l.mu.Lock()
		left, stopped, dying := time.Until(end), time.Until(l.stopped), time.Until(l.dies)
		killed := l.how != ""
		l.mu.Unlock()
		switch {
		case killed && stopped > 0:
			<-l.dead
			return false
		case killed:
			left = min(left, dying/2)
		}
		if left = max(left, stopped); left <= 0 {
			select {
			case <-l.dead:
				return false
			default:
				return true
			}
		}
		hurried := l.killed
		if killed {
			hurried, end = nil, time.Now()
		}
		select {
		case <-time.After(left):
		case <-hurried:
		case <-l.dead:
		}
	}
}

// reset cuts the connections to a process.
func (l *simLife) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		_ = c.Close()
	}
	l.conns = nil
}

func (p *simPool) dial(ctx context.Context, address string) (net.Conn, error) {
	w := p.at[address]
	w.mu.Lock()
	l := w.now
	w.mu.Unlock()
	if l == nil || l.refuses() {
		return nil, errors.New("connection refused")
	}
	conn, err := l.listener.DialContext(ctx)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.conns = append(l.conns, conn)
	l.mu.Unlock()
	conn = &simConn{conn, &net.UnixAddr{Name: strings.TrimPrefix(address, "unix:"), Net: "unix"}}
	if l.holder == nil {
		return conn, nil
	}
	return p.process.defect.holder(p, l).Conn(conn), nil
}

// refuses reports whether a process takes no further connection.
func (l *simLife) refuses() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.drained || l.how != ""
}

// simConn is a connection that has the address of its worker.
type simConn struct {
	net.Conn
	to net.Addr
}

func (c *simConn) RemoteAddr() net.Addr { return c.to }

func (p *simPool) answered(address string) {
	w := p.at[address]
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answered = time.Now()
}

// Ended implements pipeline.Workers as a pool of real processes does.
func (p *simPool) Ended(ctx context.Context, address string) (string, graph.Fault) {
	w := p.at[address]
	if w == nil {
		return "", graph.NoFault
	}
	w.mu.Lock()
	now, last := w.now, w.last
	w.mu.Unlock()
	if now == nil {
		return last.ended()
	}
	select {
	case <-now.done:
		return now.ended()
	case <-ctx.Done():
	case <-time.After(2 * time.Second):
	}
	if last != nil && time.Since(now.began) < 10*time.Second {
		return last.ended()
	}
	return "", graph.NoFault
}

func (l *simLife) ended() (string, graph.Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.how, l.fault
}

// Hung implements pipeline.Workers as a pool of real processes does.
func (p *simPool) Hung(ctx context.Context, address string, began time.Time) {
	w := p.at[address]
	if w == nil {
		return
	}
	w.mu.Lock()
	now, answered := w.now, w.answered
	w.mu.Unlock()
	if now == nil || !began.IsZero() && answered.After(began) || time.Since(now.began) < 500*time.Millisecond {
		return
	}
	now.end("hung and was replaced", graph.FaultHung)
	p.Ended(ctx, address)
}

// Excuse implements pipeline.Workers: these are started again however often they end.
func (p *simPool) Excuse(bool) {}
