//go:build unix

package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"syscall"
	"testing"
	"time"
)

// A pipe that is full and that nobody reads, as of a log collector that hangs, blocks a command until it is told to end.
func TestDropUnread(t *testing.T) {
	t.Parallel()
	read, full, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer full.Close()
	raw, err := full.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	filled, chunk := 0, make([]byte, 1<<20)
	var stopped error
	for stopped == nil { // EAGAIN ends it: os.Pipe does not block
		if err := raw.Control(func(fd uintptr) {
			var n int
			if n, stopped = syscall.Write(int(fd), chunk); n > 0 {
				filled += n
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	if !errors.Is(stopped, syscall.EAGAIN) {
		t.Fatalf("filling a pipe: %v", stopped)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stderr := dropUnread(ctx, full)
	written := make(chan error, 1)
	text := bytes.Repeat([]byte("nobody reads this line\n"), 1000)
	write := func() {
		_, err := stderr.Write(text)
		written <- err
	}

	go write()
	select {
	case err := <-written:
		t.Fatalf("a full pipe took a text: %v", err)
	case <-time.After(3 * lookEvery):
	}
	if _, err := io.ReadFull(read, make([]byte, filled)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(read, got); err != nil || !bytes.Equal(got, text) {
		t.Fatalf("what waited was read as %d bytes, %v", len(got), err)
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}

	text = make([]byte, 1<<20)
	go write()
	cancel()
	if err := <-written; !errors.Is(err, errUnread) {
		t.Fatalf("told to end, writing returned %v", err)
	}
}

func TestOnlyPipesAreLookedAt(t *testing.T) {
	t.Parallel()
	file, err := os.Create(t.TempDir() + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, w := range []io.Writer{file, &bytes.Buffer{}} {
		if dropUnread(t.Context(), w) != w {
			t.Errorf("%T was replaced", w)
		}
	}
}
