package local

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

const (
	// hangChecks is how many checks in a row a worker must fail before it is replaced.
	hangChecks = 5
	// tick is the unit of CPU time in /proc, the same on every Linux that Go runs on.
	tick = 10 * time.Millisecond
)

// check replaces the worker's process where it hangs, until ctx ends. Either it is stopped (SIGSTOP), or deadlocked:
// it does not answer a health check while it uses next to no CPU time and each of its threads sleeps. A worker
// that computes, waits for a disk or for a CPU is neither, however long it takes: calls have their deadline for that.
func (w *worker) check(ctx context.Context) {
	every := w.cfg.HungAfter / hangChecks
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	of := new(vitals)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now, _ := w.processes()
		if now == nil {
			continue
		}
		if of.process != now {
			of = &vitals{process: now, socket: w.socket, served: of.process == nil}
		}
		if reason := of.sign(ctx, every); reason == "" {
			of.failed = 0
		} else if of.failed++; of.failed >= hangChecks {
			w.replace(now, reason)
		}
	}
}

// vitals is what is known of a process from one check to the next.
type vitals struct {
	process *process
	socket  string
	cpu     time.Duration
	served  bool // it was healthy once. The first process of a worker was, or the pool had not started
	failed  int  // checks in a row
}

// sign says in which way a process looks as if it hung; it is empty where it does not, and where nobody can tell.
func (v *vitals) sign(ctx context.Context, every time.Duration) string {
	pid := v.process.cmd.Process.Pid
	state, cpu, ok := readStat(fmt.Sprintf("/proc/%d/stat", pid))
	if !ok {
		return ""
	}
	used := cpu - v.cpu
	v.cpu = cpu
	switch {
	case state == 'T':
		return "it is stopped"
	case used > every/20:
		return ""
	case answers(ctx, v.socket, every/2):
		v.served = true
		return ""
	}
	// The end of the question wakes threads in which the lock of the interpreter has no part.
	if sleep(ctx, every/10) && v.served && asleep(pid) {
		return "it is deadlocked: no answer, and no thread of it runs"
	}
	return ""
}

// answers asks a worker for its health, over a connection of its own.
func answers(ctx context.Context, socket string, within time.Duration) bool {
	conn, err := dial(socket)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }() // nothing was sent that could be lost
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return healthy(ctx, conn)
}

// sleep reports whether ctx has lasted so long.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// asleep says whether all threads of a process sleep: none runs, waits for a CPU or for a disk.
func asleep(pid int) bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(threads) == 0 {
		return false
	}
	for _, thread := range threads {
		if state, _, ok := readStat(thread); ok && state != 'S' {
			return false
		}
	}
	return true
}

// readStat returns the state of a process or a thread, and the CPU time that it has used.
func readStat(path string) (state byte, cpu time.Duration, ok bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, 0, false
	}
	// The second field, the name, may hold anything, but for the last ")".
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	const atUser, atSystem = 11, 12
	if len(fields) <= atSystem {
		return 0, 0, false
	}
	for _, at := range []int{atUser, atSystem} {
		ticks, err := strconv.ParseInt(string(fields[at]), 10, 64)
		if err != nil {
			return 0, 0, false
		}
		cpu += time.Duration(ticks) * tick
	}
	return fields[0][0], cpu, true
}
