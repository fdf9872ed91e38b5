//go:build unix

package local

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

func TestHungWorkers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		signal syscall.Signal
	}{
		{"stopped", syscall.SIGSTOP},
		{"deadlocked", syscall.SIGUSR1}, // the fake answers nothing any more, and sleeps
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			cfg := fake(t, "serve")
			cfg.HungAfter = 5 * time.Second
			p := start(t, cfg)
			before := running(p)
			kill(t, p, 0, test.signal)
			eventually(t, "it is replaced", func() bool { return p.Restarts() == 1 })
			if got := p.workers[0].last.end; !got.Hung {
				t.Errorf("it ended as %+v", got)
			}
			if !healthyAt(t, p, 0) {
				t.Error("the successor does not serve")
			}
			if after := running(p); len(after) != 2 || after[1] != before[1] {
				t.Errorf("the other was replaced as well: PIDs %v", pids(p))
			}
		})
	}
}

// A worker that computes, and gives no answer meanwhile, is left alone; so is one that was stopped for a moment.
func TestBusyWorkersDoNotHang(t *testing.T) {
	t.Parallel()
	cfg := fake(t, "busy")
	cfg.Workers, cfg.HungAfter = 1, 250*time.Millisecond
	p := start(t, cfg)
	kill(t, p, 0, syscall.SIGUSR1) // from now on it spins, and answers nothing
	pid := p.workers[0].pid()
	path := filepath.Join("/proc", "self", "stat")
	if _, _, ok := readStat(path); !ok {
		t.Fatalf("%s cannot be read", path)
	}
	eventually(t, "it has computed for many checks", func() bool {
		_, cpu, ok := readStat(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		return ok && cpu >= 2*time.Second
	})
	if p.Restarts() != 0 || p.workers[0].pid() != pid {
		t.Errorf("%d restarts, PID %d, before %d", p.Restarts(), p.workers[0].pid(), pid)
	}
}

func TestReadStat(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text  string
		state byte
		cpu   time.Duration
		ok    bool
	}{
		{"7 (a) b) (c) T 1 2 3 4 5 6 7 8 9 10 21 30 0 0", 'T', 510 * time.Millisecond, true},
		{"7 (x) R 1 2 3", 0, 0, false},
		{"7 (x) R 1 2 3 4 5 6 7 8 9 10 x 30 0 0", 0, 0, false},
		{"", 0, 0, false},
	} {
		path := filepath.Join(t.TempDir(), "stat")
		if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if state, cpu, ok := readStat(path); state != test.state || cpu != test.cpu || ok != test.ok {
			t.Errorf("%q: %c, %v, %v", test.text, state, cpu, ok)
		}
	}
	if _, _, ok := readStat("/nowhere"); ok {
		t.Error("a file that is not there can be read")
	}
}
