package writers

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"graphscore/writers/atomic"
	"graphscore/writers/record"
)

func TestCheckFree(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "out")
	must(t, NewView(dir).CheckFree())
	o := open(t, testConfig(dir))
	before := stats(t, dir)
	var held *LockedError
	if err := NewView(dir).CheckFree(); !errors.As(err, &held) || held.PID != os.Getpid() {
		t.Errorf("held: %v", err)
	}
	if d := cmp.Diff(before, stats(t, dir)); d != "" {
		t.Error(d)
	}
	must(t, o.Close())
	must(t, NewView(dir).CheckFree())
	must(t, open(t, testConfig(dir)).Close()) // the look itself holds nothing
	must(t, os.Remove(filepath.Join(dir, lockName)))
	must(t, NewView(dir).CheckFree())
	if _, err := os.Lstat(filepath.Join(dir, lockName)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the lock was created: %v", err)
	}
}

func TestInventory(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t.TempDir())
	o := open(t, cfg)
	must(t, makeShard("x/a", 40, cfg, false).commit(t.Context(), o, false))
	must(t, o.WriteRecord(&record.Run{RunID: cfg.RunID}))
	for _, name := range []string{".graphscore-3.tmp", "x/note.txt", "_quarantine/b.parquet.jsonl", "_runs/other", "c.parquet", "_SUCCESS", ".d.parquet"} {
		must(t, os.WriteFile(filepath.Join(cfg.Dir, name), nil, 0o666))
	}
	got, err := NewView(cfg.Dir).List(t.Context())
	must(t, err)
	want := &Inventory{
		Parts: []string{"c.parquet", "x/a.parquet"}, Quarantines: []string{"b.parquet", "x/a.parquet"}, Temporary: []string{".graphscore-3.tmp"},
		Foreign: []string{".d.parquet", "_runs/other", "x/note.txt"}, Records: 1, Success: true, Lock: true,
	}
	if diff := differ(want, got); diff != "" {
		t.Error(diff)
	}
	var io *atomic.IOError
	if _, err := NewView(cfg.Dir + "/none").List(t.Context()); !errors.As(err, &io) {
		t.Error(err)
	}
}

func TestHolder(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t.TempDir())
	o := open(t, cfg)
	if h, err := o.View().Holder(); err != nil || h == nil || h.RunID != cfg.RunID || h.PID != os.Getpid() {
		t.Errorf("holder %+v, %v", h, err)
	}
}

func TestHolderOfNothing(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"", "{}", "null", strings.Repeat(" ", 70<<10) + "{}"} {
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, lockName), []byte(content), 0o666))
		if h, err := NewView(dir).Holder(); h != nil || err != nil {
			t.Errorf("%.20q: %+v, %v", content, h, err)
		}
	}
}
