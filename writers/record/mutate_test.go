package record

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"graphscore/pipeline/pipelinetest/mutation"
	"graphscore/writers/atomic"
)

// anyRecord is the reader of each kind of record.
func anyRecord(t testing.TB) *mutation.Target {
	t.Helper()
	encode := func(rec interface{ Encode(io.Writer) error }) []byte {
		var b bytes.Buffer
		if err := rec.Encode(&b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	dir := t.TempDir()
	task := Task{Index: 1, Count: 3}
	path := filepath.Join(dir, filepath.FromSlash(TaskDir), task.Name()+TaskSuffix)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	return &mutation.Target{
		Seeds: map[string][]byte{
			"run":        encode(&Run{RunID: "20260102T030405Z-00000001", Shards: []Shard{{}, {}}, Refused: []RefusedFile{{File: "a", Reason: "b"}}}),
			"backfill":   encode(&Backfill{BackfillID: "20260102T030405Z-00000001", Dates: []BackfillDate{{}, {}}}),
			"submission": encode(&Submission{SubmitID: "20260102T030405Z-00000001"}),
			"task":       encode(&TaskRun{Run: Run{RunID: "20260102T030405Z-00000001"}, Task: Task{Index: 1, Count: 3}}),
		},
		Base: 1 << 20, Times: 256,
		Known: func(err error) bool {
			var record *Error
			var failed *atomic.IOError
			return errors.As(err, &record) || errors.As(err, &failed)
		},
		Read: func(t *testing.T, content []byte) error {
			if err := os.WriteFile(path, content, 0o666); err != nil {
				t.Fatal(err)
			}
			_, err := Read(path)
			_, backfill := ReadBackfill(path)
			_, submission := ReadSubmission(path)
			_, attempts := ReadTask(dir, task)
			return cmp.Or(err, backfill, submission, attempts)
		},
	}
}

// TestMutatedRecords shows that no record ends the process, takes much memory, or is refused without its name.
func TestMutatedRecords(t *testing.T) { mutation.Run(t, anyRecord(t)) }

// FuzzRecord is the same for the native fuzzer.
func FuzzRecord(f *testing.F) { mutation.Fuzz(f, anyRecord(f)) }
