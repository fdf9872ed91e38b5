package atomic

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestNear: near looks see what the looks below see, whatever folder the name before was in.
func TestNear(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"top", "a/1", "a/2", "a/b/3"} {
		file := filepath.Join(dir, "out", filepath.FromSlash(name))
		must(t, os.MkdirAll(filepath.Dir(file), 0o777))
		must(t, os.WriteFile(file, []byte(name), 0o666))
	}
	must(t, os.WriteFile(filepath.Join(dir, "beyond"), nil, 0o666))
	must(t, os.Symlink("../beyond", filepath.Join(dir, "out", "leads-out")))
	must(t, os.Symlink("..", filepath.Join(dir, "out", "folder-out")))
	root, err := os.OpenRoot(filepath.Join(dir, "out"))
	must(t, err)
	defer root.Close()
	below := Below(root)
	for _, absence := range []bool{false, true} {
		n := NewNear(below, absence)
		for _, name := range []string{
			"top", "a/1", "a/2", "a/b/3", "a/1", "a/none", "none/1", "none/2", "a/1/2", "leads-out", "folder-out/beyond", "a", "a/b", "top",
		} {
			info, err := n.Lstat(name)
			want, wanted := below.Lstat(name)
			if (err == nil) != (wanted == nil) || errors.Is(err, fs.ErrNotExist) != errors.Is(wanted, fs.ErrNotExist) || err == nil && !os.SameFile(info, want) {
				t.Errorf("%s is %v, %v, not %v, %v", name, info, err, want, wanted)
			}
			f, err := n.Open(name)
			other, wanted := below.Open(name)
			if (err == nil) != (wanted == nil) || (f == nil) != (other == nil) {
				t.Errorf("opening %s: %v, not %v", name, err, wanted)
			}
			if err != nil {
				continue
			}
			got, err := io.ReadAll(f)
			if err == nil && string(got) != name {
				t.Errorf("%s holds %s", name, got)
			}
			must(t, errors.Join(f.Close(), other.Close()))
		}
		n.Close()
		n.Close()
	}
}

// TestNearAbsence: only near looks that remember absence take a folder for absent that was made since, and not for long.
func TestNearAbsence(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	must(t, err)
	defer root.Close()
	exact, absent := NewNear(Below(root), false), NewNear(Below(root), true)
	defer exact.Close()
	defer absent.Close()
	seen := func(n *Near) bool {
		_, err := n.Stat("a/1")
		return err == nil
	}
	if seen(exact) || seen(absent) {
		t.Fatal("a file exists that was not made")
	}
	must(t, os.Mkdir(filepath.Join(dir, "a"), 0o777))
	must(t, os.WriteFile(filepath.Join(dir, "a", "1"), nil, 0o666))
	if !seen(exact) || seen(absent) {
		t.Error("a folder that was made is remembered as absent, or is not")
	}
	if _, err := absent.Stat("b/1"); err == nil || !seen(absent) {
		t.Error("absence is remembered beyond a name of another folder")
	}
}
