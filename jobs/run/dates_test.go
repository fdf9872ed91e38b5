package run

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestForeign: above the dates, a run creates nothing in the root folder, nor beside file systems that are mounted there.
func TestForeign(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	used := filepath.Join(dir, "used")
	for _, path := range []string{filepath.Join(used, "_runs"), filepath.Join(dir, "dt=1"), filepath.Join(dir, "real")} {
		if err := os.MkdirAll(path, 0o750); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/dev/shm", filepath.Join(dir, "dt=2")); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ above, output, want string }{
		"beside its dates":         {dir, filepath.Join(dir, "dt=1"), ""},
		"a date to be created":     {dir, filepath.Join(dir, "dt=3", "scores"), ""},
		"all to be created":        {filepath.Join(dir, "no"), filepath.Join(dir, "no", "dt=3"), ""},
		"a link to another disk":   {dir, filepath.Join(dir, "dt=2"), ""},
		"the root folder":          {"/", "/2026-01-01/scores", "the folder above the dates is /: create the folder /_runs to have a lock there"},
		"a disk for each date":     {"/dev", "/dev/shm", "/dev/shm is a file system of its own: create the folder /dev/_runs"},
		"a folder on such a disk":  {"/dev/", "/dev/shm/no/scores", "/dev/shm is a file system of its own: create the folder /dev/_runs"},
		"a folder that was a date": {used, filepath.Join(used, "dt=1"), ""},
	} {
		err := foreign(c.above, c.output)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, expected %q", name, err, c.want)
		}
	}
}
