//go:build unix

package atomic

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// A name is given once, in one step or, where the file system cannot, by a link.
func TestNewName(t *testing.T) {
	t.Parallel()
	for name, rename := range map[string]func(dir *os.File, from, to string) error{"rename": renameNew, "link": linkNew} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			must(t, os.WriteFile(filepath.Join(dir, "first"), []byte("first"), 0o666))
			must(t, os.WriteFile(filepath.Join(dir, "second"), []byte("second"), 0o666))
			d, err := os.Open(dir)
			must(t, err)
			defer d.Close()
			must(t, rename(d, "first", "name"))
			if err := rename(d, "second", "name"); !errors.Is(err, fs.ErrExist) {
				t.Errorf("error %v", err)
			}
			content, err := os.ReadFile(filepath.Join(dir, "name"))
			must(t, err)
			if string(content) != "first" {
				t.Errorf("the file has become %q", content)
			}
			if _, err := os.Stat(filepath.Join(dir, "first")); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the old name: %v", err)
			}
			if _, err := os.Stat(filepath.Join(dir, "second")); err != nil {
				t.Errorf("what was not renamed: %v", err)
			}
		})
	}
}

// PublishNew never replaces a file, and leaves what it did not publish to be discarded.
func TestPublishNew(t *testing.T) {
	t.Parallel()
	folder, err := OpenFolder(t.TempDir(), Options{Tag: "shard1of2"})
	must(t, err)
	defer folder.Close()
	for i, want := range []bool{false, true} {
		f, err := folder.Stage("d/a")
		must(t, err)
		_, err = f.Write([]byte{byte('0' + i)})
		must(t, err)
		must(t, f.Seal())
		exists, err := f.PublishNew()
		must(t, err)
		if exists != want {
			t.Errorf("%d: exists %v", i, exists)
		}
		must(t, f.Discard())
	}
	content, err := os.ReadFile(folder.Path("d/a"))
	must(t, err)
	entries, err := os.ReadDir(folder.Path("d"))
	must(t, err)
	if string(content) != "0" || len(entries) != 1 {
		t.Errorf("content %q, %d files", content, len(entries))
	}
}

func TestTags(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		".graphscore-7.tmp": "", ".graphscore-backfill-7.tmp": "backfill", ".graphscore-shard3of12-7.tmp": "shard3of12",
	} {
		if tag, ok := tempTag("d/" + name); !ok || tag != want {
			t.Errorf("%s: %q, %v", name, tag, ok)
		}
	}
	for _, name := range []string{".graphscore-3-7.tmp", ".graphscore--7.tmp", ".graphscore-Shard-7.tmp", ".graphscore-shard3of12-.tmp"} {
		if IsTemp(name) {
			t.Errorf("%s is taken for a temporary file", name)
		}
	}
}
