package local

import (
	"fmt"
	"syscall"
	"time"

	"graphscore/pipeline/display"
)

// A worker that has taken too much memory is drained: SIGTERM makes it take no more calls and end once it has answered
// those that it has. Its end is no fault, and its successor begins at once. One worker of the pool is drained at a time, so
// that the others go on.

// lookEvery is the least time between two looks at the memory of a worker. They are made when it has answered a call.
const lookEvery = 100 * time.Millisecond

// slim drains a worker, which has just answered, where it has taken too much memory.
func (p *Pool) slim(w *worker) {
	now := w.due()
	if now == nil {
		return
	}
	if memory := anonymousMemory(now.cmd.Process.Pid); memory > p.cfg.MaxMemory && p.draining.CompareAndSwap(nil, w) {
		w.drain(now, memory)
	}
}

// due returns the process of a worker whose memory is to be looked at, nil where that was done just now.
func (w *worker) due() *process {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.now == nil || w.now.drained || time.Since(w.looked) < lookEvery {
		return nil
	}
	w.looked = time.Now()
	return w.now
}

// drain ends a process that takes so much memory, once it has answered its calls.
func (w *worker) drain(p *process, memory int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.now != p || p.hung || p.freed {
		return // its successor is there, or comes
	}
	p.drained = true
	w.out.log.Info("a worker takes too much memory and is replaced, once it has answered its calls",
		"memory", display.Bytes(memory), "worker_memory", display.Bytes(w.cfg.MaxMemory))
	signalGroup(p.cmd.Process.Pid, syscall.SIGTERM)
}

// roomy returns a *StartError where a worker takes too much memory before it has scored anything.
func (p *Pool) roomy() error {
	if p.cfg.MaxMemory == 0 {
		return nil
	}
	for i, w := range p.workers {
		if memory := anonymousMemory(w.pid()); memory > p.cfg.MaxMemory {
			return &StartError{Message: fmt.Sprintf(
				"worker %d takes %s before it scores anything, and limits.worker_memory is %s: raise it", i, display.Bytes(memory), display.Bytes(p.cfg.MaxMemory))}
		}
	}
	return nil
}
