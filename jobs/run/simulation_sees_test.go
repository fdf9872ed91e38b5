package run

import (
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"graphscore/pipeline/slots"
)

// simDefect is something wrong with how the slots of workers are kept, so that one is given to a call while a worker still
// has it for another.
type simDefect string

const (
	simSound     simDefect = ""
	simUnseen    simDefect = "a slot is free once its call has ended, whoever was sent it"
	simUnwaited  simDefect = "a slot is free once its worker was killed, and has not been waited for"
	simSuccessor simDefect = "a slot is held by the first process of a worker, and not by its successors"
)

// holder is that of the connections to a process.
func (d simDefect) holder(p *simPool, l *simLife) *slots.Holder {
	if d == simUnseen || d == simSuccessor && l.number > 1 {
		gone := p.memory.Join(func() {})
		gone.Gone()
		return gone
	}
	return l.holder
}

// killed is told of a process that goes on until it is dead.
func (d simDefect) killed(l *simLife) {
	if d == simUnwaited && l.holder != nil {
		l.holder.Gone()
	}
}

// TestFaultSchedulesSeeCallsAfterLeave: once a run says that it scores nothing more, its workers end and calls fail.
func TestFaultSchedulesSeeCallsAfterLeave(t *testing.T) {
	t.Parallel()
	w := makeWorld(t, "plain", nil, nil)
	l := &simLender{process: &simProcess{world: w, workers: 2}, cfg: w.config(t.TempDir())}
	s, err := l.Borrow(t.Context())
	simMust(t, err)
	for address := range l.pool.at {
		conn, err := l.pool.dial(t.Context(), address)
		simMust(t, err)
		simMust(t, conn.Close())
	}
	l.Leave(s)
	if err := s.conn.Invoke(t.Context(), "/any", nil, nil); status.Code(err) != codes.Canceled {
		t.Fatalf("a call: %v", errors.Join(err, l.Return(s)))
	}
	for address, worker := range l.pool.at {
		worker.mu.Lock()
		life := worker.now
		worker.mu.Unlock()
		if life != nil {
			<-life.done
		}
		if _, err := l.pool.dial(t.Context(), address); err == nil {
			t.Errorf("%s takes calls", address)
		}
	}
	simMust(t, l.Return(s))
}

// TestFaultSchedulesSeeReuse: were a slot ever given to a call too early, few schedules would show it: a worker that still
// has it finds what another call has put there.
func TestFaultSchedulesSeeReuse(t *testing.T) {
	t.Parallel()
	worlds := simWorlds(t)
	for _, test := range []struct {
		defect simDefect
		most   uint64 // schedules
	}{
		{simUnseen, 1000}, {simUnwaited, 1000}, {simSuccessor, 1000},
	} {
		t.Run(string(test.defect), func(t *testing.T) {
			t.Parallel()
			base := t.TempDir()
			for seed := uint64(1); seed <= test.most; seed++ {
				s := newSimSchedule(seed, worlds, base)
				s.defect = test.defect
				synctest.Test(t, s.play)
				if simMust(t, os.RemoveAll(s.out)); strings.Contains(s.fault, simReused) {
					t.Logf("seed %d: %s", seed, s.fault)
					return
				}
			}
			t.Errorf("nothing is to be seen of it in %d schedules", test.most)
		})
	}
}
