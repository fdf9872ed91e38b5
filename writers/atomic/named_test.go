package atomic

import (
	"os"
	"path/filepath"
	"testing"
)

// TestNamed: a folder is named until it is moved, also where a disk gives it another number at each look, and nothing is left
// of how that was found out.
func TestNamed(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "out")
	f, err := OpenFolder(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, moved := range []bool{false, true} {
		if moved {
			if err := os.Rename(dir, dir+".moved"); err != nil {
				t.Fatal(err)
			}
		}
		for name, look := range map[string]func() (bool, error){"Named": f.Named, "shows": f.shows} {
			if named, err := look(); named == moved || err != nil {
				t.Errorf("moved %t: %s returns %t, %v", moved, name, named, err)
			}
		}
	}
	if left, err := os.ReadDir(dir + ".moved"); len(left) > 0 || err != nil {
		t.Errorf("%v are left, %v", left, err)
	}
}
