//go:build slurm

package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"graphscore/cmd/internal/faults/inject"
	"graphscore/pipeline/pipelinetest"
)

// Where things are, as seen from this folder.
const (
	root    = "../../.."
	example = root + "/jobs/examples/molecules"
)

// program is the path of bin/graphscore.
var program string

// killKey names, in the environment of this binary, the output on which it kills the program that its arguments are.
const killKey = "CLUSTER_KILL_ON"

func TestMain(m *testing.M) {
	if output := os.Getenv(killKey); output != "" {
		os.Exit(killBetween(output))
	}
	if err := ready(); err != nil {
		fmt.Fprintf(os.Stderr, "%v: run `make test-slurm`\n", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// killBetween runs a program that dies before a part has its name, when its quarantine file has.
func killBetween(output string) int {
	dir, err := os.Getwd()
	if err == nil {
		p := inject.Program{Path: os.Args[1], Args: os.Args[2:], Dir: dir, Env: os.Environ(), Stdout: os.Stdout, Stderr: os.Stderr}
		_, err = inject.Run(context.Background(), p, output, func(c inject.Call) inject.Fault {
			return inject.Fault{Kill: strings.HasPrefix(c.Name, "rename") && strings.HasSuffix(c.Path, ".parquet")}
		})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 137
}

// ready says what is missing. Nothing is skipped.
func ready() (err error) {
	if program, err = filepath.Abs(root + "/bin/graphscore"); err != nil {
		return err
	}
	if _, err := os.Stat(program); err != nil {
		return fmt.Errorf("bin/graphscore is not built (%w)", err)
	}
	for _, name := range []string{"sbatch", "squeue", "scontrol", "/usr/sbin/slurmctld", "/usr/sbin/slurmd", "/usr/sbin/munged"} {
		if _, err := exec.LookPath(name); err != nil {
			return fmt.Errorf("%s is not installed (slurmctld, slurmd, slurm-client and munge of Debian)", name)
		}
	}
	return nil
}

// slurm is a cluster of two nodes of one CPU each.
type slurm struct {
	t   *testing.T
	dir string
}

// startSlurm starts a cluster that ends with the test. Its ports are fixed: there is one at a time.
func startSlurm(t *testing.T, maxArraySize int) *slurm {
	t.Helper()
	dir := pipelinetest.SocketFolder(t)
	s := &slurm{t, dir}
	t.Cleanup(s.stop)
	up := exec.CommandContext(t.Context(), "testdata/slurm-up.sh", dir, strconv.Itoa(maxArraySize))
	if out, err := up.CombinedOutput(); err != nil {
		t.Fatalf("starting Slurm: %v\n%s", err, out)
	}
	return s
}

func (s *slurm) env() []string {
	return append(os.Environ(), "SLURM_CONF="+s.dir+"/slurm.conf", "GRAPHSCORE_PYTHON=")
}

// stop ends all tasks and the daemons.
func (s *slurm) stop() {
	cancel := exec.Command("scancel", "--user=root")
	cancel.Env = s.env()
	_ = cancel.Run() // of a cluster that did not start
	for _, name := range []string{"ctld", "n1", "n2", "munged"} {
		s.kill(name, syscall.SIGKILL)
	}
	steps, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range steps {
		line, _ := os.ReadFile(file)
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil && bytes.Contains(line, []byte("slurmstepd")) && s.owns(pid) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// owns reports whether a process has the configuration of the cluster in its environment.
func (s *slurm) owns(pid int) bool {
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	return err == nil && bytes.Contains(env, []byte(s.dir+"/"))
}

// kill sends a signal to a daemon.
func (s *slurm) kill(name string, signal syscall.Signal) {
	text, err := os.ReadFile(filepath.Join(s.dir, "pid."+name))
	if err != nil {
		return
	}
	if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
		_ = syscall.Kill(pid, signal)
	}
}

// process is graphscore while it runs.
type process struct {
	t              *testing.T
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
}

// start starts graphscore with the cluster.
func (s *slurm) start(args ...string) *process {
	s.t.Helper()
	p := &process{t: s.t, cmd: exec.CommandContext(s.t.Context(), program, args...)}
	p.cmd.Env, p.cmd.Dir = s.env(), s.dir
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	return p
}

// wait returns the exit code and all that was said.
func (p *process) wait() (code int, said string) {
	p.t.Helper()
	var failed *exec.ExitError
	if err := p.cmd.Wait(); err != nil && !errors.As(err, &failed) {
		p.t.Fatal(err)
	}
	return p.cmd.ProcessState.ExitCode(), p.stdout.String() + p.stderr.String()
}

// run runs graphscore and wants an exit code.
func (s *slurm) run(code int, args ...string) string {
	s.t.Helper()
	got, said := s.start(args...).wait()
	if got != code {
		s.t.Fatalf("graphscore %s: exit code %d, expected %d\n%s\n%s", strings.Join(args, " "), got, code, said, s.logs(args))
	}
	return said
}

// logs are those of the tasks, for who has to find out why a test failed.
func (s *slurm) logs(args []string) string {
	var b strings.Builder
	files, _ := filepath.Glob(filepath.Join(filepath.Dir(args[1]), "out", "_runs", "submit-*", "logs", "*"))
	for _, file := range files {
		text, _ := os.ReadFile(file)
		fmt.Fprintf(&b, "== %s\n%s", filepath.Base(file), text)
	}
	return b.String()
}

// eventually waits for something that must come.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for !is() {
		select {
		case <-ctx.Done():
			t.Fatalf("it never came that %s", what)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
