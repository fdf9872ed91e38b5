package part_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"graphscore/writers/atomic"
	"graphscore/writers/part"
)

// A part of an earlier version that has malformed edges may hold wrong scores of edges that are pairs, whatever its
// quarantine file. One of this version has told pairs from sources and targets.
func TestPartsThatMayHaveMisreadPairs(t *testing.T) {
	t.Parallel()
	dir, name := t.TempDir(), "a.parquet"
	path := filepath.Join(dir, filepath.FromSlash(part.QuarantineName(name)))
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("{}\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	sum := part.NewQuarantineSum()
	if _, err := sum.Write([]byte("{}\n")); err != nil {
		t.Fatal(err)
	}
	for what, test := range map[string]struct {
		code, hash, want string
	}{
		"an earlier version, malformed edges": {"malformed_edges", "", "read edges written as pairs as sources and targets, and has 1 graph with malformed_edges"},
		"an earlier version, another code":    {"null_value", "", ""},
		"this version, malformed edges":       {"malformed_edges", sum.Hash(), ""},
	} {
		f := &part.Footer{Quarantined: 1, Codes: map[string]int64{test.code: 1}, QuarantineHash: test.hash}
		fault, err := part.QuarantineFault(atomic.At(dir), dir, name, f)
		if err != nil || (fault == "") != (test.want == "") || !strings.Contains(fault, test.want) {
			t.Errorf("%s: %q, %v; want %q", what, fault, err, test.want)
		}
	}
}
