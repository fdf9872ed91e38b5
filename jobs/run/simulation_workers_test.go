package run

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"graphscore/pipeline"
	"graphscore/pipeline/graph"
	"graphscore/pipeline/remote"
	"graphscore/pipeline/remote/remotetest"
	"graphscore/pipeline/slots"
	scoringv1 "graphscore/proto/graphscore/v1"
)

const (
	simDeadline = 5 * time.Second
	simBudget   = 20 * time.Second
)

// simPool is the workers of one process, each a server of its own over connections in memory. It is what the pipeline asks
// of workers, and lends the session over them.
type simPool struct {
	world  *simWorld
	dice   *simDice
	log    *slog.Logger
	memory *slots.Memory // nil where columns go inline
	at     map[string]*simWorker
	ending chan struct{}
	g      errgroup.Group
}

// simWorker is the place of a worker: one process after the other.
type simWorker struct {
	address string

	mu       sync.Mutex
	now      *simLife // nil while there is none
	last     *simLife
	answered time.Time
	pause    time.Duration // until the next one begins
}

// simLife is one process of a worker.
type simLife struct {
	began    time.Time
	listener *bufconn.Listener
	holder   *slots.Holder
	killed   chan struct{} // something has ended it
	done     chan struct{} // it has been waited for

	mu    sync.Mutex
	how   string
	fault graph.Fault
	conns []net.Conn // of the client
}

var _ pipeline.Workers = (*simPool)(nil)

// newSimPool starts so many workers, which share so many slots.
func newSimPool(w *simWorld, dice *simDice, log *slog.Logger, workers, count int) (*simPool, error) {
	p := &simPool{world: w, dice: dice, log: log, at: map[string]*simWorker{}, ending: make(chan struct{})}
	if count > 0 {
		var err error
		if p.memory, err = slots.Create(slots.Config{Slots: count, SlotBytes: 4096}); err != nil {
			return nil, err
		}
	}
	for i := range workers {
		worker := &simWorker{address: fmt.Sprintf("unix:/worker%d", i)}
		p.at[worker.address] = worker
		life := p.begin(worker)
		p.g.Go(func() error { return p.watch(worker, life) })
	}
	return p, nil
}

// session is the session over the pool. Its end is that of close.
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
	s.Model, s.MessageBytes = *p.world.served, int64(s.cfg.MaxMessageBytes)
	return s, nil
}

// close ends the connection, the workers and the memory, in this order.
func (p *simPool) close(s *Session) error {
	var err error
	if s != nil && s.conn != nil {
		err = s.conn.Close()
	}
	close(p.ending)
	err = errors.Join(err, p.g.Wait())
	if p.memory != nil {
		err = errors.Join(err, p.memory.Close())
	}
	return err
}

// begin starts a process of a worker.
func (p *simPool) begin(w *simWorker) *simLife {
	l := &simLife{began: time.Now(), listener: bufconn.Listen(16 << 10), killed: make(chan struct{}), done: make(chan struct{})}
	if p.memory != nil {
		l.holder = p.memory.Join(func() { l.end("was replaced, as it held memory of earlier calls", graph.NoFault) })
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = l
	return l
}

// watch serves as one process after the other, until the pool ends.
func (p *simPool) watch(w *simWorker, l *simLife) error {
	for {
		server := grpc.NewServer(grpc.WaitForHandlers(true))
		p.server(w, l).Register(server)
		var g errgroup.Group
		g.Go(func() error {
			if err := server.Serve(l.listener); !errors.Is(err, grpc.ErrServerStopped) { // it may end before it begins
				return err
			}
			return nil
		})
		select {
		case <-l.killed:
		case <-p.ending:
			l.end("was ended", graph.FaultCrashed)
		}
		w.mu.Lock()
		w.now, w.last = nil, l
		w.mu.Unlock()
		server.Stop()
		if err := g.Wait(); err != nil {
			return err
		}
		if l.holder != nil {
			l.holder.Gone()
		}
		close(l.done)
		w.mu.Lock()
		pause := w.pause + 100*time.Millisecond
		w.pause = 0
		w.mu.Unlock()
		select {
		case <-p.ending:
			return nil
		case <-time.After(pause):
		}
		l = p.begin(w)
	}
}

// end ends a process, which does not touch its slots any more once it is waited for.
func (l *simLife) end(how string, fault graph.Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.how == "" {
		l.how, l.fault = how, fault
		close(l.killed)
	}
}

// server is what a process answers.
func (p *simPool) server(w *simWorker, l *simLife) *remotetest.Native {
	n := remotetest.NewNative(2, "score")
	n.Model.Digest, n.Memory = p.world.served.Digest, p.memory
	if p.memory != nil {
		n.Model.Memory = n.Described()
	}
	var mu sync.Mutex
	after := map[any]func(*scoringv1.ScoreResponse){} // what becomes of a request once it is scored
	n.Before = func(ctx context.Context, r *scoringv1.ScoreRequest) error {
		fault, takes, err := p.decide(w, n, r)
		if err != nil {
			return err
		}
		select {
		case <-time.After(takes):
		case <-l.killed:
			return l.silent(ctx)
		}
		later := func(change func(*scoringv1.ScoreResponse)) {
			mu.Lock()
			defer mu.Unlock()
			after[simUse(r)] = change
		}
		switch fault {
		case simContract:
			later(func(answer *scoringv1.ScoreResponse) { answer.ModelDigest = "sha256:other" })
		case simDieAfter:
			later(func(*scoringv1.ScoreResponse) {
				l.end("was killed by SIGKILL", graph.FaultCrashed)
				_ = l.silent(ctx)
			})
		case simFull, simBusy, simUnavailable, simRaise:
			return refuse(ctx, r, fault)
		default:
			return p.fail(ctx, l, fault)
		}
		return nil
	}
	n.Change = func(r *scoringv1.ScoreRequest, answer *scoringv1.ScoreResponse) {
		mu.Lock()
		change := after[simUse(r)]
		delete(after, simUse(r))
		mu.Unlock()
		if change != nil {
			change(answer)
		}
	}
	return n
}

// simUse is the same for a request whether its columns were taken out of their slot or not.
func simUse(r *scoringv1.ScoreRequest) any {
	if r.GetShared() != nil {
		return r.GetShared().GetNumber()
	}
	return r
}

// silent is a process that has ended: nobody hears of the error.
func (l *simLife) silent(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// decide says what becomes of a request: what its poison does, else what the dice say.
func (p *simPool) decide(w *simWorker, n *remotetest.Native, r *scoringv1.ScoreRequest) (simFault, time.Duration, error) {
	whole, err := n.Unpacked(r)
	if err != nil {
		return simNone, 0, err
	}
	var numbers []int64
	node := 0
	for g := range int(whole.GetGraphs()) {
		bits := binary.LittleEndian.Uint32(whole.GetFeatures()[8*node:])
		numbers = append(numbers, int64(math.Float32frombits(bits)))
		node += int(binary.LittleEndian.Uint32(whole.GetNodeCounts()[4*g:]))
	}
	fault, takes := p.dice.of(numbers)
	for _, number := range numbers {
		if poison := p.world.poison[number]; poison != simNone {
			fault, takes = poison, time.Millisecond
		}
	}
	p.log.Debug("a worker has a call", "worker", w.address, "graphs", numbers, "fault", fault, "takes", takes, "slot", r.GetShared().GetNumber())
	return fault, takes, nil
}

// refuse is how a worker that lives answers a call that it does not score. It touches the slot no more.
func refuse(ctx context.Context, r *scoringv1.ScoreRequest, fault simFault) error {
	trailer := metadata.MD{}
	if r.GetShared() != nil {
		trailer.Set("graphscore-slot", strconv.FormatUint(r.GetShared().GetNumber(), 10))
	}
	if fault == simBusy {
		trailer.Set("grpc-retry-pushback-ms", "700")
	}
	if err := grpc.SetTrailer(ctx, trailer); err != nil {
		return err
	}
	switch fault {
	case simUnavailable:
		return status.Error(codes.Unavailable, "restarting")
	case simRaise:
		return status.Error(codes.Unknown, "the server failed: ValueError")
	default:
		return status.Error(codes.ResourceExhausted, "the queue is full")
	}
}

// fail is the end of a call before it is scored, nil where it goes on.
func (p *simPool) fail(ctx context.Context, l *simLife, fault simFault) error {
	switch fault {
	case simReset:
		l.reset()
		return l.silent(ctx)
	case simGone:
		for _, other := range p.at {
			other.mu.Lock()
			other.pause = 10 * simBudget
			life := other.now
			other.mu.Unlock()
			if life != nil {
				life.end("was killed by SIGKILL", graph.FaultCrashed)
			}
		}
		return l.silent(ctx)
	case simDie:
		l.end("was killed by SIGSEGV", graph.FaultCrashed)
		return l.silent(ctx)
	}
	return nil
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
	if l == nil {
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
	return l.holder.Conn(conn), nil
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
