package local

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
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
}

// endOf says how a process ended. short says whether the system has killed for memory while it ran.
func endOf(state *os.ProcessState, hung, short bool) End {
	status, ok := state.Sys().(syscall.WaitStatus)
	switch killed := ok && status.Signaled(); {
	case killed && status.Signal() == syscall.SIGKILL && hung:
		return End{Text: "hung and was replaced", Hung: true}
	case killed && status.Signal() == syscall.SIGKILL && short:
		return End{Text: "was killed by the system for its memory", Memory: true}
	case killed:
		name := unix.SignalName(status.Signal())
		if name == "" {
			name = fmt.Sprintf("signal %d", status.Signal())
		}
		return End{Text: "was killed by " + name}
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
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.now != nil {
		w.now.answered = true
	}
}

// processes returns the process that runs now, and the one that ended last; each is nil where there is none.
func (w *worker) processes() (now, last *process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now, w.last
}

// replace kills a process and what it started, if it still runs, and not for the second time.
func (w *worker) replace(p *process, reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.now != p || p.hung {
		return
	}
	w.out.log.Warn("a worker hangs and is replaced", "reason", reason)
	p.hung = true
	p.excused = p.excused || w.excused.Load() > 0
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // fails only where the group has ended
}
