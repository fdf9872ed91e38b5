package local

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"
)

const (
	// settle is how long Ended waits for a process to be collected: longer than its output may be held open.
	settle = pipeDelay + time.Second
	// young is how long a process must have run for Replace to reach it. The calls of a worker that hangs reach
	// their deadlines together: the later ones must not end the successor.
	young = 500 * time.Millisecond
)

// End is how a process of a worker ended.
type End struct {
	// Text continues "its worker ...", as in "was killed by SIGSEGV" or "ended with status 3". The same end has the
	// same text: there is no process number, address or time in it. It is empty where no process has ended.
	Text string
	// Memory: it had not enough memory, or the system killed it because memory was short.
	Memory bool
	// Hung: it was replaced, by Replace or because it was stopped or deadlocked.
	Hung bool
	// Freed: it was replaced so that the memory which it held for calls that had ended is free, or drained for the memory
	// that it had taken. What it scored then had no part in that.
	Freed bool
}

// sent is what we have sent a process so that it ends.
type sent struct{ hung, freed, drained bool }

// endOf says how a process ended. ours says what we did to it, and short whether the system has killed for memory while
// it ran.
func endOf(state *os.ProcessState, ours sent, short bool) End {
	status, ok := state.Sys().(syscall.WaitStatus)
	switch killed := ok && status.Signaled(); {
	case killed && status.Signal() == syscall.SIGKILL && ours.freed:
		return End{Text: "was replaced, as it held memory of earlier calls", Freed: true}
	case killed && status.Signal() == syscall.SIGKILL && ours.hung:
		return End{Text: "hung and was replaced", Hung: true}
	case killed && status.Signal() == syscall.SIGKILL && short:
		return End{Text: "was killed by the system for its memory", Memory: true}
	case ours.drained && (state.ExitCode() == 0 || killed && status.Signal() == syscall.SIGTERM):
		return End{Text: "was replaced, as it had taken too much memory", Freed: true}
	case killed:
		return End{Text: "was killed by " + signalName(status.Signal())}
	case state.ExitCode() == exitMemory:
		return End{Text: "ran out of memory", Memory: true}
	default:
		return End{Text: fmt.Sprintf("ended with status %d", state.ExitCode())}
	}
}

// Ended returns how the process at address ended, for a caller whose call lost its connection to it. It blocks until
// that process has been waited for, two seconds or the end of ctx at most. The End is zero where the address is not
// one of the pool's, or the process lives on.
func (p *Pool) Ended(ctx context.Context, address string) End {
	w := p.at[address]
	if w == nil {
		return End{}
	}
	now, last := w.processes()
	if now == nil {
		return last.end // it is the one that had the call: no other has begun
	}
	enough := time.NewTimer(settle)
	defer enough.Stop()
	select {
	case <-now.done:
		return now.end
	case <-ctx.Done():
	case <-enough.C:
	}
	if last != nil && time.Since(now.began) < soon {
		return last.end // its successor was quicker than the caller
	}
	return End{}
}

// Replace kills the process at address, which hangs; the watch starts its successor. A process that has only just
// begun is left alone: it is the successor already.
func (p *Pool) Replace(address string) {
	w := p.at[address]
	if w == nil {
		return
	}
	if now, _ := w.processes(); now != nil && time.Since(now.began) >= young {
		w.replace(now, "a call has had no answer")
	}
}

// Excuse begins, or ends, a time in which a graph may be what ends workers: a process that ends meanwhile does not
// count as a restart in a row, unless it ends before it serves. Calls add up: each Excuse(true) needs its
// Excuse(false). A caller that has lost a connection asks Ended first, which waits for the end of the process.
func (p *Pool) Excuse(on bool) {
	if on {
		p.excused.Add(1)
	} else {
		p.excused.Add(-1)
	}
}

// Answered takes note that the process at address has answered a call: it works, and its end does not count as a
// restart in a row.
func (p *Pool) Answered(address string) {
	w := p.at[address]
	if w == nil {
		return
	}
	if w.answered() {
		p.draining.CompareAndSwap(w, nil) // another may be drained now
	}
	if p.cfg.MaxMemory > 0 {
		p.slim(w)
	}
}

// answered takes note that the process has answered a call, and reports whether it is not being drained.
func (w *worker) answered() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.now == nil {
		return false
	}
	w.now.answered = true
	return !w.now.drained
}

// processes returns the process that runs now, and the one that ended last; each is nil where there is none.
func (w *worker) processes() (now, last *process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now, w.last
}

// replace kills a process that hangs.
func (w *worker) replace(p *process, reason string) {
	w.kill(p, &p.hung, "a worker hangs and is replaced", reason)
}

// free kills a process that holds too much memory of calls that have ended: no other has a part in its end.
func (w *worker) free(p *process) {
	w.kill(p, &p.freed, "a worker is replaced", "it holds half of the memory for calls that have ended")
}

// kill kills a process and what it started, if it still runs, and not for the second time. why is its hung or its freed.
func (w *worker) kill(p *process, why *bool, message, reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.now != p || p.hung || p.freed {
		return
	}
	w.out.log.Warn(message, "reason", reason)
	*why = true
	p.excused = p.excused || w.excused.Load() > 0
	signalGroup(p.cmd.Process.Pid, syscall.SIGKILL)
}
