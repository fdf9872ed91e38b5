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
func foreignParquet(t testing.TB) []byte {
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
	return makePart(t, graph.NodeLevel, 40, Sizes{BlockRows: 16, GroupBytes: 600})
}

// makePart is the content of a part of graphs of 0 to 40 nodes, each with an edge to itself. Every tenth is quarantined.
func makePart(t testing.TB, level graph.Level, graphs int, sizes Sizes) []byte {
	t.Helper()
	settings := Settings{Layout: "rows"}.OfModel(&graph.Model{Level: level, Inputs: graph.Inputs{Weights: true}})
	c := Contents{Level: level, Outputs: []string{"score"}, GraphIDs: graph.String, Settings: settings}
	must(t, c.Validate())
	var b buffer
	e, err := NewEncoder(&b, c, sizes)
	must(t, err)
	batch := &graph.Batch{IDs: graph.IDs{Kind: graph.String}, NodeOffsets: []uint32{0}, EdgeOffsets: []uint32{0}}
	s := &graph.Scores{Level: level, Outputs: 1}
	quarantined := int64(0)
	for g := range graphs {
		if g%10 == 7 {
			quarantined++
			s.Failed = append(s.Failed, graph.Failure{Graph: g, Code: graph.NonFiniteScore})
		}
		batch.IDs.AppendBytes(fmt.Appendf(nil, "graph-%d", g))
		for n := range g % 41 {
			batch.InDegree, batch.Sources = append(batch.InDegree, 1), append(batch.Sources, uint32(len(batch.InDegree)))
			batch.EdgeRows = append(batch.EdgeRows, uint32(n))
		}
		batch.NodeOffsets = append(batch.NodeOffsets, uint32(len(batch.InDegree)))
		batch.EdgeOffsets = append(batch.EdgeOffsets, uint32(len(batch.InDegree)))
		batch.RowGroups, batch.Rows = append(batch.RowGroups, 0), append(batch.Rows, int64(g))
		for n := range batch.ScoreRows(level) - len(s.Values) {
			s.Values = append(s.Values, float32(g+n)/64)
		}
	}
	scored, err := e.Write(batch, s)
	must(t, err)
	f := NewFooter(Spec{Part: "a.parquet", Input: "a", Fingerprint: "fast:a", Rows: int64(graphs), Model: "sha256:m"}, settings)
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

// TestFooterOfLevels: only parts of other levels say theirs, with their rows.
func TestFooterOfLevels(t *testing.T) {
	t.Parallel()
	for level, rows := range map[graph.Level]int64{graph.NodeLevel: 692, graph.EdgeLevel: 692, graph.GraphLevel: 35} {
		path := filepath.Join(t.TempDir(), "a.parquet")
		must(t, os.WriteFile(path, makePart(t, level, 40, Sizes{}), 0o666))
		p, err := Open(path)
		must(t, err)
		defer p.Close()
		f := p.Footer()
		said := p.meta.KeyValueMetadata().FindValue(keyLevel)
		if p.Level() != level || f.RowsOut != rows || f.Nodes != 692 || (said == nil) != (level == graph.NodeLevel) {
			t.Errorf("%s: %d rows of level %s, said %v, and %d nodes", level, f.RowsOut, p.Level(), said, f.Nodes)
		}
	}
}

func TestReadFooterErrors(t *testing.T) {
	t.Parallel()
	good := goodPart(t)
	edges := makePart(t, graph.EdgeLevel, 40, Sizes{})
	settings := func(level string) string { return string(Settings{Level: level}.JSON()) }
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
		{"another level", `its footer has level "graph", its settings speak of edge`, withValue(t, edges, keyLevel, "graph")},
		{"a level that it does not say", `its footer has level "", its settings speak of edge`, withValue(t, good, keySettings, settings("edge"))},
		{"a level that its settings do not say", `its footer has level "edge", its settings speak of node`, withValue(t, edges, keySettings, settings(""))},
		{"a level nobody knows", `level is "path", known are node, edge and graph in its settings`, withValue(t, edges, keySettings, settings("path"))},
		{"no rows", "its footer has no number for graphscore.rows", withValue(t, edges, keyRowsOut, "")},
		{"other rows", "its footer speaks of 7 edges and 692 rows", withValue(t, edges, keyRowsOut, "7")},
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
	f.Add(makePart(f, graph.EdgeLevel, 40, Sizes{}))
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
