package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"graphscore/jobs/jobtest"
	"graphscore/pipeline/exit"
	"graphscore/pipeline/pipelinetest/mutation"
	"graphscore/pipeline/remote/remotetest"
)

// outcome is how a command ended, other than with 0.
type outcome struct {
	code int
	said string
}

func (o *outcome) Error() string { return o.said }

// command runs a command in this process, as a user does.
func command(args ...string) error {
	var out, errs bytes.Buffer
	code := newEnv(args, &out, &errs).main()
	if fault := mutation.Text(out.String()); fault != "" && !strings.HasPrefix(fault, "a message of") {
		return &outcome{exit.Bug, "standard output: " + fault}
	}
	if code == exit.Done {
		return nil
	}
	return &outcome{code, errs.String()}
}

// scored is a folder with an input, a job, a plan of it, and its output, which has a quarantine file.
func scored(t *testing.T) (dir string) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	scorer := jobtest.Scorer{Protocol: "native", Width: 2, Outputs: []string{"score"}, Digest: remotetest.Digest}
	if err := scorer.Register(server); err != nil {
		t.Fatal(err)
	}
	var served errgroup.Group
	served.Go(func() error { return server.Serve(listener) })
	t.Cleanup(func() {
		server.Stop()
		if err := served.Wait(); err != nil {
			t.Error(err)
		}
	})
	dir = t.TempDir()
	graphs := jobtest.NewGraphs()
	graphs.Group, graphs.Bad[3] = 4, "nan"
	if err := graphs.WriteFile(filepath.Join(dir, "in", "a.parquet"), 12); err != nil {
		t.Fatal(err)
	}
	job := fmt.Sprintf("name: night\ninput: {path: %s/in}\noutput: {path: %s/out}\nserver: {addresses: [%q]}\n", dir, dir, listener.Addr())
	if err := os.WriteFile(filepath.Join(dir, "job.yaml"), []byte(job), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"plan", "--out", filepath.Join(dir, "plan.json")}, {"run", "--quiet"}, {"run", "--quiet", "--shard", "0/1", "--output", filepath.Join(dir, "apart")}} {
		var o *outcome
		if err := command(slices.Insert(args, 1, filepath.Join(dir, "job.yaml"))...); err != nil && (!errors.As(err, &o) || o.code != exit.Partly) {
			t.Fatalf("%v: %v", args, err)
		}
	}
	return dir
}

// TestMutatedCommands changes each file that commands read, and runs those commands: whatever the file is, they end with a
// code that is promised, and with nothing on a terminal that commands it.
func TestMutatedCommands(t *testing.T) { // not parallel: it measures what is allocated
	dir := scored(t)
	job, out, plan := filepath.Join(dir, "job.yaml"), filepath.Join(dir, "out"), filepath.Join(dir, "plan.json")
	reading := [][]string{{"report", out}, {"quarantine", out}, {"diff", out, filepath.Join(dir, "apart")}, {"verify", job}, {"plan", job}, {"status", job}}
	for name, commands := range map[string][][]string{
		"job.yaml":          {{"plan", job}, {"validate", job}},
		"in/a.parquet":      {{"inspect", filepath.Join(dir, "in")}, {"validate", job}, {"plan", job, "--log-format", "text"}},
		"plan.json":         {{"run", job, "--plan", plan, "--shard", "0/1", "--quiet"}, {"finish", job, "--plan", plan}},
		"out/a.parquet":     reading,
		"out/_quarantine/*": reading,
		"out/_runs/*.json":  reading,
		"out/_lock":         reading,
		"out/_SUCCESS":      reading,
		"apart/_runs/*/*":   {{"finish", job, "--output", filepath.Join(dir, "apart")}, {"status", job, "--output", filepath.Join(dir, "apart")}},
	} {
		t.Run(strings.NewReplacer("/", "-", "*", "all").Replace(name), func(t *testing.T) {
			mutation.Run(t, commandsOn(t, filepath.Join(dir, name), commands))
		})
	}
}

// commandsOn are commands that read a file, which is as it was after each.
func commandsOn(t *testing.T, pattern string, commands [][]string) *mutation.Target {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		t.Fatalf("nothing is %s: %v", pattern, err)
	}
	file := found[0]
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	turn := 0
	return &mutation.Target{
		Seeds: map[string][]byte{filepath.Base(file): content}, Few: 6, Share: 20, Base: 1 << 30, Times: 1 << 20,
		Known: func(err error) bool {
			var o *outcome
			return errors.As(err, &o) && !slices.Contains([]int{exit.Other, 2, exit.Bug}, o.code)
		},
		Read: func(t *testing.T, changed []byte) error {
			if err := os.WriteFile(file, changed, 0o600); err != nil {
				t.Fatal(err)
			}
			turn++
			err := command(commands[turn%len(commands)]...)
			if restored := os.WriteFile(file, content, 0o600); restored != nil && !errors.Is(restored, fs.ErrNotExist) {
				t.Fatal(restored)
			}
			return err
		},
	}
}
