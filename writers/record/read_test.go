package record

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"graphscore/pipeline/pipelinetest"
	"graphscore/writers/atomic"
)

func TestReadRecord(t *testing.T) {
	t.Parallel()
	o := open(t, t.TempDir())
	want := &Run{
		RunID: "20261122T142500Z-00000001", Name: "n", Counts: Counts{Scored: 4}, Shards: []Shard{{Part: "a.parquet"}},
		Throughput: []Sample{{1.5, 4}}, QuarantinedByCode: map[string]int64{"refused": 2},
	}
	must(t, Write(o, want))
	paths, err := List(o.Path("."))
	must(t, err)
	if len(paths) != 1 {
		t.Fatal(paths)
	}
	got, err := Read(paths[0])
	must(t, err)
	if d := cmp.Diff([]any{want.RunID, want.Name, want.Counts, want.Shards, want.Throughput, want.QuarantinedByCode},
		[]any{got.RunID, got.Name, got.Counts, got.Shards, got.Throughput, got.QuarantinedByCode}); d != "" {
		t.Error(d)
	}
	if dir, ok := OutputOf(paths[0]); !ok || dir != o.Path(".") {
		t.Error(dir, ok)
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
		_, err := Read(file)
		var bad *Error
		if ok != (err == nil) || !ok && !errors.As(err, &bad) {
			t.Errorf("%q: %v", content, err)
		}
	}
	must(t, os.Truncate(file, sizeLimit+1))
	pipe := filepath.Join(t.TempDir(), "pipe")
	must(t, pipelinetest.Fifo(pipe))
	var bad *Error
	for _, path := range []string{file, pipe, t.TempDir()} {
		if _, err := Read(path); !errors.As(err, &bad) {
			t.Errorf("%s: %v", path, err)
		}
	}
	var gone *atomic.IOError
	if _, err := Read(pipe + "x"); !errors.As(err, &gone) {
		t.Error(err)
	}
}

func TestRecordsNewestFirst(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if paths, err := List(dir); err != nil || len(paths) != 0 {
		t.Errorf("%v, %v", paths, err)
	}
	runs := filepath.Join(dir, Dir)
	must(t, os.Mkdir(runs, 0o777))
	newest := []string{"20261123T000000Z-00000000", "20261122T142500Z-00000001", "20261122T142500Z-ffffffff", "20261121T000000Z-eeeeeeee"}
	for i, id := range newest {
		file := filepath.Join(runs, id+".json")
		must(t, os.WriteFile(file, nil, 0o666))
		must(t, os.Chtimes(file, time.Time{}, time.Unix(int64(1000-i), 0)))
	}
	must(t, os.WriteFile(filepath.Join(runs, "notes.json"), nil, 0o666))
	must(t, os.Mkdir(filepath.Join(runs, "20261124T000000Z-00000000.json"), 0o777))
	paths, err := List(dir)
	must(t, err)
	var got []string
	for _, p := range paths {
		got = append(got, strings.TrimSuffix(filepath.Base(p), ".json"))
	}
	if d := cmp.Diff(newest, got); d != "" {
		t.Error(d)
	}
}

// TestReadTaskShards: shards are passed over, and are a list in every record.
func TestReadTaskShards(t *testing.T) {
	t.Parallel()
	dir, task := t.TempDir(), Task{Index: 1, Count: 3}
	path := filepath.Join(dir, filepath.FromSlash(TaskDir), task.Name()+TaskSuffix)
	must(t, os.MkdirAll(filepath.Dir(path), 0o777))
	for shards, ok := range map[string]bool{
		"[]": true, `[{"part": "a"}]`: true, "null": true, "4": false, `"[]"`: false, "{}": false, "true": false,
	} {
		must(t, os.WriteFile(path, []byte(`{"run_id": "r", "shard": {"index": 1, "count": 3}, "shards": `+shards+`}`), 0o666))
		rec, err := ReadTask(dir, task)
		var bad *Error
		if ok && (err != nil || rec.RunID != "r") || !ok && !errors.As(err, &bad) {
			t.Errorf("shards %s: %v", shards, err)
		}
	}
}
