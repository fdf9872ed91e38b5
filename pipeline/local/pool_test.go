//go:build unix

package local

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// fake gives a configuration whose workers are the test binary in that mode.
func fake(t *testing.T, mode string) Config {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Config{Python: self, Model: "models/m", Workers: 2, Env: []string{fakeVariable + "=" + mode}}
}

func start(t *testing.T, cfg Config) *Pool {
	t.Helper()
	p, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// eventually waits until the condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("not within 2 minutes: %s", what)
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

func healthyAt(t *testing.T, p *Pool, worker int) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return p.await(ctx, p.workers[worker]) == nil
}

func TestStartAndClose(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"serve", "unready"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			p := start(t, fake(t, mode))
			before, addresses := running(p), p.Addresses()
			if len(before) != 2 || len(addresses) != 2 || addresses[0] == addresses[1] {
				t.Fatalf("PIDs %v, addresses %v", pids(p), addresses)
			}
			info, err := os.Stat(p.folder)
			if err != nil || info.Mode().Perm() != 0o700 {
				t.Fatalf("the socket folder: %v, %v", info, err)
			}
			if p.Err() != nil || p.Restarts() != 0 {
				t.Fatalf("Err %v, Restarts %d", p.Err(), p.Restarts())
			}
			p.End()
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
			for _, q := range before {
				if !q.ended() {
					t.Errorf("process %d is left", q.cmd.Process.Pid)
				}
			}
			if p.Err() != nil || p.Restarts() != 0 {
				t.Errorf("workers that end are no failure: Err %v, Restarts %d", p.Err(), p.Restarts())
			}
			if _, err := os.Stat(p.folder); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the socket folder is left: %v", err)
			}
			if len(pids(p)) != 0 || p.PeakMemory() != 0 {
				t.Errorf("after Close: PIDs %v, PeakMemory %d", pids(p), p.PeakMemory())
			}
		})
	}
}

func TestPeakMemory(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/status"); err != nil {
		if p := PeakMemory(os.Getpid()); p != 0 {
			t.Fatalf("PeakMemory = %d without /proc", p)
		}
		return
	}
	if peak := start(t, fake(t, "serve")).PeakMemory(); peak < 2<<20 {
		t.Errorf("PeakMemory %d", peak)
	}
}

// log collects lines from many goroutines.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestWorkersGetFlagsAndEnvironment(t *testing.T) {
	t.Parallel()
	lines := new(log)
	cfg := fake(t, "serve")
	cfg.MaxMessageBytes = 12345
	cfg.Log = slog.New(slog.NewTextHandler(lines, nil))
	p := start(t, cfg)
	model, err := filepath.Abs(cfg.Model)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"level=INFO msg=\"serving -m graphscore serve --model " + model,
		"--listen " + p.Addresses()[1] + " --lifeline-fd 3 --log-format json --threads 1 --max-message-bytes 12345\" worker=1",
		"level=WARN msg=111 worker=0",
	} {
		eventually(t, want, func() bool { return strings.Contains(lines.String(), want) })
	}
}

func TestDeadWorkerIsStartedAgain(t *testing.T) {
	t.Parallel()
	lines := new(log)
	cfg := fake(t, "serve")
	cfg.Log = slog.New(slog.NewTextHandler(lines, nil))
	p := start(t, cfg)
	before := running(p)
	if err := syscall.Kill(before[0].cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a restart", func() bool { return p.Restarts() == 1 })
	if !healthyAt(t, p, 0) {
		t.Fatal("the successor does not serve")
	}
	if after := running(p); len(after) != 2 || after[0] == before[0] || after[1] != before[1] {
		t.Errorf("PIDs %v", pids(p))
	}
	if p.Err() != nil {
		t.Error(p.Err())
	}
	want := `a worker died and is started again" worker=0 reason="a worker run by ` + cfg.Python +
		` ended (killed by SIGKILL, possibly out of memory): 111" restart=1 of=5`
	if !strings.Contains(lines.String(), want) {
		t.Errorf("the log says\n%s", lines)
	}
}

func TestTooManyDeaths(t *testing.T) {
	t.Parallel()
	cfg := fake(t, "serve")
	cfg.MaxRestarts = 2
	p := start(t, cfg)
	for dead := (*process)(nil); p.Err() == nil; {
		if now, _ := p.workers[1].processes(); now != nil && now != dead {
			_ = syscall.Kill(now.cmd.Process.Pid, syscall.SIGKILL)
			dead = now
		}
		time.Sleep(time.Millisecond)
	}
	<-p.Failed()
	var e *StartError
	if !errors.As(p.Err(), &e) || !strings.Contains(p.Err().Error(), "died 3 times in a row") {
		t.Errorf("Err = %v", p.Err())
	}
	if p.Restarts() != 2 || len(pids(p)) != 1 {
		t.Errorf("Restarts %d, PIDs %v", p.Restarts(), pids(p))
	}
}

func TestModelBreaksLater(t *testing.T) {
	t.Parallel()
	flag := filepath.Join(t.TempDir(), "flag")
	cfg := fake(t, "then-model:"+flag)
	cfg.Workers = 1
	cfg.MaxRestarts = 1
	p := start(t, cfg)
	if err := os.WriteFile(flag, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pids(p)[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-p.Failed()
	var e *ModelError
	if !errors.As(p.Err(), &e) || e.Message != "the weights have changed" {
		t.Errorf("Err = %v", p.Err())
	}
}

func TestStartFails(t *testing.T) {
	t.Parallel()
	model, err := filepath.Abs("models/m")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		mode string
		is   func(error) bool
		want string
	}{
		{"model", is[*ModelError], "the model does not load: " + model + `/config.json: layer 0 has the unknown type "gat"`},
		{"module", is[*PythonError], "cannot run workers (No module named graphscore); run `make build`"},
		{"import", is[*PythonError], "cannot run workers (cannot import name 'spam'); run"},
		{"crash", is[*StartError], " ended (exit status 139): Fatal Python error: Segmentation fault; if that is no Python with the package graphscore, name one"},
		{"silent", is[*StartError], "was not ready after 200ms and printed nothing"},
	}
	for _, test := range tests {
		t.Run(test.mode, func(t *testing.T) {
			t.Parallel()
			lines := new(log)
			cfg := fake(t, test.mode)
			cfg.StartTimeout = 2 * time.Minute
			if test.mode == "silent" {
				cfg.StartTimeout = 200 * time.Millisecond
			}
			cfg.StopGrace = 200 * time.Millisecond
			cfg.Log = slog.New(slog.NewTextHandler(lines, nil))
			p, err := Start(t.Context(), cfg)
			if p != nil || err == nil || !test.is(err) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Start = %v, %v\nwant %s", p, err, test.want)
			}
			if lines.String() != "" {
				t.Errorf("it is told twice, in the log too:\n%s", lines)
			}
		})
	}
}

func TestStartWithoutInterpreter(t *testing.T) {
	t.Parallel()
	_, err := Start(t.Context(), Config{Python: "/nowhere/python", Model: "m", Workers: 1})
	if !is[*PythonError](err) || !strings.Contains(err.Error(), "/nowhere/python") {
		t.Errorf("Start = %v", err)
	}
}

func TestStartIsCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	cfg := fake(t, "silent")
	if _, err := Start(ctx, cfg); !errors.Is(err, context.Canceled) {
		t.Errorf("Start = %v", err)
	}
}

func TestContextOfStartDoesNotEndThePool(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	p, err := Start(ctx, fake(t, "serve"))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if !healthyAt(t, p, 1) {
		t.Error("the worker has gone")
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

func TestCloseKillsDeafWorkers(t *testing.T) {
	t.Parallel()
	cfg := fake(t, "deaf")
	cfg.StopGrace = 100 * time.Millisecond
	p := start(t, cfg)
	before := running(p)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	for _, q := range before {
		if !q.ended() {
			t.Errorf("process %d is left", q.cmd.Process.Pid)
		}
	}
}

// parent is a graphscore that has workers and tells of them until it is killed.
func parent() {
	self, err := os.Executable()
	if err == nil {
		var p *Pool
		p, err = Start(context.Background(), Config{
			Python: self, Model: "m", Workers: 3, Env: []string{parentVariable + "=", fakeVariable + "=serve"},
		})
		if err == nil {
			fmt.Fprintln(os.Stdout, p.folder, pids(p)[0], pids(p)[1], pids(p)[2])
			time.Sleep(time.Minute)
		}
	}
	fmt.Fprintln(os.Stdout, err)
	os.Exit(1)
}

func TestKilledParentLeavesNothing(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), parentVariable+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	fields := strings.Fields(line)
	if err != nil || len(fields) != 4 {
		t.Fatalf("the parent says %q, %v", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, out)
	_ = cmd.Wait()
	for _, text := range fields[1:] {
		pid, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "the end of process "+text, func() bool { return gone(pid) })
	}
	eventually(t, "the end of the socket folder", func() bool {
		_, err := os.Stat(fields[0])
		return errors.Is(err, os.ErrNotExist)
	})
}

// gone says whether a process that is not our child has ended: nobody may have collected it yet.
func gone(pid int) bool {
	if !alive(pid) {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return errors.Is(err, os.ErrNotExist) && !alive(pid)
	}
	_, state, found := strings.Cut(string(stat), ") ")
	return found && strings.HasPrefix(state, "Z")
}

func TestSocketFolder(t *testing.T) {
	t.Parallel()
	long := filepath.Join(t.TempDir(), strings.Repeat("d", 90))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, parent := range []string{long, "/nowhere/at/all"} {
		folder, err := socketFolder(2, parent, "/tmp")
		if err != nil || filepath.Dir(folder) != "/tmp" || len(socketPath(folder, 1)) > 100 {
			t.Errorf("socketFolder in %q = %q, %v", parent, folder, err)
		}
		if err := os.Remove(folder); err != nil {
			t.Error(err)
		}
	}
	_, err := socketFolder(2, long, "/nowhere/at/all", "/nowhere/at/all")
	if want := " is too long for a socket; in /nowhere/at/all: no such file or directory"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("without a folder: %v, want ... %s", err, want)
	}
	left, err := os.ReadDir(long)
	if err != nil || len(left) != 0 {
		t.Errorf("left in the folder that is too deep: %v, %v", left, err)
	}
}

func TestConfigValidate(t *testing.T) {
	t.Parallel()
	good := Config{Python: "python3", Model: "m"}.WithDefaults()
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	tests := map[string]func(*Config){
		"no Python":     func(c *Config) { c.Python = "" },
		"no model":      func(c *Config) { c.Model = "" },
		"workers is -1": func(c *Config) { c.Workers = -1 },
		"message limit": func(c *Config) { c.MaxMessageBytes = -1 },
		"start timeout": func(c *Config) { c.StartTimeout = -1 },
	}
	for want, change := range tests {
		cfg := good
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Validate = %v, want %s", err, want)
		}
		if _, err := Start(t.Context(), cfg); err == nil {
			t.Errorf("Start takes a configuration with %s", want)
		}
	}
}
