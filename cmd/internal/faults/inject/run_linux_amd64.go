package inject

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Run runs a program to its end. on is called by this goroutine for each call on the folder root or a file in it, in
// the order in which they are made, before each is made; all threads of the program wait for calls of their own
// meanwhile. root is absolute, clean and without links. Where ctx ends first the program is killed.
//
// The error says that the program could not be run as described: mostly that ptrace or seccomp is forbidden.
func Run(ctx context.Context, p Program, root string, on func(Call) Fault) (Ended, error) {
	if err := lockThread(ctx); err != nil {
		return Ended{}, err
	}
	defer runtime.UnlockOSThread()
	process, err := os.StartProcess(p.Path, append([]string{p.Path}, p.Args...), &os.ProcAttr{
		Dir: p.Dir, Env: p.Env, Files: []*os.File{nil, p.Stdout, p.Stderr}, Sys: &syscall.SysProcAttr{Ptrace: true},
	})
	if errors.Is(err, syscall.EPERM) {
		return Ended{}, fmt.Errorf("starting %s under ptrace, which a container must allow (--cap-add=SYS_PTRACE): %w", p.Path, err)
	}
	if err != nil {
		return Ended{}, fmt.Errorf("starting %s: %w", p.Path, err)
	}
	t := &tracer{pid: process.Pid, root: root, on: on, threads: map[int]*thread{}}
	defer context.AfterFunc(ctx, func() { _ = process.Kill() })() // it may have ended
	defer func() { _ = process.Release() }()                      // wait has reaped it
	err = t.begin()
	if err != nil {
		_ = process.Kill()
	}
	ended, lost := t.follow()
	if err == nil && ctx.Err() != nil {
		err = fmt.Errorf("running %s: %w", filepath.Base(p.Path), context.Cause(ctx))
	}
	return ended, errors.Join(err, t.failed, lost)
}

// lockThread wires the goroutine to a thread that has no child: who may trace a process is a thread, and it waits for all
// its children, also for those that os/exec has started from it before and waits for itself.
func lockThread(ctx context.Context) error {
	for {
		runtime.LockOSThread()
		children, err := os.ReadFile("/proc/thread-self/children")
		if err == nil && len(children) == 0 || errors.Is(err, os.ErrNotExist) { // a kernel may not have the list
			return nil
		}
		runtime.UnlockOSThread()
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(10 * time.Millisecond): // after which it is mostly on another thread
		}
	}
}

// tracer follows the threads of one process. It belongs to one locked thread.
type tracer struct {
	pid     int
	root    string
	on      func(Call) Fault
	threads map[int]*thread
	failed  error // why a call was not seen
}

// thread is one that has stopped before.
type thread struct{ ours bool }

// begin waits until the program is loaded, and installs the filter.
func (t *tracer) begin() error {
	var status syscall.WaitStatus
	if _, err := wait(t.pid, &status); err != nil {
		return fmt.Errorf("waiting for the program: %w", err)
	}
	if !status.Stopped() {
		return fmt.Errorf("the program did not stop when it was loaded (wait status %#x)", uint32(status))
	}
	const options = unix.PTRACE_O_EXITKILL | unix.PTRACE_O_TRACESECCOMP | unix.PTRACE_O_TRACECLONE |
		unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK
	if err := syscall.PtraceSetOptions(t.pid, options); err != nil {
		return fmt.Errorf("setting the options of ptrace: %w", err)
	}
	t.threads[t.pid] = &thread{ours: true}
	if err := install(t.pid); err != nil {
		return err
	}
	return syscall.PtraceCont(t.pid, 0)
}

// follow lets the process run until it has ended.
func (t *tracer) follow() (Ended, error) {
	for {
		var status syscall.WaitStatus
		tid, err := wait(-1, &status)
		switch {
		case err != nil:
			return Ended{}, fmt.Errorf("waiting for the program: %w", err)
		case status.Stopped():
			t.stopped(tid, status)
		case tid != t.pid: // a thread, or a child
			delete(t.threads, tid)
		case status.Exited():
			return Ended{Code: status.ExitStatus()}, nil
		case status.Signaled():
			return Ended{Code: -1, Signal: status.Signal()}, nil
		}
	}
}

// stopped looks at a thread that has stopped, and lets it run on. That it is gone meanwhile is no failure.
func (t *tracer) stopped(tid int, status syscall.WaitStatus) {
	known := t.threads[tid]
	if known == nil {
		_, err := os.Stat(fmt.Sprintf("/proc/%d/task/%d", t.pid, tid))
		known = &thread{ours: err == nil}
		t.threads[tid] = known
		if status.StopSignal() == syscall.SIGSTOP { // as every new thread of a traced process does
			t.resume(tid, 0)
			return
		}
	}
	signal := status.StopSignal()
	if signal == syscall.SIGTRAP {
		signal = 0
		if status.TrapCause() == unix.PTRACE_EVENT_SECCOMP && known.ours && !t.decide(tid) {
			return
		}
	}
	t.resume(tid, int(signal))
}

func (t *tracer) resume(tid, signal int) { t.note(syscall.PtraceCont(tid, signal)) }

// note keeps the first failure. A thread that is gone was killed, and does not make its call.
func (t *tracer) note(err error) {
	if err != nil && !errors.Is(err, syscall.ESRCH) && t.failed == nil {
		t.failed = fmt.Errorf("tracing the program: %w", err)
	}
}

// decide asks what becomes of the call that a thread is about to make. It returns false where the process was killed.
func (t *tracer) decide(tid int) (alive bool) {
	var regs syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(tid, &regs); err != nil {
		t.note(err)
		return true
	}
	call, err := callOf(tid, &regs)
	t.note(err)
	if call.Path == "" || !below(call.Path, t.root) {
		return true
	}
	fault := t.on(call)
	switch {
	case fault.Kill:
		t.note(syscall.Kill(t.pid, syscall.SIGKILL))
		return false
	case fault.Errno != 0:
		regs.Orig_rax, regs.Rax = ^uint64(0), -uint64(fault.Errno) // no call, and its result
		t.note(syscall.PtraceSetRegs(tid, &regs))
	}
	return true
}

// wait waits for a change of a process or thread that this thread traces, -1 for any. Children of other threads, which
// os/exec may have started, are left to them: see lockThread.
func wait(pid int, status *syscall.WaitStatus) (int, error) {
	for {
		tid, err := syscall.Wait4(pid, status, unix.WALL|unix.WNOTHREAD, nil)
		if !errors.Is(err, syscall.EINTR) {
			return tid, err
		}
	}
}
