//go:build faults

package faults

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"graphscore/pipeline/exit"
	"graphscore/pipeline/faulttest"
	"graphscore/pipeline/remote/remotetest"
	scoringv1 "graphscore/proto/graphscore/v1"
)

// A pipe that is full and that nobody reads any more, as of a log collector that hangs: SIGTERM ends the run.
func TestNobodyReads(t *testing.T) {
	t.Parallel()
	c, n := newTrial(t).in(t), native()
	called := make(chan struct{}, 1000)
	n.Before = func(ctx context.Context, _ *scoringv1.ScoreRequest) error {
		called <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	read, full, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer full.Close()
	ctx, cancel := context.WithTimeout(t.Context(), longest)
	defer cancel()
	path := must(filepath.Abs(program))
	cmd := exec.CommandContext(ctx, path, "run", c.job(remotetest.Serve(t, serving(n)), ""), "--output", c.path("out"), "--log-format", "json")
	cmd.Stderr = full
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(read).ReadString('\n'); err != nil {
		t.Fatalf("%v after %q", err, line)
	}
	<-called
	fill(t, full)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	var failed *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &failed) || failed.ExitCode() != exit.Terminated {
		t.Errorf("it ended with %v, expected %d", err, exit.Terminated)
	}
	c.run(exit.Partly, c.job(behaved(t), ""), "out")
	faulttest.Report(t, faulttest.Row{Case: "K", How: "stderr is a full pipe that nobody reads, then SIGTERM",
		Outcome: "143, then the same bytes", Times: 1, Tally: c.whole("out")})
}

// fill fills a pipe, which blocks those who have it: it is opened anew.
func fill(t *testing.T, pipe *os.File) {
	t.Helper()
	fd, err := syscall.Open(fmt.Sprintf("/proc/self/fd/%d", pipe.Fd()), syscall.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(fd) }()
	chunk := make([]byte, 1<<16)
	for size := len(chunk); size > 0; {
		if _, err := syscall.Write(fd, chunk[:size]); errors.Is(err, syscall.EAGAIN) {
			size /= 2 // what is left is smaller
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
