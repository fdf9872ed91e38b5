package record

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"graphscore/writers/atomic"
)

func TestBackfillRecordHasEveryKey(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	must(t, (&Backfill{Dates: []BackfillDate{{}}}).Encode(&b))
	must(t, (&Backfill{}).Encode(&b))
	if strings.Contains(b.String(), "null") {
		t.Errorf("record %s", b.String())
	}
	if n := strings.Count(b.String(), `"scored"`); n != 3 {
		t.Errorf("%d counts in %s", n, b.String())
	}
}

// The last 100 records of backfills are kept, also beside those of runs, whose files are left alone.
func TestWriteBackfill(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "out")
	runs := filepath.Join(dir, Dir)
	must(t, os.MkdirAll(runs, 0o777))
	others := []string{"20260101T000000Z-00000001.json", "backfill-notes.json", ".graphscore-7.tmp"}
	stale := ".graphscore-backfill-7.tmp"
	for _, name := range append(others, stale) {
		must(t, os.WriteFile(filepath.Join(runs, name), nil, 0o666))
	}
	var group errgroup.Group
	for i := range 103 {
		group.Go(func() error {
			id := fmt.Sprintf("20260102T%02d%02d00Z-0000000a", i/60, i%60)
			return WriteBackfill(t.Context(), dir, &Backfill{BackfillID: id, Since: "2026-01-01"})
		})
	}
	must(t, group.Wait())
	names, err := backfillNames(runs)
	must(t, err)
	if len(names) != kept {
		t.Errorf("%d records", len(names))
	}
	for _, name := range others {
		if _, err := os.Stat(filepath.Join(runs, name)); err != nil {
			t.Error(err)
		}
	}
	if temps, err := filepath.Glob(filepath.Join(runs, ".graphscore-*")); err != nil || len(temps) != 1 {
		t.Errorf("temporary files %v (%v)", temps, err)
	}
	rec, err := ReadBackfill(filepath.Join(runs, names[kept-1]))
	must(t, err)
	if rec.Since != "2026-01-01" || !strings.Contains(names[kept-1], rec.BackfillID) {
		t.Errorf("record %+v in %s", rec, names[kept-1])
	}
}

// A record is written when a backfill begins, and in its place another when it ends.
func TestBackfillRecordIsReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const id = "20260102T000000Z-0000000a"
	for _, code := range []int{NotEnded, 0} {
		must(t, WriteBackfill(t.Context(), dir, &Backfill{BackfillID: id, ExitCode: code}))
		names, err := backfillNames(filepath.Join(dir, Dir))
		must(t, err)
		rec, err := ReadBackfill(filepath.Join(dir, Dir, names[0]))
		must(t, err)
		if len(names) != 1 || rec.ExitCode != code {
			t.Errorf("%d records, exit code %d, expected %d", len(names), rec.ExitCode, code)
		}
	}
	var bad *Error
	other := filepath.Join(dir, "other.json")
	must(t, os.WriteFile(other, []byte("{}"), 0o666))
	if _, err := ReadBackfill(other); !errors.As(err, &bad) {
		t.Errorf("got %v", err)
	}
}

func TestWriteBackfillWhereItCannot(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o666))
	var e *atomic.CreateError
	if err := WriteBackfill(t.Context(), file, &Backfill{BackfillID: "x"}); !errors.As(err, &e) {
		t.Errorf("got %v", err)
	}
}
