//go:build unix

package submit

import (
	"path/filepath"
	"syscall"
	"testing"
)

// TestLogIsAPipe: a log that became a pipe that nobody writes to has no last line, and does not block.
func TestLogIsAPipe(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := lastLineOf(path); got != "" {
		t.Errorf("%q", got)
	}
}
