package fifo

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"graphscore/pipeline/pipelinetest"
)

// readPipe opens a pipe as its readers do, and reads it with a patience that no test has.
func readPipe(t *testing.T, path string) string {
	t.Helper()
	pipe, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	text, err := io.ReadAll(NewReader(pipe, Patience{Limit: forEver}))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A pipe without a name that its writer has closed is read to its end, also where nothing is in it: as of <(true).
func TestClosedBefore(t *testing.T) {
	t.Parallel()
	for _, want := range []string{"", "a"} {
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer read.Close()
		if _, err := write.WriteString(want); err != nil {
			t.Fatal(err)
		}
		if err := write.Close(); err != nil {
			t.Fatal(err)
		}
		if got := readPipe(t, fmt.Sprintf("/dev/fd/%d", read.Fd())); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// A writer that opens a pipe with a name after its reader, and closes it, ends it, also where it writes nothing.
func TestClosedLater(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := pipelinetest.Fifo(path); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"", "a"} {
		wrote := make(chan error, 1)
		go func() { wrote <- os.WriteFile(path, []byte(want), 0) }() // opening it blocks until it is read
		if got := readPipe(t, path); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if err := <-wrote; err != nil {
			t.Error(err)
		}
	}
}
