//go:build faults

package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"

	"graphscore/jobs/jobtest"
	"graphscore/pipeline/exit"
	"graphscore/pipeline/faulttest"
	"graphscore/pipeline/remote/remotetest"
)

// trial is an input, and what has to come out of it: the graphs that were written, each once, and the bytes of an
// undisturbed run.
type trial struct {
	t      *testing.T
	folder string
	want   map[string]int
	same   tree
}

// perFile graphs are in each of three files; one of each is broken.
const perFile = 2000

func newTrial(t *testing.T) *trial {
	t.Helper()
	c := &trial{t: t, folder: t.TempDir(), want: map[string]int{}}
	for i, name := range []string{"a", "b", "c"} {
		c.write("in/"+name+".parquet", i*perFile, perFile, map[int]string{7 + i: "nan"})
	}
	c.run(exit.Partly, c.job(behaved(t), ""), "undisturbed")
	files, err := read(c.path("undisturbed"))
	if err != nil {
		t.Fatal(err)
	}
	c.same = files.lasting()
	if len(c.same) != 7 { // parts, quarantine files, _SUCCESS
		t.Fatalf("an undisturbed run leaves %d files", len(c.same))
	}
	return c
}

func (c *trial) path(names ...string) string {
	return filepath.Join(append([]string{c.folder}, names...)...)
}

// write writes a file of graphs, each of which has to come out.
func (c *trial) write(name string, from, count int, bad map[int]string) {
	c.t.Helper()
	c.rewrite(name, from, count, bad)
	for i := range count {
		c.want[fmt.Sprint(from+i)]++
	}
}

// rewrite writes a file of graphs that are in the input before.
func (c *trial) rewrite(name string, from, count int, bad map[int]string) {
	c.t.Helper()
	g := jobtest.NewGraphs()
	g.From, g.Group, g.Bad = int64(from), count, bad
	if err := g.WriteFile(c.path(name), count); err != nil {
		c.t.Fatal(err)
	}
}

// job writes a job file over the input, for a server or several.
func (c *trial) job(server, more string, others ...string) string {
	c.t.Helper()
	path := c.path("job.yaml")
	servers, err := json.Marshal(append([]string{server}, others...))
	if err != nil {
		c.t.Fatal(err)
	}
	text := fmt.Sprintf("input: {path: in}\noutput: {path: out}\nserver: {addresses: %s}\n%s", servers, more)
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		c.t.Fatal(err)
	}
	return path
}

// run runs a job into an output and compares the exit code. It returns what the run said.
func (c *trial) run(code int, job, output string, flags ...string) string {
	c.t.Helper()
	said, got := c.ends(job, output, flags...)
	if got != code {
		c.t.Fatalf("exit code %d, expected %d\n%s", got, code, said)
	}
	return said
}

// ends runs a job into an output, and returns what the run said and its exit code.
func (c *trial) ends(job, output string, flags ...string) (said string, code int) {
	c.t.Helper()
	return c.endsAs(nil, job, output, flags...)
}

// nobody is a user who owns nothing.
const nobody = 65534

// runAs is run as nobody, where this process may become another user: else modes stop this user as well. Folders are made
// first: closed, which the user may not write, and open.
func (c *trial) runAs(code int, job, output string) string {
	c.t.Helper()
	for name, mode := range map[string]os.FileMode{"closed": 0o555, "open": 0o777} {
		if err := errors.Join(os.MkdirAll(c.path(name), 0o777), os.Chmod(c.path(name), mode)); err != nil {
			c.t.Fatal(err)
		}
	}
	var as *syscall.SysProcAttr
	if os.Geteuid() == 0 {
		as = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		for dir := c.folder; dir != filepath.Clean(os.TempDir()) && dir != "/"; dir = filepath.Dir(dir) { // the folders of the test are private
			if err := os.Chmod(dir, 0o755); err != nil {
				c.t.Fatal(err)
			}
		}
	}
	said, got := c.endsAs(as, job, output)
	if got != code {
		c.t.Fatalf("exit code %d, expected %d\n%s", got, code, said)
	}
	return said
}

func (c *trial) endsAs(as *syscall.SysProcAttr, job, output string, flags ...string) (said string, code int) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 5*time.Minute)
	defer cancel()
	full, err := filepath.Abs(program)
	if err != nil {
		c.t.Fatal(err)
	}
	if as != nil { // a checkout may be private
		own := c.path("graphscore")
		if content, err := os.ReadFile(full); err != nil || os.WriteFile(own, content, 0o755) != nil {
			c.t.Fatalf("copying the program: %v", err)
		}
		full = own
	}
	cmd := exec.CommandContext(ctx, full, append([]string{"run", job, "--output", c.path(output), "--log-format", "json"}, flags...)...)
	var both bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = &both, &both, as
	var failed *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &failed) || ctx.Err() != nil {
		c.t.Fatalf("%v\n%s", err, both.String())
	}
	return both.String(), cmd.ProcessState.ExitCode()
}

// count counts the graphs of an output.
func (c *trial) count(output string) *faulttest.Tally {
	c.t.Helper()
	got, err := jobtest.CountGraphs(c.path(output))
	if err != nil {
		c.t.Fatal(err)
	}
	return faulttest.Compare(got, c.want)
}

// whole compares an output with that of the undisturbed run, to the byte, and counts its graphs.
func (c *trial) whole(output string) *faulttest.Tally {
	c.t.Helper()
	files, err := read(c.path(output))
	if err != nil {
		c.t.Fatal(err)
	}
	if other := differences(files.lasting(), c.same); other != "" {
		c.t.Errorf("other files than undisturbed: %s", other)
	}
	for name := range files {
		if kindOf(name) == temporary {
			c.t.Errorf("%s is left", name)
		}
	}
	return c.count(output)
}

// has says which of some words a message lacks.
func has(said string, words ...string) error {
	for _, word := range words {
		if !strings.Contains(said, word) {
			return fmt.Errorf("it does not say %q:\n%s", word, said)
		}
	}
	return nil
}

// native is a server that scores.
func native() *remotetest.Native { return remotetest.NewNative(2, "score") }

// behaved serves one until the test ends.
func behaved(t *testing.T) string { return remotetest.Serve(t, serving(native())) }

func serving(n *remotetest.Native, options ...grpc.ServerOption) *grpc.Server {
	server := grpc.NewServer(options...)
	n.Register(server)
	return server
}

// link makes a symbolic link.
func (c *trial) link(name, to string) {
	c.t.Helper()
	if err := os.Symlink(to, c.path(name)); err != nil {
		c.t.Fatal(err)
	}
}
