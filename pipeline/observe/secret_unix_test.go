//go:build unix

package observe

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestSecretsOfPipes: a pipe that nobody writes to does not block, and what a process has written to one is a secret.
func TestSecretsOfPipes(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	named := func(path string) func(string) string {
		return func(name string) string { return map[string]string{"GRAPHSCORE_PING_URL_FILE": path}[name] }
	}
	if _, err := PingURL(named(pipe)); err == nil || !strings.HasSuffix(err.Error(), "which is empty") {
		t.Error(err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	if _, err := write.WriteString("http://ping\n"); err != nil {
		t.Fatal(err)
	}
	if err := write.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := PingURL(named(fmt.Sprintf("/dev/fd/%d", read.Fd()))); got != "http://ping" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
