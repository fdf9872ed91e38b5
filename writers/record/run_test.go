package record

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"graphscore/pipeline/display"
)

func TestRecordHasEveryKey(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	must(t, (&Run{Shards: []Shard{{}}, Refused: []RefusedFile{{}}, Gates: []Gate{{}}, Error: "a < b"}).Encode(&b))
	if strings.Contains(b.String(), "null") || !strings.Contains(b.String(), `"a < b"`) {
		t.Errorf("record %s", b.String())
	}
	var got map[string]any
	must(t, json.Unmarshal(b.Bytes(), &got))
	want := []string{
		"addresses", "array", "arrow_version", "columns_read", "counts", "error", "exit_code", "finished", "gates", "go_version", "grpc_version", "host",
		"inputs", "left_out", "limits", "machine", "model", "name", "orphaned", "output", "peak_memory", "pid", "previous", "protocol", "pruned", "quarantined_by_code", "refused", "run_id",
		"seconds", "settings", "settings_digest", "shards", "stages", "started", "startup_seconds", "throughput", "version", "workers",
	}
	if d := cmp.Diff(want, keys(got)); d != "" {
		t.Error(d)
	}
	gate := keys(got["gates"].([]any)[0].(map[string]any))
	if d := cmp.Diff([]string{"limit", "message", "name", "output", "passed", "value"}, gate); d != "" {
		t.Error(d)
	}
	counts := []string{"edges", "files", "files_refused", "nodes", "orphaned", "quarantined", "requests", "retries",
		"rows_in", "rows_planned", "scored", "shards", "shards_skipped", "skipped"}
	if d := cmp.Diff(counts, keys(got["counts"].(map[string]any))); d != "" {
		t.Error(d)
	}
	stages := []string{"cut_seconds", "elapsed_seconds", "model_seconds", "pack_seconds", "read_seconds", "read_wait_seconds",
		"transport_seconds", "write_seconds", "write_wait_seconds"}
	if d := cmp.Diff(stages, keys(got["stages"].(map[string]any))); d != "" {
		t.Error(d)
	}
}

// A record is written shard by shard, with the bytes that it would have as a whole.
func TestRecordByShards(t *testing.T) {
	t.Parallel()
	odd := Shard{Part: "a<b>&\"\n  \"shards\": []\u2028.parquet", Seconds: 1e-7, Reason: "é"}
	for _, shards := range [][]Shard{nil, {}, {odd}, {{}, odd, {}}} {
		run := Run{RunID: "\n  \"shards\": []", Shards: shards, Counts: Counts{Shards: 3}}
		task := TaskRun{Run: run, Task: Task{1, 2}, Attempts: []Attempt{{Made: []Made{{}}}}}
		full := task
		full.Run, full.Withdrawn = run.Complete(), []Withdrawn{}
		for _, rec := range []struct {
			encode func(io.Writer) error
			whole  any
		}{{run.Encode, run.Complete()}, {task.Encode, full}} {
			var got, want bytes.Buffer
			must(t, rec.encode(&got))
			must(t, display.JSON(&want, rec.whole))
			if d := cmp.Diff(want.String(), got.String()); d != "" {
				t.Error(d)
			}
		}
	}
}

func TestRecordsKept(t *testing.T) {
	t.Parallel()
	o := open(t, t.TempDir())
	dir := o.Path(Dir)
	must(t, os.Mkdir(dir, 0o777))
	others := []string{"notes.json", "20261122T142500Z-nothexno.json", "99999999T999999Z-00000000.json"}
	for _, name := range others {
		must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o666))
	}
	var want []string
	for i := range 103 {
		id := fmt.Sprintf("202611%02dT%02d0000Z-0000000%d", i/20+1, i%20, i%10)
		must(t, Write(o, &Run{RunID: id}))
		want = append(want, id+".json")
	}
	entries, err := os.ReadDir(dir)
	must(t, err)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	want = append(want[3:], others...)
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, id := range []string{"", "../x", ".x", "a/b"} {
		if err := Write(o, &Run{RunID: id}); err == nil {
			t.Errorf("run id %q: no error", id)
		}
	}
}

func TestNewID(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 15, 25, 0, 0x01020304, time.FixedZone("CET", 3600))
	if got := NewID(now, strings.NewReader("\x00\xab\xcd\xef")); got != "20261122T142500Z-00abcdef" {
		t.Error(got)
	}
	if got := NewID(now, iotest.ErrReader(os.ErrClosed)); got != "20261122T142500Z-04030201" {
		t.Error(got)
	}
}
