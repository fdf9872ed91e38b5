//go:build unix

package observe

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"graphscore/pipeline/pipelinetest"
)

// forEver is longer than any test takes.
const forEver = time.Hour

// pipeOf makes a pipe that is ping_url in a folder of credentials, and returns the environments that lead to it, by what
// errors call it.
func pipeOf(t *testing.T) (string, map[string]func(string) string) {
	t.Helper()
	folder := t.TempDir()
	pipe := filepath.Join(folder, "ping_url")
	if err := pipelinetest.Fifo(pipe); err != nil {
		t.Fatal(err)
	}
	named := func(variable, value string) func(string) string {
		return func(name string) string { return map[string]string{variable: value}[name] }
	}
	return pipe, map[string]func(string) string{
		"GRAPHSCORE_PING_URL_FILE names " + pipe + ", which": named("GRAPHSCORE_PING_URL_FILE", pipe),
		"the credential " + pipe:                             named("CREDENTIALS_DIRECTORY", folder),
	}
}

// pingURL is PingURL with another patience.
func pingURL(getenv func(string) string, patience time.Duration) (string, error) {
	return secret(getenv, "GRAPHSCORE_PING_URL", "ping_url", patience)
}

// TestSecretsOfSilentPipes: a pipe that nobody writes to, or whose writer does not close it, does not block, and is said.
func TestSecretsOfSilentPipes(t *testing.T) {
	t.Parallel()
	pipe, environments := pipeOf(t)
	check := func(state string) {
		t.Helper()
		for called, getenv := range environments {
			want := called + " is a pipe that is empty, or that was not written and closed within 0.001 s: what makes the secret must do so"
			if got, err := pingURL(getenv, time.Millisecond); got != "" || err == nil || err.Error() != want {
				t.Errorf("%s: %q, %v", state, got, err)
			}
		}
	}
	check("without a writer")
	writer, err := os.OpenFile(pipe, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	check("with a silent writer")
	if _, err := writer.WriteString("http://ping"); err != nil {
		t.Fatal(err)
	}
	check("with a writer that does not close it")
}

// TestSecretsOfLatePipes: the writer of a pipe may open it after its reader.
func TestSecretsOfLatePipes(t *testing.T) {
	t.Parallel()
	pipe, environments := pipeOf(t)
	for called, getenv := range environments {
		wrote := make(chan error, 1)
		go func() { wrote <- os.WriteFile(pipe, []byte("http://ping\n"), 0) }() // opening it blocks until it is read
		if got, err := pingURL(getenv, forEver); got != "http://ping" || err != nil {
			t.Errorf("%s: %q, %v", called, got, err)
		}
		if err := <-wrote; err != nil {
			t.Error(err)
		}
	}
}

// TestSecretsOfWrittenPipes: what a process has written to a pipe is a secret.
func TestSecretsOfWrittenPipes(t *testing.T) {
	t.Parallel()
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
	path := fmt.Sprintf("/dev/fd/%d", read.Fd())
	getenv := func(name string) string { return map[string]string{"GRAPHSCORE_PING_URL_FILE": path}[name] }
	if got, err := PingURL(getenv); got != "http://ping" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
