package preflight

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"graphscore/jobs/run"
	"graphscore/pipeline/estimate"
	"graphscore/pipeline/exit"
)

func TestCompareClock(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name        string
		now, newest time.Time
		want        Severity
		text        string
	}{
		{"sane", now, now.Add(-time.Hour), OK, "2026-03-01 12:00:00 UTC"},
		{"no input", now, time.Time{}, OK, ""},
		{"a file of this second", now, now.Add(time.Second), OK, ""},
		{"behind the newest input", now, now.Add(time.Hour), Warn, "an input was written at 2026-03-01 13:00:00 UTC"},
		{"never set", time.Unix(0, 0), time.Time{}, Warn, "1970-01-01 00:00:00 UTC by the clock: set it"},
		{"before 2025", time.Date(2024, 12, 31, 23, 59, 59, 0, time.UTC), time.Time{}, Warn, "set it"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := compareClock(tc.now, tc.newest)
			if f.Severity != tc.want || f.err != nil || !strings.Contains(f.Text, tc.text) {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestCompareMemory(t *testing.T) {
	t.Parallel()
	if f := compareMemory(1<<30, 500<<20, "the cgroup"); f.Severity != OK {
		t.Errorf("%+v", f)
	}
	f := compareMemory(256<<20, 500<<20, "the cgroup")
	if f.Severity != Warn || f.err != nil || !strings.Contains(f.Text, "the cgroup allows 256 MiB, and a run may take 500 MiB") {
		t.Errorf("%+v", f)
	}
}

func TestCompareSpace(t *testing.T) {
	t.Parallel()
	known := Estimates{OutputBytes: estimate.Range{Low: 100, Likely: 200, High: 300}}
	for _, tc := range []struct {
		free      uint64
		graphs    int64
		estimates Estimates
		want      Severity
		code      int
	}{
		{99, 1, known, Fail, exit.IO},
		{100, 1, known, Warn, exit.Done},
		{299, 1, known, Warn, exit.Done},
		{300, 1, known, OK, exit.Done},
		{0, 0, Estimates{}, OK, exit.Done}, // nothing to score
		{5, 1, Estimates{}, OK, exit.Done}, // binary features: nothing is known
	} {
		f := compareSpace("out", tc.free, tc.graphs, tc.estimates)
		if f.Severity != tc.want || run.ExitCode(f.err) != tc.code || f.err != nil && f.phase != scoring {
			t.Errorf("%d free: %+v", tc.free, f)
		}
	}
}

func TestWritableFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{dir: dir, filepath.Join(dir, "a", "b"): dir, file: file} {
		if got, there := nearest(path); got != want || there != (path == want) {
			t.Errorf("%s: %s, %v", path, got, there)
		}
	}
	if err := writableFolder(dir); err != nil {
		t.Error(err)
	}
	if err := writableFolder(file); err == nil {
		t.Error("a file is no folder")
	}
	if err := writableFolder("/proc/self"); err == nil { // not even for root
		t.Error("/proc/self can be written to")
	}
	if free, known := freeSpace(dir); !known || free == 0 {
		t.Errorf("%d free, %v", free, known)
	}
}
