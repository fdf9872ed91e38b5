// Package faulttest reports what tests injected and what came of it: the rows of .github/RELIABILITY.md, which
// cmd/internal/reliability makes of them. The tests of Python do so in python/tests/conftest.py.
package faulttest

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Variable names the environment variable with the folder that rows are written to. Where it is not set, none are.
const Variable = "FAULT_ROWS"

// Row is what a test injected, and what came of it. How and Outcome are the same in every run of the test; the numbers
// may differ. Counts are those of the test: of what it read back, never of what the run says of itself.
type Row struct {
	Case    string `json:"case"`    // the number or letter of a case, see cmd/internal/reliability
	How     string `json:"how"`     // how the fault is injected
	Outcome string `json:"outcome"` // exit codes first
	Times   int    `json:"times"`   // that the fault was injected
	*Tally         // nil where the fault comes before any graph

	File string `json:"file"` // of the test, from the top of the checkout; Report finds it
	Test string `json:"test"` // its name; Report sets it
}

// Tally counts graphs: those that had to come out, as scores or in quarantine, those that did not, and those that came out
// more than once.
type Tally struct {
	Graphs     int `json:"graphs"`
	Lost       int `json:"lost"`
	Duplicated int `json:"duplicated"`
}

// Compare counts by graph: how often each came out, and how often it had to.
func Compare(got, want map[string]int) *Tally {
	t := &Tally{}
	for id, n := range want {
		t.Graphs += n
		t.Lost += max(0, n-got[id])
	}
	for id, n := range got {
		t.Duplicated += max(0, n-want[id])
	}
	return t
}

// Add adds the counts of another injection.
func (t *Tally) Add(other *Tally) {
	t.Graphs, t.Lost, t.Duplicated = t.Graphs+other.Graphs, t.Lost+other.Lost, t.Duplicated+other.Duplicated
}

// source is the file of the test that reports a row, be it through a helper of another file.
func source() (file string) {
	callers := make([]uintptr, 64)
	frames := runtime.CallersFrames(callers[:runtime.Callers(3, callers)])
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		_, name, _ := strings.Cut(f.Function[strings.LastIndexByte(f.Function, '/')+1:], ".")
		if file == "" || strings.HasPrefix(name, "Test") {
			file = f.File
		}
	}
	return file
}

// Report reports a row at the end of a test, unless it failed: then there is none, and the page misses it. A graph that
// was lost, or came out twice, fails the test, and so does a fault that was never injected.
func Report(t testing.TB, r Row) {
	t.Helper()
	if r.Tally != nil && (r.Lost != 0 || r.Duplicated != 0 || r.Graphs == 0) {
		t.Errorf("case %s: of %d graphs %d were lost, %d came out more than once", r.Case, r.Graphs, r.Lost, r.Duplicated)
	}
	if r.Times == 0 {
		t.Errorf("case %s was never injected", r.Case)
	}
	folder := os.Getenv(Variable)
	if folder == "" || t.Failed() {
		return
	}
	if r.File == "" {
		r.File = below(source())
	}
	r.Test = t.Name()
	if err := r.write(folder); err != nil {
		t.Errorf("reporting case %s: %v", r.Case, err)
	}
}

// write writes a file of the row's own: the go command runs a test again where a file that it wrote has changed since, or
// is gone.
func (r Row) write(folder string) error {
	content, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return err
	}
	name := fmt.Sprintf("%x.json", sha256.Sum256([]byte(strings.Join([]string{r.File, r.Test, r.Case, r.How}, "\x00"))))
	return os.WriteFile(filepath.Join(folder, name), append(content, '\n'), 0o666)
}

// below is a path as seen from the top of the checkout, which is where go.mod is.
func below(path string) string {
	for top := filepath.Dir(path); top != filepath.Dir(top); top = filepath.Dir(top) {
		if _, err := os.Stat(filepath.Join(top, "go.mod")); err != nil {
			continue
		}
		if inside, err := filepath.Rel(top, path); err == nil {
			return filepath.ToSlash(inside)
		}
	}
	return filepath.ToSlash(path)
}
