package fifo

import (
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// forEver is longer than any test takes.
const forEver = time.Hour

// gone is the end of a pipe whose writer has closed it.
const gone = "\x00"

// scriptedPipe returns the words of its script, one a read; "" is the end of a pipe without a writer.
type scriptedPipe struct {
	script    []string
	reads     int
	deadlines []time.Time
	stale     bool
	left      bool
}

func (p *scriptedPipe) SetReadDeadline(t time.Time) error {
	p.deadlines = append(p.deadlines, t)
	p.stale = p.stale || t.Before(time.Now())
	return nil
}

func (p *scriptedPipe) Read(b []byte) (int, error) {
	p.reads++
	p.stale = p.stale || len(p.deadlines) != p.reads
	if len(p.script) == 0 {
		return 0, io.EOF
	}
	word := p.script[0]
	p.script = p.script[1:]
	p.left = word == gone
	if word == "" || word == gone {
		return 0, io.EOF
	}
	return copy(b, word), nil
}

func (p *scriptedPipe) abandoned() bool { return p.left }

// A pipe has the whole patience for each read, a writer that comes late is waited for, and one that has left is not.
func TestReader(t *testing.T) {
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
		{"nothing from a writer that has left", []string{gone, "c"}, "", 1},
		{"nothing from a late writer that has left", []string{"", "", gone, "c"}, "", 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := &scriptedPipe{script: c.script}
			got, err := io.ReadAll(newReader(p, Patience{Limit: forEver, EachRead: true}))
			if err != nil || string(got) != c.want {
				t.Errorf("got %q, %v", got, err)
			}
			if p.stale || p.reads != c.reads {
				t.Errorf("%d reads with %d deadlines, one of them over: %v", p.reads, len(p.deadlines), p.stale)
			}
		})
	}
}

// Without EachRead all reads have one deadline.
func TestOneDeadline(t *testing.T) {
	t.Parallel()
	p := &scriptedPipe{script: []string{"", "a", "b"}}
	got, err := io.ReadAll(newReader(p, Patience{Limit: forEver}))
	if err != nil || string(got) != "ab" {
		t.Errorf("got %q, %v", got, err)
	}
	for _, d := range p.deadlines {
		if !d.Equal(p.deadlines[0]) {
			t.Errorf("deadlines %v", p.deadlines)
		}
	}
}

// A pipe without a writer is an error once the patience is over.
func TestUnwritten(t *testing.T) {
	t.Parallel()
	for _, each := range []bool{false, true} {
		if _, err := io.ReadAll(newReader(&scriptedPipe{}, Patience{EachRead: each})); !errors.Is(err, ErrUnwritten) {
			t.Errorf("EachRead %v: %v", each, err)
		}
	}
}

// A writer that writes nothing runs into the deadline of either patience.
func TestSilentWriter(t *testing.T) {
	t.Parallel()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	for _, each := range []bool{false, true} {
		_, err := io.ReadAll(NewReader(read, Patience{Limit: time.Millisecond, EachRead: each}))
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("EachRead %v: %v", each, err)
		}
	}
}
