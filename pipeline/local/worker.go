package local

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// soon is how long a process must live for its end not to count as one in a row.
	soon = 10 * time.Second
	// Pauses before a restart double from the first to the last.
	firstPause, lastPause = 50 * time.Millisecond, 2 * time.Second
	// pipeDelay is how long output is read that a child of a dead worker holds open.
	pipeDelay = time.Second
)

// worker is one process and its successors on one socket.
type worker struct {
	cfg      Config
	socket   string
	lifeline *os.File
	out      *output
	ready    atomic.Bool // the pool was ready once: from now on a death is followed by a restart

	mu   sync.Mutex
	cmd  *exec.Cmd // nil where no process runs
	peak int64
}

// start begins a process. It does nothing where ctx has ended.
func (w *worker) start(ctx context.Context) (*exec.Cmd, error) {
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
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = pipeDelay
	if err := cmd.Start(); err != nil {
		return nil, &PythonError{Python: w.cfg.Python, Message: fmt.Sprintf("cannot be started (%v)", err)}
	}
	w.cmd = cmd
	return cmd, nil
}

// wait blocks until the process has ended.
func (w *worker) wait(cmd *exec.Cmd) *os.ProcessState {
	_ = cmd.Wait() // the state says all that the error does
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cmd = nil
	return cmd.ProcessState
}

// signal reaches the process that runs now, if one does, and what it started: an interpreter may be a wrapper.
func (w *worker) signal(s syscall.Signal) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cmd != nil {
		_ = syscall.Kill(-w.cmd.Process.Pid, s) // fails only where the group has ended
	}
}

// pid is that of the process that runs now, 0 where none does.
func (w *worker) pid() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cmd == nil {
		return 0
	}
	return w.cmd.Process.Pid
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
func (w *worker) watch(ctx context.Context, cmd *exec.Cmd, restarted func()) error {
	inARow := 0
	for {
		began := time.Now()
		state := w.wait(cmd)
		if ctx.Err() != nil {
			return nil
		}
		err := exitError(w.cfg, state, w.out.lines())
		if !w.ready.Load() {
			return err
		}
		if time.Since(began) > soon {
			inARow = 0
		}
		if inARow++; inARow > w.cfg.MaxRestarts {
			return fmt.Errorf("a worker died %d times in a row: %w", inARow, err)
		}
		w.out.log.Warn("a worker died and is started again", "reason", err, "restart", inARow, "of", w.cfg.MaxRestarts)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(min(firstPause<<(inARow-1), lastPause)):
		}
		if cmd, err = w.start(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		restarted()
	}
}

// socketFolder makes the folder for the sockets of that many workers.
func socketFolder(workers int) (string, error) {
	const maxPath = 100 // sockets allow 104 to 108
	var failure error
	for _, parent := range []string{os.TempDir(), "/tmp"} {
		folder, err := os.MkdirTemp(parent, "graphscore-")
		if err != nil {
			failure = err
			continue
		}
		if folder, err = filepath.Abs(folder); err == nil && len(socketPath(folder, workers)) <= maxPath {
			return folder, nil
		}
		_ = os.Remove(folder) // empty, and only in the way
		failure = fmt.Errorf("the path %s is too long for a socket", folder)
	}
	return "", failure
}

func socketPath(folder string, worker int) string {
	return filepath.Join(folder, strconv.Itoa(worker)+".sock")
}
