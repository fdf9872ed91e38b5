//go:build unix

package local

import (
	"log/slog"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestEndOf(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		script string
		ours   sent
		short  bool
		want   End
	}{
		{script: "exit 3", want: End{Text: "ended with status 3"}},
		{script: "exit 3", ours: sent{hung: true}, short: true, want: End{Text: "ended with status 3"}},
		{script: "exit 71", want: End{Text: "ran out of memory", Memory: true}},
		{script: "kill -SEGV $$", short: true, want: End{Text: "was killed by SIGSEGV"}},
		{script: "kill -ABRT $$", want: End{Text: "was killed by SIGABRT"}},
		{script: "kill -KILL $$", want: End{Text: "was killed by SIGKILL"}},
		{script: "kill -KILL $$", short: true, want: End{Text: "was killed by the system for its memory", Memory: true}},
		{script: "kill -KILL $$", ours: sent{hung: true}, short: true, want: End{Text: "hung and was replaced", Hung: true}},
		{script: "kill -KILL $$", ours: sent{freed: true}, short: true, want: End{Text: "was replaced, as it held memory of earlier calls", Freed: true}},
		{script: "kill -SEGV $$", ours: sent{freed: true}, want: End{Text: "was killed by SIGSEGV"}},
		{script: "exit 0", ours: sent{drained: true}, want: End{Text: "was replaced, as it had taken too much memory", Freed: true}},
		{script: "kill -TERM $$", ours: sent{drained: true}, want: End{Text: "was replaced, as it had taken too much memory", Freed: true}},
		{script: "kill -SEGV $$", ours: sent{drained: true}, want: End{Text: "was killed by SIGSEGV"}},
		{script: "kill -KILL $$", ours: sent{drained: true}, short: true, want: End{Text: "was killed by the system for its memory", Memory: true}},
		{script: "exit 0", want: End{Text: "ended with status 0"}},
		{script: "kill -40 $$", want: End{Text: "was killed by signal 40"}},
	} {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", "ulimit -c 0; "+test.script)
		_ = cmd.Run() // the state says how it ended
		if got := endOf(cmd.ProcessState, test.ours, test.short); got != test.want {
			t.Errorf("%q, %+v, short %v: %+v, want %+v", test.script, test.ours, test.short, got, test.want)
		}
	}
}

// kill sends a signal to the process that a worker runs now.
func kill(t *testing.T, p *Pool, worker int, s syscall.Signal) {
	t.Helper()
	eventually(t, "a process runs", func() bool { return p.workers[worker].pid() != 0 })
	if err := syscall.Kill(p.workers[worker].pid(), s); err != nil {
		t.Fatal(err)
	}
}

func TestEnded(t *testing.T) {
	t.Parallel()
	p := start(t, fake(t, "serve"))
	address := p.Addresses()[1]
	kill(t, p, 1, syscall.SIGKILL)
	if got := p.Ended(t.Context(), address); got != (End{Text: "was killed by SIGKILL"}) {
		t.Errorf("Ended = %+v", got)
	}
	eventually(t, "a restart", func() bool { return p.Restarts() == 1 })
	if !healthyAt(t, p, 1) {
		t.Fatal("the successor does not serve")
	}
	if got := p.Ended(t.Context(), address); got != (End{Text: "was killed by SIGKILL"}) {
		t.Errorf("asked after its successor has begun, Ended = %+v", got)
	}
	kill(t, p, 1, syscall.SIGUSR2) // the fake ends with 3
	if got := p.Ended(t.Context(), address); got != (End{Text: "ended with status 3"}) {
		t.Errorf("Ended = %+v", got)
	}
	if got := p.Ended(t.Context(), p.Addresses()[0]); got != (End{}) {
		t.Errorf("of a process that lives, Ended = %+v", got)
	}
	if got := p.Ended(t.Context(), "unix:/nowhere"); got != (End{}) {
		t.Errorf("of an address of nobody, Ended = %+v", got)
	}
}

func TestReplace(t *testing.T) {
	t.Parallel()
	lines := new(log)
	cfg := fake(t, "serve")
	cfg.Log = slog.New(slog.NewTextHandler(lines, nil))
	p := start(t, cfg)
	before, address := running(p), p.Addresses()[0]
	w := p.workers[0]
	eventually(t, "the process is not young", func() bool { return time.Since(w.now.began) >= young })
	kill(t, p, 0, syscall.SIGSTOP)
	p.Replace(address)
	if got := p.Ended(t.Context(), address); got != (End{Text: "hung and was replaced", Hung: true}) {
		t.Errorf("Ended = %+v", got)
	}
	eventually(t, "a restart", func() bool { return p.Restarts() == 1 })
	p.Replace(address) // another call of the same process reached its deadline
	p.Replace("unix:/nowhere")
	if !healthyAt(t, p, 0) {
		t.Fatal("the successor does not serve")
	}
	if after := running(p); len(after) != 2 || after[0] == before[0] || after[1] != before[1] || p.Restarts() != 1 {
		t.Errorf("PIDs %v, %d restarts", pids(p), p.Restarts())
	}
	for _, want := range []string{"a worker hangs and is replaced", "ended (it hung and was killed)"} {
		if !strings.Contains(lines.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, lines)
		}
	}
}

// Deaths that do not count, however many; then one too many that does.
func TestDeathsThatDoNotCount(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name          string
		before, after func(p *Pool, address string)
	}{
		{
			"excused",
			func(p *Pool, _ string) { p.Excuse(true); p.Excuse(true); p.Excuse(false) },
			func(p *Pool, _ string) { p.Excuse(false) },
		},
		{"answered", func(p *Pool, address string) { p.Answered(address) }, func(*Pool, string) {}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			cfg := fake(t, "serve")
			cfg.Workers, cfg.MaxRestarts = 1, 1
			p := start(t, cfg)
			address := p.Addresses()[0]
			die := func() {
				restarts := p.Restarts()
				kill(t, p, 0, syscall.SIGKILL)
				p.Ended(t.Context(), address)
				eventually(t, "a restart", func() bool { return p.Restarts() > restarts || p.Err() != nil })
			}
			for range 3 {
				if !healthyAt(t, p, 0) {
					t.Fatalf("it does not serve: %v", p.Err())
				}
				test.before(p, address)
				die()
				test.after(p, address)
			}
			for range 2 {
				if p.Err() != nil {
					t.Fatalf("it has failed too early: %v", p.Err())
				}
				healthyAt(t, p, 0)
				die()
			}
			if p.Err() == nil || !strings.Contains(p.Err().Error(), "died 2 times in a row") {
				t.Errorf("Err = %v", p.Err())
			}
		})
	}
}

// A worker that dies before it serves has not been ended by a call.
func TestDeathsAtTheStartCount(t *testing.T) {
	t.Parallel()
	cfg := fake(t, "once:"+t.TempDir()+"/flag")
	cfg.Workers, cfg.MaxRestarts = 1, 2
	p := start(t, cfg)
	p.Excuse(true)
	defer p.Excuse(false)
	kill(t, p, 0, syscall.SIGKILL)
	<-p.Failed()
	if !strings.Contains(p.Err().Error(), "died 3 times in a row") {
		t.Errorf("Err = %v", p.Err())
	}
}
