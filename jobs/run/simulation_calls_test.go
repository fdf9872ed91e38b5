package run

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"graphscore/pipeline/graph"
	"graphscore/pipeline/remote"
	"graphscore/pipeline/remote/remotetest"
	scoringv1 "graphscore/proto/graphscore/v1"
)

// simService is what a process of a worker does with its calls.
type simService struct {
	pool   *simPool
	worker *simWorker
	life   *simLife
	model  *remotetest.Native

	mu    sync.Mutex
	calls map[*scoringv1.ScoreRequest]*simServed
}

// simServed is a call under way.
type simServed struct {
	simCall
	sent   *scoringv1.ScoreRequest // what it was sent, with the columns of its slot
	graphs int
	left   <-chan struct{} // once nobody waits for it any more
}

// spent reports whether a call does not do what it would do to others, as nobody waits for it any more and a graph is under way
// alone. Of that one the run knows that no other call of its own is under way: each such fault is one more than the dice count
// against it. A worker that is stopped stays so for longer, and may have been sent such a graph by then.
func (s *simService) spent(c *simServed) bool {
	switch c.fault {
	case simReset, simGone, simDie:
		if s.pool.alone.Load() == 0 {
			return false
		}
	case simStop:
	default:
		return false
	}
	select {
	case <-c.left:
		return true
	default:
		return false
	}
}

// server is what a process answers.
func (p *simPool) server(w *simWorker, l *simLife) *remotetest.Native {
	n := remotetest.NewNative(2, "score")
	n.Model.Digest, n.Memory = p.process.world.served.Digest, p.memory
	if p.memory != nil {
		n.Model.Memory = remote.Shares(p.memory)
	}
	s := &simService{pool: p, worker: w, life: l, model: n, calls: map[*scoringv1.ScoreRequest]*simServed{}}
	n.Before = func(ctx context.Context, r *scoringv1.ScoreRequest) error {
		c, err := s.decide(r)
		if err != nil {
			return err
		}
		if c.left = ctx.Done(); c.graphs == 1 {
			s.pool.alone.Add(1)
			context.AfterFunc(ctx, func() { s.pool.alone.Add(-1) })
		}
		s.mu.Lock()
		s.calls[r] = c
		s.mu.Unlock()
		return s.stage(ctx, r, simReads)
	}
	n.Scored = func(ctx context.Context, r *scoringv1.ScoreRequest) error { return s.stage(ctx, r, simWrites) }
	n.Change = s.answer
	return n
}

// decide says what becomes of a request: what its poison does, else what the dice say.
func (s *simService) decide(r *scoringv1.ScoreRequest) (*simServed, error) {
	whole, err := s.model.Unpacked(r)
	if err != nil {
		return nil, err
	}
	var numbers []int64
	node := 0
	for g := range int(whole.GetGraphs()) {
		bits := binary.LittleEndian.Uint32(whole.GetFeatures()[8*node:])
		numbers = append(numbers, int64(math.Float32frombits(bits)))
		node += int(binary.LittleEndian.Uint32(whole.GetNodeCounts()[4*g:]))
	}
	p := s.pool.process
	c := &simServed{simCall: p.dice.of(numbers), sent: whole, graphs: len(numbers)}
	for _, number := range numbers {
		if poison := p.world.poison[number]; poison != simNone {
			c.simCall = simCall{fault: poison, at: int(number) % 2}
		}
	}
	s.pool.log.Debug("a worker has a call", "worker", s.worker.address, "graphs", numbers, "fault", c.fault, "stage", c.at,
		"takes", c.takes, "slot", r.GetShared().GetNumber())
	return c, nil
}

// stage lets the time pass until a stage, and does what befalls the call before it. The error is that of the call.
func (s *simService) stage(ctx context.Context, r *scoringv1.ScoreRequest, stage int) error {
	s.mu.Lock()
	c := s.calls[r]
	if stage == simAnswers {
		delete(s.calls, r)
	}
	s.mu.Unlock()
	if !s.life.pass(c.takes[stage]) {
		return s.life.silent(ctx)
	}
	s.intact(c, r)
	if c.at != stage || s.spent(c) {
		return nil
	}
	switch c.fault {
	case simFull, simBusy, simUnavailable, simRaise:
		return refuse(ctx, r, c.fault)
	case simReset:
		s.life.reset()
	case simStop:
		s.life.stop(simDeadline + c.takes[simReads]*50)
		return s.stopped(ctx, c, r)
	case simDrain:
		s.life.drain()
	case simGone:
		s.pool.gone()
		return s.life.silent(ctx)
	case simDie:
		s.life.end("was killed by SIGSEGV", graph.FaultCrashed)
		return s.life.silent(ctx)
	}
	return nil
}

// stopped waits for the end of a stop.
func (s *simService) stopped(ctx context.Context, c *simServed, r *scoringv1.ScoreRequest) error {
	if !s.life.pass(0) {
		return s.life.silent(ctx)
	}
	s.intact(c, r)
	return nil
}

// intact takes note of a slot that does not have what the worker was sent.
func (s *simService) intact(c *simServed, r *scoringv1.ScoreRequest) {
	if r.GetShared() == nil {
		return
	}
	if now, err := s.model.Unpacked(r); err != nil || !proto.Equal(now, c.sent) {
		s.reused(r, "reads")
	}
}

// simReused is what is said of a slot that was given to a call too early.
const simReused = "what another call has put into slot"

func (s *simService) reused(r *scoringv1.ScoreRequest, what string) {
	p := s.pool.process
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reused = append(p.reused, fmt.Sprintf("%s %s %s %d, whose number was %d",
		s.worker.address, what, simReused, r.GetShared().GetSlot(), r.GetShared().GetNumber()))
}

// answer is what becomes of a call whose scores are written.
func (s *simService) answer(r *scoringv1.ScoreRequest, answer *scoringv1.ScoreResponse) {
	written := s.scores(r)
	s.mu.Lock()
	fault := s.calls[r].fault
	s.mu.Unlock()
	if s.stage(context.Background(), r, simAnswers) != nil { // it is not heard any more
		return
	}
	if !bytes.Equal(s.scores(r), written) {
		s.reused(r, "answers with")
	}
	switch {
	case fault == simContract, fault == simMixed && r.GetShared() == nil:
		answer.ModelDigest = "sha256:other"
	case fault == simMixed:
		zeros := make([]byte, r.GetShared().GetScores().GetBytes())
		if _, err := s.pool.memory.File().WriteAt(zeros, s.place(r)); err == nil {
			answer.SlotNumber--
		}
	}
}

func (s *simService) place(r *scoringv1.ScoreRequest) int64 {
	return int64(r.GetShared().GetSlot())*s.pool.memory.SlotBytes() + int64(r.GetShared().GetScores().GetOffset())
}

// scores are those in the slot of a request, nil where its columns are inline.
func (s *simService) scores(r *scoringv1.ScoreRequest) []byte {
	if r.GetShared() == nil {
		return nil
	}
	scores := make([]byte, r.GetShared().GetScores().GetBytes())
	if _, err := s.pool.memory.File().ReadAt(scores, s.place(r)); err != nil {
		return nil
	}
	return scores
}

// silent is a process that has ended: nobody hears of the error.
func (l *simLife) silent(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-l.dead:
	}
	return errSimDead
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

// gone kills all workers, and none takes their place for a long time.
func (p *simPool) gone() {
	for _, w := range p.at {
		w.mu.Lock()
		w.pause = 10 * simBudget
		life := w.now
		w.mu.Unlock()
		if life != nil {
			life.end("was killed by SIGKILL", graph.FaultCrashed)
		}
	}
}
