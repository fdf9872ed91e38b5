package cli

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"graphscore/pipeline/estimate"
)

func TestWeighClock(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name        string
		now, newest time.Time
		want        mark
		text        string
	}{
		{"sane", now, now.Add(-time.Hour), sound, "2026-03-01 12:00:00 UTC"},
		{"no input", now, time.Time{}, sound, ""},
		{"a file of this second", now, now.Add(time.Second), sound, ""},
		{"behind the newest input", now, now.Add(time.Hour), doubt, "an input was written at 2026-03-01 13:00:00 UTC"},
		{"never set", time.Unix(0, 0), time.Time{}, doubt, "1970-01-01 00:00:00 UTC by the clock: set it"},
		{"before 2025", time.Date(2024, 12, 31, 23, 59, 59, 0, time.UTC), time.Time{}, doubt, "set it"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := weighClock(tc.now, tc.newest)
			if f.Mark != tc.want || f.err != nil || !strings.Contains(f.Text, tc.text) {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestWeighMemory(t *testing.T) {
	t.Parallel()
	if f := weighMemory(1<<30, 500<<20, "the cgroup"); f.Mark != sound {
		t.Errorf("%+v", f)
	}
	f := weighMemory(256<<20, 500<<20, "the cgroup")
	if f.Mark != doubt || f.err != nil || !strings.Contains(f.Text, "the cgroup allows 256 MiB, and a run may take 500 MiB") {
		t.Errorf("%+v", f)
	}
}

func TestWeighSpace(t *testing.T) {
	t.Parallel()
	report := &planReport{Score: workload{Graphs: 1}, OutputBytes: estimate.Range{Low: 100, Likely: 200, High: 300}}
	for _, tc := range []struct {
		free   uint64
		report *planReport
		want   mark
		code   int
	}{
		{99, report, failed, exitIO},
		{100, report, doubt, exitDone},
		{299, report, doubt, exitDone},
		{300, report, sound, exitDone},
		{0, &planReport{}, sound, exitDone},                          // nothing to score
		{5, &planReport{Redo: workload{Graphs: 1}}, sound, exitDone}, // binary features: nothing is known
	} {
		if f := weighSpace("out", tc.free, tc.report); f.Mark != tc.want || exitCode(f.err) != tc.code {
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

// TestFirstFinding: the code is that of the first failure that a run meets, wherever it is told.
func TestFirstFinding(t *testing.T) {
	t.Parallel()
	locked, full, gate, refused := errors.New("locked"), errors.New("full"), errors.New("gate"), errors.New("refused")
	d := &doctor{findings: []finding{
		{err: refused, when: ending}, {Mark: sound}, {err: gate, when: holding}, {err: full, when: scoring}, {err: locked},
	}}
	for _, want := range []error{locked, full, gate, refused} {
		if err := d.first(); err != want {
			t.Errorf("%v, want %v", err, want)
		}
		d.findings = d.findings[:len(d.findings)-1]
	}
}
