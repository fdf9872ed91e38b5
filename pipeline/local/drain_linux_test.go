package local

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDrain: a worker that takes too much memory is replaced, more often than one may die in a row, one at a time.
func TestDrain(t *testing.T) {
	t.Parallel()
	cfg := fake(t, "swell")
	cfg.MaxMemory, cfg.MaxRestarts = slim, 1
	p := start(t, cfg)
	for round := range 3 {
		before := running(p)
		if len(before) != 2 {
			t.Fatalf("PIDs %v", pids(p))
		}
		for _, q := range before {
			pid := q.cmd.Process.Pid
			if err := syscall.Kill(pid, syscall.SIGUSR1); err != nil {
				t.Fatal(err)
			}
			eventually(t, "it takes memory", func() bool { return anonymousMemory(pid) > slim })
		}
		for i, w := range p.workers {
			eventually(t, "it is replaced", func() bool {
				p.Answered(w.address())
				now, _ := w.processes()
				return now != nil && now != before[i]
			})
			if other, _ := p.workers[1-i].processes(); i == 0 && other != before[1] {
				t.Errorf("round %d: the other worker was replaced as well", round)
			}
			if !healthyAt(t, p, i) {
				t.Fatalf("round %d: worker %d is not there again: %v", round, i, p.Err())
			}
			p.Answered(w.address()) // the successor: from now on the other may be drained
		}
	}
	if p.Restarts() != 6 || p.Err() != nil {
		t.Errorf("%d restarts, %v", p.Restarts(), p.Err())
	}
}

// TestDrainWaits: a worker ends itself once it has answered; nobody kills it before.
func TestDrainWaits(t *testing.T) {
	t.Parallel()
	cfg := fake(t, "deaf") // SIGTERM does not end it: it has calls
	cfg.Workers, cfg.MaxMemory, cfg.StopGrace = 1, slim, 10*time.Millisecond
	p := start(t, cfg)
	now, _ := p.workers[0].processes()
	p.workers[0].drain(now, slim+1)
	p.Answered(p.workers[0].address())
	if !healthyAt(t, p, 0) || !alive(now.cmd.Process.Pid) {
		t.Error("it did not get to answer")
	}
}

// TestMemoryForNothing: a limit that no worker can keep is refused at once.
func TestMemoryForNothing(t *testing.T) {
	t.Parallel()
	cfg := fake(t, "serve")
	cfg.MaxMemory = 1 << 10
	_, err := Start(t.Context(), cfg)
	var failed *StartError
	if !errors.As(err, &failed) || !strings.Contains(failed.Error(), "before it scores anything, and limits.worker_memory is 1.0 KiB: raise it") {
		t.Errorf("%v", err)
	}
}
