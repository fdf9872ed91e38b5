//go:build faults

package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"graphscore/cmd/internal/faults/inject"
)

// Where things are, as seen from this folder.
const (
	root    = "../../.."
	program = root + "/bin/graphscore"
	summary = root + "/.cache/faults.txt"
)

func TestMain(m *testing.M) {
	syscall.Umask(0o022) // other users read what these tests write
	if err := ready(); err != nil {
		fmt.Fprintf(os.Stderr, "the tests of faults cannot be run: %v\n", err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// ready says what is missing. Nothing is skipped.
func ready() error {
	if _, err := os.Stat(program); err != nil {
		return fmt.Errorf("bin/graphscore is not built (%w): run `make test-faults`", err)
	}
	o, err := graphscore(context.Background(), os.TempDir(), never, "version")
	if err != nil {
		return err
	}
	if o.Code != 0 {
		return fmt.Errorf("graphscore version ended with %d under ptrace: %s", o.Code, o.stderr)
	}
	return nil
}

// outcome is how a command ended and what it said.
type outcome struct {
	inject.Ended
	stdout, stderr string
}

// never lets every call be made.
func never(inject.Call) inject.Fault { return inject.Fault{} }

// longest is how long a command may take: one that hangs is killed, and fails the test.
const longest = 10 * time.Minute

// graphscore runs a command. on is asked about every call on the folder.
func graphscore(ctx context.Context, folder string, on func(inject.Call) inject.Fault, args ...string) (o outcome, err error) {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	path, err := filepath.Abs(program)
	if err != nil {
		return o, err
	}
	var said [2]*os.File
	for i := range said {
		if said[i], err = os.CreateTemp("", "faults"); err != nil {
			return o, err
		}
		defer said[i].Close()
		if err := os.Remove(said[i].Name()); err != nil {
			return o, err
		}
	}
	o.Ended, err = inject.Run(ctx, inject.Program{
		Path: path, Args: args, Dir: "/", Env: append(os.Environ(), "GOGC=off"), Stdout: said[0], Stderr: said[1],
	}, folder, on)
	if err != nil {
		return o, err
	}
	for i, to := range []*string{&o.stdout, &o.stderr} {
		var content bytes.Buffer
		if _, err := content.ReadFrom(io.NewSectionReader(said[i], 0, 1<<30)); err != nil {
			return o, err
		}
		*to = content.String()
	}
	return o, nil
}

// sentence is the error that a command prints with --log-format json, empty where it prints none.
func (o outcome) sentence() string {
	for line := range strings.Lines(o.stderr) {
		var entry struct {
			Msg  string
			Code int
		}
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Code != 0 {
			return entry.Msg
		}
	}
	return ""
}
