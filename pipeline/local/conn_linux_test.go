package local

import (
	"errors"
	"net"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"graphscore/pipeline/pipelinetest"
)

// TestServes: a process that ended after it was connected to is not taken for one of another process group.
func TestServes(t *testing.T) {
	t.Parallel()
	path := filepath.Join(pipelinetest.SocketFolder(t), "s")
	cmd := exec.CommandContext(t.Context(), "python3", "-c", //nolint:gosec // the path is the test's
		"import socket, sys, time; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); time.sleep(600)", path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("unix", path)
	for end := time.Now().Add(2 * time.Minute); err != nil && time.Now().Before(end); conn, err = net.Dial("unix", path) {
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	group := cmd.Process.Pid
	if in, err := serves(conn, group); !in || err != nil {
		t.Errorf("its own group: %t, %v", in, err)
	}
	if in, err := serves(conn, syscall.Getpgrp()); in || err != nil {
		t.Errorf("another group: %t, %v", in, err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if in, err := serves(conn, group); in || !errors.Is(err, errEnded) {
		t.Errorf("after its end: %t, %v", in, err)
	}
}
