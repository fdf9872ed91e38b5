package pipelinetest

import (
	"os"
	"testing"
)

// ShortTempDir is the folder for temporary files, and /tmp where TMPDIR has a path of more than so many bytes.
func ShortTempDir(most int) string {
	if dir := os.TempDir(); len(dir) <= most {
		return dir
	}
	return "/tmp"
}

// SocketFolder makes a folder that is removed with the test. Its path is short: that of a socket has about 100 bytes, of which
// the folders of a test, or TMPDIR alone, may take more.
func SocketFolder(t testing.TB) string {
	t.Helper()
	folder, err := os.MkdirTemp(ShortTempDir(40), "sockets-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder
}
