package local

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"graphscore/pipeline/display"
)

// A worker that met a limit of the machine blames that, and any other one its interpreter.
func TestNotStarted(t *testing.T) {
	t.Parallel()
	for errno, limit := range map[syscall.Errno]string{
		syscall.EAGAIN: "allow more processes",
		syscall.EMFILE: "allow more open files",
		syscall.ENOMEM: "free some memory",
		syscall.ENOENT: "",
	} {
		err := notStarted("python", &os.PathError{Op: "fork/exec", Path: "python", Err: errno})
		var start *StartError
		if is := errors.As(err, &start); is != (limit != "") || !strings.Contains(err.Error(), limit) {
			t.Errorf("%v: %v", errno, err)
		}
	}
	if got := display.Raise(syscall.EAGAIN); got != "" { // of a read or a write
		t.Errorf("EAGAIN of any call: %q", got)
	}
}
