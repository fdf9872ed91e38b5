package local

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// An interpreter that exists and that the user cannot reach is named with what is in the way. Another one, such as
// python3, is not taken instead.
func TestFindPythonDenied(t *testing.T) {
	root := t.TempDir()
	venv, home := filepath.Join(root, "python", ".venv", "bin"), filepath.Join(root, "home")
	for _, dir := range []string{venv, home, filepath.Join(root, "path"), filepath.Join(root, "bin")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	interpreter := filepath.Join(home, "python3.12")
	for _, path := range []string{interpreter, filepath.Join(root, "path", "python3"), filepath.Join(root, "bin", "graphscore")} {
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	python, gone := filepath.Join(venv, "python"), filepath.Join(venv, "gone")
	for link, target := range map[string]string{python: interpreter, gone: filepath.Join(root, "nowhere")} {
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", filepath.Join(root, "path"))
	for dir := root; dir != filepath.Dir(dir) && dir != filepath.Clean(os.TempDir()); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	find := func(explicit string) string {
		found, err := FindPython(explicit, func(string) string { return "" }, filepath.Join(root, "bin", "graphscore"))
		if !is[*PythonError](err) {
			t.Fatalf("FindPython(%q) = %q, %v", explicit, found, err)
		}
		return err.Error()
	}
	contains := func(text string, parts ...string) {
		for _, part := range parts {
			if !strings.Contains(text, part) {
				t.Errorf("%s\nlacks %s", text, part)
			}
		}
	}

	contains(find(gone), gone, "is a link to", "/nowhere", "make build")
	asUser(t, home, interpreter)
	if err := os.Chmod(home, 0); err != nil {
		t.Fatal(err)
	}
	for _, explicit := range []string{"", python} {
		text := find(explicit)
		contains(text, python, "cannot be reached by user ", `permission denied at "`+interpreter, "let this user pass", "--python")
		if strings.Contains(text, "make build") {
			t.Errorf("advice that does not help: %s", text)
		}
	}
	if err := os.Chmod(home, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(interpreter, 0o600); err != nil {
		t.Fatal(err)
	}
	contains(find(""), "cannot be executed by user ", ": permission denied", "let this user execute it")
}

// asUser lets the thread of the test look at files as a user other than root, who passes everywhere.
func asUser(t *testing.T, own ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	const nobody = 65534
	for _, path := range own {
		if err := os.Chown(path, nobody, -1); err != nil {
			t.Fatal(err)
		}
	}
	runtime.LockOSThread()
	if err := syscall.Setfsuid(nobody); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Setfsuid(0); err != nil {
			t.Error(err) // and the thread stays locked
			return
		}
		runtime.UnlockOSThread()
	})
}
