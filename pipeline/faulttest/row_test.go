package faulttest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	got, want := map[string]int{"a": 1, "b": 2, "x": 1}, map[string]int{"a": 1, "b": 1, "c": 1}
	if c := *Compare(got, want); c != (Tally{Graphs: 3, Lost: 1, Duplicated: 2}) {
		t.Errorf("%+v", c)
	}
}

// heard takes what a test would report.
type heard struct {
	testing.TB
	failed []string
}

func (h *heard) Helper()      {}
func (h *heard) Name() string { return "TestHeard" }
func (h *heard) Failed() bool { return len(h.failed) > 0 }
func (h *heard) Errorf(format string, _ ...any) {
	h.failed = append(h.failed, format)
}

func TestReport(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "rows")
	t.Setenv(Variable, folder)
	for name, r := range map[string]Row{
		"lost":       {Case: "1", Times: 1, Tally: &Tally{Graphs: 5, Lost: 1}},
		"duplicated": {Case: "1", Times: 1, Tally: &Tally{Graphs: 5, Duplicated: 1}},
		"no graph":   {Case: "1", Times: 1, Tally: &Tally{}},
		"never":      {Case: "1"},
	} {
		h := &heard{TB: t}
		Report(h, r)
		if len(h.failed) != 1 {
			t.Errorf("%s: %q", name, h.failed)
		}
	}
	if left, err := os.ReadDir(folder); err == nil {
		t.Errorf("tests that failed have rows: %v", left)
	}
	h := &heard{TB: t}
	Report(h, Row{Case: "1", How: "kill", Outcome: "137, then 0", Times: 3, Tally: &Tally{Graphs: 5}})
	rows, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil || len(rows) != 1 || len(h.failed) > 0 {
		t.Fatalf("%v %v %q", rows, err, h.failed)
	}
	content, err := os.ReadFile(rows[0])
	if err != nil {
		t.Fatal(err)
	}
	var r Row
	if err := json.Unmarshal(content, &r); err != nil || r.File != "pipeline/faulttest/row_test.go" || r.Test != "TestHeard" || r.Graphs != 5 {
		t.Errorf("%v: %s", err, content)
	}
	if strings.Count(string(content), "\n") != 1 {
		t.Errorf("%q", content)
	}
}
