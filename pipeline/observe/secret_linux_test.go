package observe

import (
	"fmt"
	"os"
	"testing"
)

// TestSecretsOfEmptyPipes: a pipe that its writer has closed without a byte, as that of <(true), is an empty file, at once.
func TestSecretsOfEmptyPipes(t *testing.T) {
	t.Parallel()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	if err := write.Close(); err != nil {
		t.Fatal(err)
	}
	path := fmt.Sprintf("/dev/fd/%d", read.Fd())
	getenv := func(name string) string { return map[string]string{"GRAPHSCORE_PING_URL_FILE": path}[name] }
	want := "GRAPHSCORE_PING_URL_FILE names " + path + ", which is empty"
	if got, err := pingURL(getenv, forEver); got != "" || err == nil || err.Error() != want {
		t.Errorf("%q, %v", got, err)
	}
}
