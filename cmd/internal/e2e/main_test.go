//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"graphscore/jobs/jobtest"
	"graphscore/pipeline/pipelinetest"
	"graphscore/writers/record"
)

// Where things are, as seen from this folder.
const (
	root    = "../../.."
	program = root + "/bin/graphscore"
	venv    = root + "/python/.venv/bin/python"
	example = root + "/jobs/examples/molecules"
)

func TestMain(m *testing.M) {
	if err := ready(); err != nil {
		fmt.Fprintf(os.Stderr, "%v: run `make test-e2e`, which sets it up\n", err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// ready says what is missing. Nothing is skipped.
func ready() error {
	if _, err := os.Stat(program); err != nil {
		return fmt.Errorf("bin/graphscore is not built (%w)", err)
	}
	check := exec.Command(venv, "-c", "import graphscore, grpc_tools, pyarrow, duckdb, polars")
	if out, err := check.CombinedOutput(); err != nil {
		return fmt.Errorf("python/.venv lacks packages of the tests (%w: %s)", err, bytes.TrimSpace(out))
	}
	return nil
}

// outcome is how a command ended and what it said.
type outcome struct {
	code           int
	stdout, stderr string
}

// process is graphscore while it runs.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	temp   string // its TMPDIR, where the sockets of its workers are
	stdout bytes.Buffer
	stderr bytes.Buffer
}

// start starts graphscore.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	return startWith(t, nil, args...)
}

// startWith is start with more in its environment.
func startWith(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	return startCommand(t, env, exec.CommandContext(t.Context(), absolute(t, program), args...))
}

// startCommand is startWith for a command that becomes graphscore.
func startCommand(t *testing.T, env []string, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd}
	p.temp = pipelinetest.SocketFolder(t)
	p.cmd.Dir, p.cmd.Env = t.TempDir(), append(append(os.Environ(), "TMPDIR="+p.temp, "GRAPHSCORE_PYTHON="), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// logged is the line of a worker whose call raised: its log is for who wrote the model.
var logged = regexp.MustCompile(`(?m)^.*: a call failed: Traceback \(most.*$`)

var forbidden = regexp.MustCompile(`(?i)panic:|goroutine|runtime error|stack trace|\.go:\d+|%!|<nil>|Traceback \(most`)

// wait waits for the end. What every run promises is checked here: nothing is left of its workers, and no trace of
// a stack is shown.
func (p *process) wait() outcome {
	p.t.Helper()
	var failed *exec.ExitError
	if err := p.cmd.Wait(); err != nil && !errors.As(err, &failed) {
		p.t.Fatal(err)
	}
	o := outcome{code: p.cmd.ProcessState.ExitCode(), stdout: p.stdout.String(), stderr: p.stderr.String()}
	for _, text := range []string{o.stdout, o.stderr} {
		if found := forbidden.FindString(logged.ReplaceAllString(text, "")); found != "" {
			p.t.Errorf("the output has %q:\n%s", found, text)
		}
	}
	eventually(p.t, "the folder of the sockets is gone", func() bool {
		left, err := os.ReadDir(p.temp)
		return err == nil && len(left) == 0
	})
	return o
}

// run runs graphscore and wants an exit code.
func run(t *testing.T, code int, args ...string) outcome {
	t.Helper()
	return runWith(t, code, nil, args...)
}

// runWith is run with more in its environment.
func runWith(t *testing.T, code int, env []string, args ...string) outcome {
	t.Helper()
	o := startWith(t, env, args...).wait()
	if o.code != code {
		t.Fatalf("graphscore %s: exit code %d, expected %d\n%s%s", strings.Join(args, " "), o.code, code, o.stdout, o.stderr)
	}
	return o
}

// sentence gives the one error of a run.
func (o outcome) sentence(t *testing.T) string {
	t.Helper()
	var found []string
	for line := range strings.Lines(o.stderr) {
		if said, is := strings.CutPrefix(line, "graphscore: error: "); is || !strings.HasPrefix(line, "{") {
			found = append(found, strings.TrimSpace(said))
			continue
		}
		var entry struct {
			Msg  string
			Code int
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%v in the log: %s", err, line)
		}
		if entry.Code != 0 { // --log-format json
			found = append(found, entry.Msg)
		}
	}
	if len(found) != 1 {
		t.Fatalf("not one error but %q in %s", found, o.stderr)
	}
	return found[0]
}

// record is what --json printed.
func (o outcome) record(t *testing.T) record.Run {
	t.Helper()
	var r record.Run
	if err := json.Unmarshal([]byte(o.stdout), &r); err != nil {
		t.Fatalf("stdout is no run record: %v\n%s", err, o.stdout)
	}
	return r
}

// python runs a script of testdata and gives what it prints.
func python(t *testing.T, script string, args ...string) string {
	t.Helper()
	return pythonWith(t, nil, script, args...)
}

// pythonWith is python with more in its environment.
func pythonWith(t *testing.T, env []string, script string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), venv, append([]string{filepath.Join("testdata", script)}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		t.Fatalf("%s: %v\n%s", script, err, failed.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// sums gives the sha256 of every part and quarantine file: what must be the same in every run.
func sums(t *testing.T, output string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := fs.WalkDir(os.DirFS(output), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".parquet") && !strings.HasSuffix(name, ".jsonl") {
			return err
		}
		content, err := os.ReadFile(filepath.Join(output, name))
		found[name] = fmt.Sprintf("%x", sha256.Sum256(content))
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return found
}

// whole checks that an output is complete and that nothing lies there that should not.
func whole(t *testing.T, output string, want map[string]string) {
	t.Helper()
	same(t, sums(t, output), want)
	if _, err := os.Stat(filepath.Join(output, "_SUCCESS")); err != nil {
		t.Error(err)
	}
	err := filepath.WalkDir(output, func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".tmp") {
			t.Errorf("%s was left", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// graphsOf counts how often each graph comes out in an output.
func graphsOf(t *testing.T, output string) map[string]int {
	t.Helper()
	found, err := jobtest.CountGraphs(output)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func same(t *testing.T, got, want map[string]string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d files, expected %d", len(got), len(want))
	}
	for name, sum := range want {
		if got[name] != sum {
			t.Errorf("%s has sha256 %q, expected %q", name, got[name], sum)
		}
	}
}

// eventually waits for a condition that must come about.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came about that %s", what)
		}
	}
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	full, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return full
}

func write(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func copyFile(t *testing.T, from, to string) string {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, to, string(content))
}

// serving is a Python server under test.
type serving struct {
	address string
	pid     int
	stop    func()
}

// serve starts a Python program that prints its address at the end of its first line, on either stream.
func serve(t *testing.T, env []string, args ...string) serving {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, absolute(t, venv), args...)
	cmd.Env = append(os.Environ(), env...)
	read, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = writer, writer
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = writer.Close()
	s := serving{pid: cmd.Process.Pid, stop: func() {
		cancel()
		_ = cmd.Wait() // killed
		_ = read.Close()
	}}
	t.Cleanup(s.stop)
	var said, line string
	for !strings.Contains(line, ":") { // a warning comes first
		first := make([]byte, 4096)
		n, err := read.Read(first)
		if err != nil {
			t.Fatalf("the server ended: %v, it says %q", err, said)
		}
		said += string(first[:n])
		lines := strings.Split(strings.TrimSuffix(said, "\n"), "\n")
		line = ""
		if words := strings.Fields(lines[len(lines)-1]); strings.HasSuffix(said, "\n") && len(words) > 0 {
			line = words[len(words)-1]
		}
	}
	s.address = line
	return s
}
