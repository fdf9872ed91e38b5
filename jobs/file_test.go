package jobs

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"graphscore/pipeline/pipelinetest"
)

// forEver is longer than any test takes.
const forEver = time.Hour

// scriptedPipe says what its script says, a word a read; "" is the end of a pipe without a writer.
type scriptedPipe struct {
	script    []string
	reads     int
	deadlines int // how many were set
	stale     bool
}

func (p *scriptedPipe) SetReadDeadline(t time.Time) error {
	p.deadlines++
	p.stale = p.stale || t.Before(time.Now())
	return nil
}

func (p *scriptedPipe) Read(b []byte) (int, error) {
	p.reads++
	p.stale = p.stale || p.deadlines != p.reads
	if len(p.script) == 0 {
		return 0, io.EOF
	}
	word := p.script[0]
	p.script = p.script[1:]
	if word == "" {
		return 0, io.EOF
	}
	return copy(b, word), nil
}

// A pipe has the whole patience for each read, and a writer that comes late is waited for.
func TestPipeReader(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		script []string
		want   string
		reads  int
	}{
		{"at once", []string{"a b"}, "a b", 2},
		{"in pieces", []string{"a", " ", "b"}, "a b", 4},
		{"from a late writer", []string{"", "", "", "a", " b"}, "a b", 6},
		{"until the writer leaves", []string{"a b", "", "c"}, "a b", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := &scriptedPipe{script: c.script}
			got, err := io.ReadAll(&pipeReader{pipe: p, patience: forEver, writtenUntil: time.Now().Add(forEver)})
			if err != nil || string(got) != c.want {
				t.Errorf("got %q, %v", got, err)
			}
			if p.stale || p.reads != c.reads {
				t.Errorf("%d reads with %d deadlines, one of them over: %v", p.reads, p.deadlines, p.stale)
			}
		})
	}
}

// A pipe that says nothing blocks nobody, and the error says whether somebody could write to it.
func TestSilentPipes(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "job.yaml")
	if err := pipelinetest.Fifo(path); err != nil {
		t.Fatal(err)
	}
	if _, err := readFile(path, 100, time.Millisecond); !errors.Is(err, errUnwritten) {
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
