package pipelinetest

import (
	"os"
	"testing"
)

// SocketFolder makes a folder that is removed with the test. Its path is short: that of a socket has about 100 bytes, of which
// the folders of a test, or TMPDIR alone, may take more.
func SocketFolder(t testing.TB) string {
	t.Helper()
	const most = 40
	parent := os.TempDir()
	if len(parent) > most {
		parent = "/tmp"
	}
	folder, err := os.MkdirTemp(parent, "sockets-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder
}
