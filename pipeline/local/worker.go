package local

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"graphscore/pipeline/display"
	"graphscore/pipeline/slots"
)

const (
	// soon is how long a process must live for its end not to count as one in a row.
	soon = 10 * time.Second
	// Pauses before a restart double from the first to the last.
	firstPause, lastPause = 50 * time.Millisecond, 2 * time.Second
	// memoryDescriptor is the descriptor of the memory in a worker: the second file after the standard ones.
	memoryDescriptor = 4
	// pipeDelay is how long output is read that a child of a dead worker holds open.
	pipeDelay = time.Second
)

// worker is one process and its successors on one socket.
type worker struct {
	cfg      Config
	socket   string
	lifeline *os.File
	out      *output
	excused  *atomic.Int64 // of the pool: deaths do not count while it is above zero
	ready    atomic.Bool   // the pool was ready once: from now on a death is followed by a restart

	mu   sync.Mutex
	now  *process // nil where none runs
	last *process // the one that ended last, nil where none has
	peak int64

	looked time.Time // at the memory, the last time
}

// process is one process of a worker. What is below cmd, began and done belongs to the worker's mutex.
type process struct {
	cmd   *exec.Cmd
	began time.Time
	done  chan struct{} // closed when it was waited for

	holder *slots.Holder // of the memory, nil where there is none

	oomKills int64 // how many processes the system had killed for memory when it began
	answered bool  // a call
	hung     bool  // it was killed because it hung
	freed    bool  // it was killed for the memory that it held
	drained  bool  // it is to end once it has answered its calls
	excused  bool  // its end does not count
	end      End   // once done is closed
}

func (w *worker) address() string { return "unix:" + w.socket }

// start begins a process. It does nothing where ctx has ended.
func (w *worker) start(ctx context.Context) (*process, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	w.out.begin()
	if err := os.Remove(w.socket); err != nil && !os.IsNotExist(err) {
		return nil, &StartError{Message: fmt.Sprintf("the socket of a worker cannot be freed: %v", err), Err: err}
	}
	arguments := []string{
		"-m", "graphscore", "serve", "--model", w.cfg.Model, "--listen", "unix:" + w.socket, "--lifeline-fd", "3",
		"--log-format", "json",
		"--threads", "1", // one process a CPU
	}
	if w.cfg.MaxMessageBytes > 0 {
		arguments = append(arguments, "--max-message-bytes", strconv.Itoa(w.cfg.MaxMessageBytes))
	}
	cmd := exec.Command(w.cfg.Python, arguments...) //nolint:noctx // it ends by lifeline, SIGTERM and SIGKILL, in that order
	cmd.Env = append(append(os.Environ(),
		"OPENBLAS_NUM_THREADS=1", "OMP_NUM_THREADS=1", "MKL_NUM_THREADS=1", "PYTHONUNBUFFERED=1", "PYTHONSAFEPATH=1",
	), w.cfg.Env...)
	cmd.Stdout, cmd.Stderr = w.out, w.out
	cmd.ExtraFiles = []*os.File{w.lifeline}
	if w.cfg.Memory != nil {
		cmd.ExtraFiles = append(cmd.ExtraFiles, w.cfg.Memory.File())
		cmd.Env = append(cmd.Env, w.cfg.Memory.Environment(memoryDescriptor))
	}
	inGroup(cmd)
	cmd.WaitDelay = pipeDelay
	kills := oomKills()
	if err := cmd.Start(); err != nil {
		return nil, notStarted(w.cfg.Python, err)
	}
	p := &process{cmd: cmd, began: time.Now(), done: make(chan struct{}), oomKills: kills}
	if w.cfg.Memory != nil {
		p.holder = w.cfg.Memory.Join(func() { w.free(p) })
	}
	w.now = p
	return p, nil
}

// wait blocks until the process has ended. A process that never served cannot have been ended by a call: that is
// not excused.
func (w *worker) wait(p *process) *os.ProcessState {
	_ = p.cmd.Wait() // the state says all that the error does
	if p.holder != nil && endGroup(p.cmd.Process.Pid) {
		p.holder.Gone()
	}
	_, err := os.Lstat(w.socket)
	served := err == nil
	w.mu.Lock()
	defer w.mu.Unlock()
	p.end = endOf(p.cmd.ProcessState, sent{p.hung, p.freed, p.drained}, oomKills() > p.oomKills)
	p.excused = served && (p.answered || p.excused || w.excused.Load() > 0) || p.drained
	w.now, w.last = nil, p
	close(p.done)
	return p.cmd.ProcessState
}

// signal reaches the process that runs now, if one does, and what it started: an interpreter may be a wrapper.
func (w *worker) signal(s syscall.Signal) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.now != nil {
		signalGroup(w.now.cmd.Process.Pid, s)
	}
}

// pid is that of the process that runs now, 0 where none does.
func (w *worker) pid() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.now == nil {
		return 0
	}
	return w.now.cmd.Process.Pid
}

// peakMemory is the most that any process seen so far had.
func (w *worker) peakMemory() int64 {
	pid := w.pid()
	if pid == 0 {
		return 0
	}
	now := PeakMemory(pid)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.peak = max(w.peak, now)
	return w.peak
}

// watch waits for the end of the process and starts its successors until ctx ends. It counts them with restarted
// and returns the reason why it stopped.
func (w *worker) watch(ctx context.Context, p *process, restarted func()) error {
	inARow := 0
	for {
		state := w.wait(p)
		if ctx.Err() != nil {
			return nil
		}
		err := exitError(w.cfg, state, p.end, w.out.lines())
		if !w.ready.Load() {
			return unstarted(err, state)
		}
		if p.answered || time.Since(p.began) > soon {
			inARow = 0
		}
		switch {
		case p.drained:
		case p.excused:
			w.out.log.Warn("a worker died and is started again", "reason", err)
		default:
			if inARow++; inARow > w.cfg.MaxRestarts {
				return fmt.Errorf("a worker died %d times in a row: %w", inARow, err)
			}
			w.out.log.Warn("a worker died and is started again", "reason", err, "restart", inARow, "of", w.cfg.MaxRestarts)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pauseAfter(inARow, p.drained)):
		}
		if p, err = w.start(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		restarted()
	}
}

// pauseAfter is how long a worker is not there before its next process begins.
func pauseAfter(inARow int, drained bool) time.Duration {
	if drained {
		return 0
	}
	return min(firstPause<<max(inARow-1, 0), lastPause)
}

// socketFolder makes the folder for the sockets of that many workers, in the first of the parents in which it can be made and
// has a path that is short enough. The error says of each why it is not.
func socketFolder(workers int, parents ...string) (string, error) {
	const maxPath = 100 // sockets allow 104 to 108
	var failures []any
	for _, parent := range slices.Compact(parents) {
		folder, err := os.MkdirTemp(parent, "graphscore-")
		if err != nil {
			failures = append(failures, fmt.Errorf("in %s: %w", parent, display.Cause(err)))
			continue
		}
		if folder, err = filepath.Abs(folder); err == nil && len(socketPath(folder, workers)) <= maxPath {
			return folder, nil
		}
		_ = os.Remove(folder) // empty, and only in the way
		failures = append(failures, fmt.Errorf("the path %s is too long for a socket", folder))
	}
	return "", fmt.Errorf("%w"+strings.Repeat("; %w", len(failures)-1), failures...)
}

func socketPath(folder string, worker int) string {
	return filepath.Join(folder, strconv.Itoa(worker)+".sock")
}
