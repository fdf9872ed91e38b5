package jobs

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"graphscore/pipeline/fifo"
	"graphscore/pipeline/pipelinetest"
)

// forEver is longer than any test takes.
const forEver = time.Hour

// A pipe that says nothing blocks nobody, and the error says whether somebody could write to it.
func TestSilentPipes(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "job.yaml")
	if err := pipelinetest.Fifo(path); err != nil {
		t.Fatal(err)
	}
	if _, err := readFile(path, 100, 200*time.Millisecond); !errors.Is(err, fifo.ErrUnwritten) { // each read has it, too
		t.Errorf("without a writer: %v", err)
	}
	writer, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	if _, err := readFile(path, 100, time.Millisecond); err == nil || err.Error() != "it is a pipe that said nothing for 0.001 s" {
		t.Errorf("with a silent writer: %v", err)
	}
}

// A pipe whose writer opens it after its reader is read.
func TestLateWriter(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "token")
	if err := pipelinetest.Fifo(path); err != nil {
		t.Fatal(err)
	}
	wrote := make(chan error, 1)
	go func() { wrote <- os.WriteFile(path, []byte("late"), 0) }() // opening it blocks until it is read
	got, err := readFile(path, 100, forEver)
	if err != nil || string(got) != "late" {
		t.Errorf("got %q, %v", got, err)
	}
	if err := <-wrote; err != nil {
		t.Error(err)
	}
}
