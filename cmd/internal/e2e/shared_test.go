//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	scoringv1 "graphscore/proto/graphscore/v1"
)

// transports are the ways that columns take to workers of this machine. Whatever is invariant, and every fault, is tried
// with each.
var transports = []string{"shared", "inline"}

// limited is the work with a job file of those limits.
func (w *work) limited(t *testing.T, limits string) *work {
	t.Helper()
	copied := *w
	copied.job = write(t, filepath.Join(t.TempDir(), "job.yaml"), fmt.Sprintf(
		"input: {path: %s}\noutput: {path: out}\nmodel: {path: %s}\nlimits: %s\n", w.input, w.model, limits))
	return &copied
}

// each runs a test of the work with each transport.
func (w *work) each(t *testing.T, test func(*work, *testing.T)) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) { test(w.limited(t, "{transport: "+transport+"}"), t) })
	}
}

// TestStoppedAndContinued: workers that are stopped in the middle of calls, some past the deadline, and go on while the run
// does: their slots are not used again before they have ended, and the bytes are the same.
func TestStoppedAndContinued(t *testing.T) {
	t.Parallel()
	w := longWork(t)
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			w := w.limited(t, "{deadline: 300ms, request_bytes: 100KB, transport: "+transport+"}")
			p, output := w.caught(t)
			stops := 0
			for round := 0; round < 20 && !present(filepath.Join(output, "_SUCCESS")); round++ {
				for _, pid := range w.workers(t) {
					if syscall.Kill(pid, syscall.SIGSTOP) != nil {
						continue // it has just ended
					}
					if stops++; stops == 1 {
						p.goOn()
					}
					time.Sleep(time.Duration(200+20*(round%10)) * time.Millisecond)
					_ = syscall.Kill(pid, syscall.SIGCONT) // it may have been replaced
				}
			}
			if stops == 0 {
				p.goOn()
			}
			o := p.wait()
			if o.code != 0 || stops < 2 {
				t.Fatalf("exit code %d after %d stops\n%s", o.code, stops, o.stderr)
			}
			t.Logf("%d stops, %d workers replaced", stops, strings.Count(o.stderr, "is replaced"))
			whole(t, output, w.want)
		})
	}
}

func present(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// memoryName is that of the memory of columns, as descriptors and maps of a process show it.
const memoryName = "/memfd:graphscore-columns"

// memoryOf returns the inode of the memory that graphscore shares with its workers, 0 where it has none.
func memoryOf(t *testing.T, pid int) uint64 {
	t.Helper()
	folder := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(folder)
	if err != nil && stateOf(t, pid) == 'Z' {
		return 0 // it has ended: its descriptors are closed, and the folder is root's
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		path := filepath.Join(folder, e.Name())
		if to, err := os.Readlink(path); err != nil || !strings.HasPrefix(to, memoryName) {
			continue // it may have been closed by now
		}
		var found syscall.Stat_t
		if err := syscall.Stat(path, &found); errors.Is(err, os.ErrNotExist) {
			continue // closed since
		} else if err != nil {
			t.Fatal(err)
		}
		return found.Ino
	}
	return 0
}

// havers lists the processes that have mapped the memory with that inode, or have it open, by their numbers.
func havers(t *testing.T, inode uint64) []int {
	t.Helper()
	maps, err := filepath.Glob("/proc/[0-9]*/maps")
	if err != nil {
		t.Fatal(err)
	}
	var found []int
	for _, path := range maps {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			t.Fatal(err)
		}
		if mapped(path, inode) || open(filepath.Dir(path), inode) {
			found = append(found, pid)
		}
	}
	slices.Sort(found) // names are sorted as text: 10044 before 9971
	return found
}

// mapped reports whether a file of maps names the memory. A process that has gone has none.
func mapped(maps string, inode uint64) bool {
	content, err := os.ReadFile(maps)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(content)) {
		if strings.Contains(line, memoryName) && strings.Contains(line, fmt.Sprintf(" %d ", inode)) {
			return true
		}
	}
	return false
}

// open reports whether a process has a descriptor of the memory.
func open(process string, inode uint64) bool {
	descriptors, err := filepath.Glob(process + "/fd/*")
	if err != nil {
		return false
	}
	return slices.ContainsFunc(descriptors, func(path string) bool {
		var found syscall.Stat_t
		to, err := os.Readlink(path)
		return err == nil && strings.HasPrefix(to, memoryName) && syscall.Stat(path, &found) == nil && found.Ino == inode
	})
}

// nobodyHas waits until no process has the memory, and looks for what could be left of it: nothing has a name.
func nobodyHas(t *testing.T, inode uint64) {
	t.Helper()
	if inode != 0 {
		eventually(t, "the memory is gone", func() bool { return len(havers(t, inode)) == 0 })
	}
	if named, err := filepath.Glob("/dev/shm/*graphscore*"); err != nil || len(named) > 0 {
		t.Errorf("%v were left (%v)", named, err)
	}
}

// TestSuccessorMapsAnew: the successor of a worker that was killed has mapped the same memory and says so, the run goes on
// through it, and its bytes are the same. graphscore is stopped while its only worker is looked at.
func TestSuccessorMapsAnew(t *testing.T) {
	t.Parallel()
	w := longWork(t)
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			w := w.limited(t, "{transport: "+transport+"}")
			begun, interpreter := filepath.Join(t.TempDir(), "begun"), filepath.Join(t.TempDir(), "python")
			script := fmt.Sprintf("#!/bin/sh\nif [ \"$3\" = serve ]; then\n[ ! -e %q.$PPID ] || kill -STOP $PPID\n: >%q.$PPID\nfi\nexec %q \"$@\"\n",
				begun, begun, absolute(t, venv))
			if err := os.WriteFile(interpreter, []byte(script), 0o700); err != nil {
				t.Fatal(err)
			}
			p, output := w.caught(t, "--workers", "1", "--python", interpreter)
			memory, victim := memoryOf(t, p.cmd.Process.Pid), w.workers(t)
			if len(victim) != 1 || (memory != 0) != (transport == "shared") {
				t.Fatalf("workers %v, memory %d", victim, memory)
			}
			if err := syscall.Kill(victim[0], syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			p.goOn()
			var successor []int
			eventually(t, "there is a successor, and graphscore is stopped", func() bool {
				successor = w.workers(t)
				return len(successor) == 1 && successor[0] != victim[0] && stateOf(t, p.cmd.Process.Pid) == 'T'
			})
			served := described(t, p.temp)
			if m := served.GetMemory(); (m != nil) != (memory != 0) || memory != 0 && (m.GetSlots() < 2 || m.GetSlotBytes() == 0) || served.GetNoMemory() != "" {
				t.Errorf("the successor describes the memory %v %q", m, served.GetNoMemory())
			}
			if memory != 0 && !slices.Equal(havers(t, memory), slices.Sorted(slices.Values([]int{p.cmd.Process.Pid, successor[0]}))) {
				t.Errorf("processes %v have the memory, expected %d and %d", havers(t, memory), p.cmd.Process.Pid, successor[0])
			}
			p.goOn()
			o := p.wait()
			if o.code != 0 || strings.Count(o.stderr, "a worker died and is started again") != 1 || strings.Contains(o.stderr, "go to the workers inline") {
				t.Errorf("exit code %d\n%s", o.code, o.stderr)
			}
			whole(t, output, w.want)
			nobodyHas(t, memory)
		})
	}
}

// stateOf is the state of a process that nobody has waited for, as ps shows it: T where a signal has stopped it, Z where it has
// ended.
func stateOf(t *testing.T, pid int) byte {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndex(stat, []byte(") "))
	if at < 0 || at+2 >= len(stat) {
		t.Fatalf("/proc has no state of %d: %q", pid, stat)
	}
	return stat[at+2]
}

// described asks the only worker of a run, whose TMPDIR that is, what it serves, and waits until it does.
func described(t *testing.T, temp string) *scoringv1.GetModelResponse {
	t.Helper()
	var sockets []string
	eventually(t, "the worker has a socket", func() bool {
		var err error
		sockets, err = filepath.Glob(temp + "/graphscore-*/0.sock")
		return err == nil && len(sockets) == 1
	})
	conn, err := grpc.NewClient("unix:"+sockets[0], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	served, err := scoringv1.NewScoringServiceClient(conn).GetModel(ctx, &scoringv1.GetModelRequest{}, grpc.WaitForReady(true))
	if err != nil {
		t.Fatal(err)
	}
	return served
}

// TestNoMemory: where the memory cannot be mapped by workers the columns go inline, with one warning and the same bytes;
// a job that wants it is refused.
func TestNoMemory(t *testing.T) {
	t.Parallel()
	w := longWork(t).limited(t, "{transport: auto}")
	folder := t.TempDir()
	for name, script := range map[string]string{
		"closed":       "exec 4<&-; exec %s \"$@\"",
		"older":        "unset GRAPHSCORE_MEMORY; exec %s \"$@\"",
		"another size": "GRAPHSCORE_MEMORY=\"2 4 3 4096 0 0\" exec %s \"$@\"",
		"a wrapper":    "setsid --wait %s \"$@\"",
	} {
		t.Run(name, func(t *testing.T) {
			python := filepath.Join(folder, strings.ReplaceAll(name, " ", "-"))
			if err := os.WriteFile(python, []byte("#!/bin/sh\n"+fmt.Sprintf(script, absolute(t, venv))+"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			output := filepath.Join(t.TempDir(), "out")
			o := run(t, 0, append(w.args(output), "--python", python)...)
			if got := strings.Count(o.stderr, "columns go to the workers inline"); got != 1 {
				t.Errorf("%d warnings\n%s", got, o.stderr)
			}
			whole(t, output, w.want)
			only := w.limited(t, "{transport: shared}")
			o = run(t, 69, append(only.args(filepath.Join(t.TempDir(), "out")), "--python", python)...)
			if said := o.sentence(t); !strings.Contains(said, "columns cannot go through shared memory") {
				t.Errorf("it says %q", said)
			}
		})
	}
}

// TestDeniedMemory: where a sandbox denies a call that makes the memory or gives it pages, the columns go inline, with one
// warning and the same bytes; a job that wants it is refused, and names the call.
func TestDeniedMemory(t *testing.T) {
	t.Parallel()
	w := longWork(t)
	for _, denied := range []string{"memfd_create=ENOSYS", "memfd_create=EPERM", "fallocate=EPERM", "fallocate=EOPNOTSUPP"} {
		t.Run(denied, func(t *testing.T) {
			output := filepath.Join(t.TempDir(), "out")
			o := runDenied(t, denied, w.limited(t, "{transport: auto}").args(output)...)
			if got := strings.Count(o.stderr, "columns go to the workers inline"); o.code != 0 || got != 1 {
				t.Errorf("exit code %d, %d warnings\n%s", o.code, got, o.stderr)
			}
			whole(t, output, w.want)
			o = runDenied(t, denied, w.limited(t, "{transport: shared}").args(filepath.Join(t.TempDir(), "out"))...)
			call, _, _ := strings.Cut(denied, "=")
			if said := o.sentence(t); o.code != 69 || !strings.Contains(said, "there is no shared memory to be had: "+call) {
				t.Errorf("exit code %d, it says %q", o.code, said)
			}
		})
	}
}

// runDenied runs graphscore in a sandbox that denies it a call of the system.
func runDenied(t *testing.T, denied string, args ...string) outcome {
	t.Helper()
	deny := append([]string{absolute(t, "testdata/deny.py"), denied, absolute(t, program)}, args...)
	return startCommand(t, nil, exec.CommandContext(t.Context(), absolute(t, venv), deny...)).wait()
}

// TestTransportThatCannotBe: what has no shared memory cannot be made to use it.
func TestTransportThatCannotBe(t *testing.T) {
	t.Parallel()
	job := write(t, filepath.Join(t.TempDir(), "job.yaml"), fmt.Sprintf(
		"input: {path: %s}\noutput: {path: out}\nmodel: {path: %s}\nlimits: {transport: shared}\n",
		absolute(t, example+"/data"), absolute(t, example+"/model")))
	if said := run(t, 78, "run", job, "--protocol", "gcn").sentence(t); !strings.Contains(said, "limits.transport is shared") {
		t.Errorf("it says %q", said)
	}
}

// TestGiantsByTransport: giants, which are larger than slots, have the same bytes however they go to the workers.
func TestGiantsByTransport(t *testing.T) {
	t.Parallel()
	w := &work{input: absolute(t, root+"/readers/testdata/giants/giants.parquet"), model: absolute(t, example+"/model")}
	var want map[string]string
	for _, limits := range []string{"{transport: inline}", "{transport: shared}", "{transport: shared, in_flight_bytes: 1MB, request_bytes: 64KB}"} {
		output := filepath.Join(t.TempDir(), "out")
		run(t, 0, w.limited(t, limits).args(output)...)
		got := sums(t, output)
		if want == nil {
			want = got
		}
		if len(got) == 0 || !maps.Equal(got, want) {
			t.Errorf("limits %s: parts %v, not %v", limits, got, want)
		}
	}
}
