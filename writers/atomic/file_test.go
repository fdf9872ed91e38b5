package atomic

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// umask reads the mask from /proc: setting it to read it would disturb other tests.
func umask() int {
	status, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(status), "Umask:")
	var m int
	fmt.Sscanf(rest, "%o", &m)
	return m
}

func TestWriteFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "_report.html")
	for _, content := range []string{"one", "two"} {
		must(t, WriteFile(file, []byte(content)))
		got, err := os.ReadFile(file)
		must(t, err)
		if string(got) != content {
			t.Errorf("%q", got)
		}
	}
	info, err := os.Stat(file)
	must(t, err)
	if info.Mode().Perm() != os.FileMode(0o666&^umask()) {
		t.Error(info.Mode())
	}
	var bad *CreateError
	for _, path := range []string{filepath.Join(dir, "none", "r"), dir} {
		if err := WriteFile(path, nil); !errors.As(err, &bad) {
			t.Errorf("%s: %v", path, err)
		}
	}
	entries, err := os.ReadDir(dir)
	must(t, err)
	if len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
	must(t, WriteFile(filepath.Join(dir, "x"), nil))
	if !IsTemp(".graphscore-1764000000000000000.tmp") {
		t.Error("what a killed report leaves is not known as temporary")
	}
}

func TestIsTemp(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		".graphscore-1.tmp": true, "d/.graphscore-23.tmp": true, ".graphscore-backfill-7.tmp": true,
		"mine.tmp": false, ".graphscore-x.tmp": false, ".graphscore-.tmp": false, ".graphscore--1.tmp": false,
		".graphscore-a-.tmp": false, ".graphscore-A-1.tmp": false, ".graphscore-1.tmp.parquet": false,
	} {
		if got := IsTemp(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	for _, tag := range []string{"", "backfill"} {
		if got, ok := tempTag("d/" + tempName(tag, 1<<52)); !ok || got != tag {
			t.Errorf("tag %q, %v", got, ok)
		}
	}
}

// A holder removes the temporary files of its tag, and without a tag all.
func TestRemoveTemps(t *testing.T) {
	t.Parallel()
	for tag, left := range map[string]int{"backfill": 2, "": 1} {
		dir := t.TempDir()
		for _, name := range []string{".graphscore-1.tmp", ".graphscore-backfill-2.tmp", "mine.tmp"} {
			must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o666))
		}
		f, err := OpenFolder(dir, Options{Tag: tag})
		must(t, err)
		must(t, f.RemoveTemps(func(string) bool { return true }))
		must(t, f.Close())
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != left {
			t.Errorf("tag %q: %v (%v)", tag, entries, err)
		}
	}
}
