package writers

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestReadRecord(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t.TempDir())
	cfg.disk = quick
	o := open(t, cfg)
	want := &RunRecord{
		RunID: "20261122T142500Z-00000001", Name: "n", Counts: Counts{Scored: 4}, Shards: []ShardRecord{{Part: "a.parquet"}},
		Throughput: []Sample{{1.5, 4}}, QuarantinedByCode: map[string]int64{"refused": 2},
	}
	must(t, o.WriteRecord(want))
	paths, err := Records(cfg.Dir)
	must(t, err)
	if len(paths) != 1 {
		t.Fatal(paths)
	}
	got, err := ReadRecord(paths[0])
	must(t, err)
	if d := cmp.Diff([]any{want.RunID, want.Name, want.Counts, want.Shards, want.Throughput, want.QuarantinedByCode},
		[]any{got.RunID, got.Name, got.Counts, got.Shards, got.Throughput, got.QuarantinedByCode}); d != "" {
		t.Error(d)
	}
	if dir, ok := RecordOutput(paths[0]); !ok || dir != cfg.Dir {
		t.Error(dir, ok)
	}
	if h := LastHolder(cfg.Dir); h == nil || h.RunID != cfg.RunID || h.PID != os.Getpid() {
		t.Errorf("holder %+v", h)
	}
}

func TestReadRecordRefuses(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "20261122T142500Z-00000001.json")
	for content, ok := range map[string]bool{
		"": false, "{": false, "[]": false, "{}": false, `{"run_id": 4, "counts": {}, "shards": []}`: false,
		`{"run_id": "r", "counts": {}}`:                                   false,
		`{"run_id": "r", "counts": {}, "shards": [], "of_next_year": {}}`: true,
	} {
		must(t, os.WriteFile(file, []byte(content), 0o666))
		_, err := ReadRecord(file)
		var bad *RecordError
		if ok != (err == nil) || !ok && !errors.As(err, &bad) {
			t.Errorf("%q: %v", content, err)
		}
	}
	must(t, os.Truncate(file, recordLimit+1))
	pipe := filepath.Join(t.TempDir(), "pipe")
	must(t, syscall.Mkfifo(pipe, 0o666))
	var bad *RecordError
	for _, path := range []string{file, pipe, t.TempDir()} {
		if _, err := ReadRecord(path); !errors.As(err, &bad) {
			t.Errorf("%s: %v", path, err)
		}
	}
	var gone *IOError
	if _, err := ReadRecord(pipe + "x"); !errors.As(err, &gone) {
		t.Error(err)
	}
}

func TestRecordsNewestFirst(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if paths, err := Records(dir); err != nil || len(paths) != 0 {
		t.Errorf("%v, %v", paths, err)
	}
	runs := filepath.Join(dir, runsDir)
	must(t, os.Mkdir(runs, 0o777))
	newest := []string{"20261123T000000Z-00000000", "20261122T142500Z-00000001", "20261122T142500Z-ffffffff", "20261121T000000Z-eeeeeeee"}
	for i, id := range newest {
		file := filepath.Join(runs, id+".json")
		must(t, os.WriteFile(file, nil, 0o666))
		must(t, os.Chtimes(file, time.Time{}, time.Unix(int64(1000-i), 0)))
	}
	must(t, os.WriteFile(filepath.Join(runs, "notes.json"), nil, 0o666))
	must(t, os.Mkdir(filepath.Join(runs, "20261124T000000Z-00000000.json"), 0o777))
	paths, err := Records(dir)
	must(t, err)
	var got []string
	for _, p := range paths {
		got = append(got, strings.TrimSuffix(filepath.Base(p), ".json"))
	}
	if d := cmp.Diff(newest, got); d != "" {
		t.Error(d)
	}
}

func TestLastHolderOfNothing(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"", "{}", "null", strings.Repeat(" ", 70<<10) + "{}"} {
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, lockName), []byte(content), 0o666))
		if h := LastHolder(dir); h != nil {
			t.Errorf("%.20q: %+v", content, h)
		}
	}
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
	if !isTemp(".graphscore-1764000000000000000.tmp") {
		t.Error("what a killed report leaves is not known as temporary")
	}
}
