package writers

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/schema"
	"github.com/google/go-cmp/cmp"

	"graphscore/pipeline/graph"
)

// foreignParquet is a Parquet file of another maker.
func foreignParquet(t *testing.T) []byte {
	t.Helper()
	cfg := testConfig("")
	sch, err := partSchema(&cfg)
	must(t, err)
	var b bytes.Buffer
	must(t, file.NewParquetWriter(&b, schema.MustGroup(sch.Root(), nil)).Close())
	return b.Bytes()
}

// goodPart is the content of a part.
func goodPart(t testing.TB) []byte {
	t.Helper()
	cfg := kinds(testConfig(t.TempDir()), graph.String, graph.Int64, 1)
	o, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if err := makeShard("a", 40, cfg, false).commit(t.Context(), o, false); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(cfg.Dir, "a.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestReadLedgerErrors(t *testing.T) {
	t.Parallel()
	good := goodPart(t)
	for _, tc := range []struct {
		name, want string
		content    []byte
	}{
		{"empty", "it has only 0 bytes", nil},
		{"half", "it is not a whole Parquet file", good[:len(good)/2]},
		{"long footer", "its footer is longer than the file", forge(good, func(b []byte) {
			binary.LittleEndian.PutUint32(b[len(b)-8:], 1<<31)
		})},
		{"zeroed footer", "its footer cannot be decoded", forge(good, func(b []byte) { clear(b[len(b)-300 : len(b)-8]) })},
		{"counts that do not add up", "its footer counts", bytes.Replace(good, []byte("rows_in\x18\x0240"), []byte("rows_in\x18\x0241"), 1)},
		{"no number", "its footer has no number for graphscore.rows_in", bytes.Replace(good, []byte("rows_in\x18\x0240"), []byte("rows_in\x18\x02xx"), 1)},
		{"later form", `it has the form "part/9"`, bytes.Replace(good, []byte("part/2"), []byte("part/9"), 1)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "a.parquet")
			must(t, os.WriteFile(path, tc.content, 0o666))
			_, err := ReadLedger(path)
			var damaged *DamagedError
			if !errors.As(err, &damaged) || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, want %s", err, tc.want)
			}
		})
	}
}

func forge(good []byte, change func([]byte)) []byte {
	b := bytes.Clone(good)
	change(b)
	return b
}

func TestReadLedgerOfOthers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.parquet")
	must(t, os.WriteFile(path, foreignParquet(t), 0o666))
	if _, err := ReadLedger(path); !errors.Is(err, ErrForeign) {
		t.Errorf("error %v", err)
	}
	var failed *IOError
	if _, err := ReadLedger(path + "x"); !errors.As(err, &failed) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	var damaged *DamagedError
	if _, err := ReadLedger(filepath.Dir(path)); !errors.As(err, &damaged) {
		t.Errorf("error %v", err)
	}
}

// FuzzReadLedger: no file ends the process, and what is read adds up.
func FuzzReadLedger(f *testing.F) {
	good := goodPart(f)
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add([]byte("PAR1\x00\x00\x00\x00\x00\x00\x00\x00PAR1"))
	path := filepath.Join(f.TempDir(), "fuzz.parquet")
	f.Fuzz(func(t *testing.T, content []byte) {
		must(t, os.WriteFile(path, content, 0o666))
		l, err := ReadLedger(path)
		if err == nil && l.RowsIn != l.Scored+l.Quarantined {
			t.Errorf("ledger %+v", l)
		}
		if err != nil && strings.Contains(err.Error(), "panic") {
			t.Errorf("error %v", err)
		}
	})
}

// TestMutatedFooters: one changed byte after another.
func TestMutatedFooters(t *testing.T) {
	t.Parallel()
	good := goodPart(t)
	path := filepath.Join(t.TempDir(), "a.parquet")
	for at := len(good) - 900; at < len(good); at++ {
		must(t, os.WriteFile(path, forge(good, func(b []byte) { b[at] ^= 0xff }), 0o666))
		if l, err := ReadLedger(path); err == nil && l.RowsIn != 40 && l.RowsIn != l.Scored+l.Quarantined {
			t.Errorf("byte %d: %+v", at, l)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	s := Settings{
		Columns: map[string]string{"x": "a<b", "edge_index": "e"}, FeatureWidth: 4, GraphID: "int64", Layout: "rows",
		Limit: 1, MessageBytes: 2, NodeID: "string", Outputs: []string{"score"}, Protocol: "native", ScoringVersion: 3,
	}
	want := `{"columns":{"edge_index":"e","x":"a<b"},"feature_width":4,"graph_id":"int64","layout":"rows","limit":1,` +
		`"message_bytes":2,"node_id":"string","outputs":["score"],"protocol":"native","scoring_version":3}`
	if d := cmp.Diff(want, string(s.JSON())); d != "" {
		t.Error(d)
	}
	if got := s.Digest(); got != "sha256:9db9c479974d2557ab91b961f681ac6db151334c33980025932c4a966d1eed3a" {
		t.Errorf("digest %s", got)
	}
	if (Settings{}).Digest() != (Settings{Columns: map[string]string{}, Outputs: []string{}}).Digest() {
		t.Error("nothing and empty differ")
	}
	later := []byte(strings.Replace(want, `"limit":1`, `"later":true`, 1))
	if d := cmp.Diff([]string{"setting later is not there, was true", "setting limit is 1, was not there"}, s.differences(later)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"its settings differ"}, s.differences([]byte("{"))); d != "" {
		t.Error(d)
	}
}
