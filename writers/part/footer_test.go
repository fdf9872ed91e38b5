package part

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/metadata"
	"github.com/apache/arrow/go/v15/parquet/schema"

	"graphscore/pipeline/graph"
	"graphscore/writers/atomic"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// foreignParquet is a Parquet file of another maker.
func foreignParquet(t *testing.T) []byte {
	t.Helper()
	fields := schema.FieldList{schema.NewInt64Node("x", parquet.Repetitions.Required, -1)}
	root, err := schema.NewGroupNode("schema", parquet.Repetitions.Required, fields, -1)
	must(t, err)
	var b bytes.Buffer
	must(t, file.NewParquetWriter(&b, root).Close())
	return b.Bytes()
}

// buffer is a file in memory.
type buffer struct{ bytes.Buffer }

func (b *buffer) Tell() int64 { return int64(b.Len()) }

// goodPart is the content of a part of 40 graphs, of which 4 are quarantined, in several row groups.
func goodPart(t testing.TB) []byte {
	t.Helper()
	return makePart(t, 40, Sizes{BlockRows: 16, GroupBytes: 600})
}

// makePart is the content of a part of graphs of 0 to 40 nodes. Every tenth is quarantined.
func makePart(t testing.TB, graphs int, sizes Sizes) []byte {
	t.Helper()
	c := Contents{Outputs: []string{"score"}, GraphIDs: graph.String}
	var b buffer
	e, err := NewEncoder(&b, c, sizes)
	must(t, err)
	batch := &graph.Batch{IDs: graph.IDs{Kind: graph.String}, NodeOffsets: []uint32{0}, EdgeOffsets: []uint32{0}}
	s := &graph.Scores{Outputs: 1}
	quarantined := int64(0)
	for g := range graphs {
		if g%10 == 7 {
			quarantined++
			s.Failed = append(s.Failed, graph.Failure{Graph: g, Code: graph.NonFiniteScore})
		}
		batch.IDs.AppendBytes(fmt.Appendf(nil, "graph-%d", g))
		for n := range g % 41 {
			s.Values = append(s.Values, float32(g+n)/64)
		}
		batch.InDegree = append(batch.InDegree, make([]uint32, g%41)...)
		batch.NodeOffsets = append(batch.NodeOffsets, uint32(len(batch.InDegree)))
		batch.EdgeOffsets, batch.RowGroups, batch.Rows = append(batch.EdgeOffsets, 0), append(batch.RowGroups, 0), append(batch.Rows, int64(g))
	}
	scored, err := e.Write(batch, s)
	must(t, err)
	f := NewFooter(Spec{Part: "a.parquet", Input: "a", Fingerprint: "fast:a", Rows: int64(graphs), Model: "sha256:m"}, Settings{Layout: "rows"})
	f.RowsIn, f.Scored, f.Quarantined = int64(graphs), scored, quarantined
	f.Codes[string(graph.NonFiniteScore)] = quarantined
	f.QuarantineHash = NewQuarantineSum().Hash()
	must(t, e.Finish(&f))
	return b.Bytes()
}

// withValue is a part whose footer has another value for a key.
func withValue(t testing.TB, good []byte, key, value string) []byte {
	t.Helper()
	length := int(binary.LittleEndian.Uint32(good[len(good)-8:]))
	start := len(good) - 8 - length
	meta, err := metadata.NewFileMetaData(bytes.Clone(good[start:len(good)-8]), nil)
	must(t, err)
	found := false
	for _, kv := range meta.KeyValueMetadata() {
		if kv.GetKey() == key {
			kv.Value, found = &value, true
		}
	}
	if !found {
		t.Fatalf("the footer has no key %s", key)
	}
	b := bytes.NewBuffer(bytes.Clone(good[:start]))
	n, err := meta.WriteTo(b, nil)
	must(t, err)
	return append(binary.LittleEndian.AppendUint32(b.Bytes(), uint32(n)), "PAR1"...)
}

func TestReadFooter(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.parquet")
	for _, content := range [][]byte{goodPart(t), withValue(t, goodPart(t), keyRowsIn, "40"), withValue(t, goodPart(t), keyFormat, form2)} {
		must(t, os.WriteFile(path, content, 0o666))
		f, err := ReadFooter(path)
		must(t, err)
		if f.RowsIn != 40 || f.Rows != 40 || f.Scored != 36 || f.Quarantined != 4 || f.Codes["non_finite_score"] != 4 || f.Part != "a.parquet" {
			t.Errorf("footer %+v", f)
		}
	}
}

func TestReadFooterErrors(t *testing.T) {
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
		{"counts that do not add up", "its footer counts", withValue(t, good, keyRowsIn, "41")},
		{"no number", "its footer has no number for graphscore.rows_in", withValue(t, good, keyRowsIn, "xx")},
		{"other lines", `but "5" lines of its quarantine file`, withValue(t, good, keyQuarantineLines, "5")},
		{"no hash", "its footer has no hash", withValue(t, good, keyQuarantineHash, "sha256:00")},
		{"later form", `it has the form "part/9"`, withValue(t, good, keyFormat, "part/9")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "a.parquet")
			must(t, os.WriteFile(path, tc.content, 0o666))
			_, err := ReadFooter(path)
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

func TestReadFooterOfOthers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.parquet")
	must(t, os.WriteFile(path, foreignParquet(t), 0o666))
	if _, err := ReadFooter(path); !errors.Is(err, ErrForeign) {
		t.Errorf("error %v", err)
	}
	var failed *atomic.IOError
	if _, err := ReadFooter(path + "x"); !errors.As(err, &failed) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	var damaged *DamagedError
	if _, err := ReadFooter(filepath.Dir(path)); !errors.As(err, &damaged) {
		t.Errorf("error %v", err)
	}
}

// FuzzReadFooter: no file ends the process, and what is read adds up.
func FuzzReadFooter(f *testing.F) {
	good := goodPart(f)
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add([]byte("PAR1\x00\x00\x00\x00\x00\x00\x00\x00PAR1"))
	path := filepath.Join(f.TempDir(), "fuzz.parquet")
	f.Fuzz(func(t *testing.T, content []byte) {
		must(t, os.WriteFile(path, content, 0o666))
		l, err := ReadFooter(path)
		if err == nil && l.RowsIn != l.Scored+l.Quarantined {
			t.Errorf("footer %+v", l)
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
		if l, err := ReadFooter(path); err == nil && l.RowsIn != 40 && l.RowsIn != l.Scored+l.Quarantined {
			t.Errorf("byte %d: %+v", at, l)
		}
	}
}
