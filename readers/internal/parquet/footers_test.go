package parquet

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/metadata"
	"github.com/apache/arrow/go/v15/parquet/schema"

	"graphscore/pipeline/graph"
	"graphscore/readers/internal/column"
)

// counted counts what is read of a file.
type counted struct {
	*os.File
	bytes int64
}

func (c *counted) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.File.ReadAt(p, off)
	c.bytes += int64(n)
	return n, err
}

// manyGroupsFile writes a file of row groups of one row, of a number each. changed writes other numbers into the last
// one, which takes as many bytes.
func manyGroupsFile(t *testing.T, path string, groups int, changed bool) {
	t.Helper()
	root, err := schema.NewGroupNode("schema", parquet.Repetitions.Required, schema.FieldList{
		schema.NewInt64Node("num_nodes", parquet.Repetitions.Required, -1), schema.NewInt64Node(strings.Repeat("long", 1000), parquet.Repetitions.Required, -1),
	}, -1)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := file.NewParquetWriter(&b, root)
	for i := range groups {
		rg, rows := w.AppendRowGroup(), []int64{int64(i)}
		if changed && i == groups-1 {
			rows = []int64{int64(i) - 1}
		}
		for range 2 {
			c, err := rg.NextColumn()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.(*file.Int64ColumnChunkWriter).WriteBatch(rows, nil, nil); err != nil {
				t.Fatal(err)
			}
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
}

// opened opens a file and counts what is read of it.
func opened(t *testing.T, path string, known *Footers) (*File, *counted) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	c := &counted{File: f}
	p, err := Open(c, info.Size(), 1<<20, known)
	if err != nil {
		t.Fatal(err)
	}
	return p, c
}

// TestLargeFooterIsReadOnce: each further shard of a file of very many row groups reads what the footer says of its own row
// groups, until the file changes.
func TestLargeFooterIsReadOnce(t *testing.T) {
	t.Parallel()
	path, known := filepath.Join(t.TempDir(), "a.parquet"), &Footers{}
	const groups = 300
	manyGroupsFile(t, path, groups, false)
	p, first := opened(t, path, known)
	if p.tail < largeFooter || first.bytes < p.tail {
		t.Fatalf("%d bytes were read of a footer of %d", first.bytes, p.tail)
	}
	var b column.Binding
	for i := range b {
		b[i] = -1
	}
	b[graph.InputNumNodes] = 0
	planned, err := p.Groups(b)
	if err != nil || len(planned) != groups {
		t.Fatalf("%d groups, %v", len(planned), err)
	}
	again, second := opened(t, path, known)
	same, err := again.Same(b, planned)
	if err != nil || !same {
		t.Fatalf("the row groups are others, %v", err)
	}
	for _, i := range []int{0, groups / 2, groups - 1} {
		if err := again.Open(i, nil); err != nil {
			t.Fatal(err)
		}
	}
	if again.footer != p.footer || second.bytes > p.tail/20 {
		t.Errorf("%d bytes were read for three row groups of a footer that was read before", second.bytes)
	}

	info, err := first.Stat()
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Chtimes(path, time.Time{}, info.ModTime().Add(time.Second)))
	if touched, third := opened(t, path, known); touched.footer != p.footer || third.bytes < p.tail {
		t.Errorf("%d bytes were read of the footer of a file that may have changed", third.bytes)
	}
	must(os.Chtimes(path, time.Time{}, info.ModTime()))
	hidden, _ := opened(t, path, known)
	manyGroupsFile(t, path, groups, true)
	if now, err := os.Stat(path); err != nil || now.Size() != info.Size() {
		t.Fatalf("the file has another size, %v", err)
	}
	must(hidden.Open(0, nil))
	var changed *column.FormatError
	if err := hidden.Open(groups-1, nil); !errors.As(err, &changed) {
		t.Errorf("a row group that changed is opened: %v", err)
	}
	if rewritten, _ := opened(t, path, known); rewritten.footer == p.footer {
		t.Error("the footer of a file that changed is that of before")
	}
}

// TestHeadsAreShared: what files of one writer have in common is parsed once, and nothing else is taken from another file.
func TestHeadsAreShared(t *testing.T) {
	t.Parallel()
	dir, known := t.TempDir(), &Footers{}
	for i, groups := range []int{1, 2, 3} {
		path := filepath.Join(dir, string(rune('a'+i))+".parquet")
		manyGroupsFile(t, path, groups, false)
		p, _ := opened(t, path, known)
		if len(p.footer.groups) != groups || p.footer.rows != int64(groups) || len(known.heads) != 1 || p.footer.head != known.heads[0] {
			t.Errorf("%d row groups and %d rows of %d, %d heads", len(p.footer.groups), p.footer.rows, groups, len(known.heads))
		}
	}
	same, _ := opened(t, filepath.Join(dir, "a.parquet"), nil)
	if same.footer.head == known.heads[0] || len(same.cols) != 2 || same.cols[0].Name != "num_nodes" {
		t.Errorf("columns %+v of a footer that was parsed alone", same.cols)
	}
}

// TestHeadsAreBounded: the heads that were met last are kept, and no large one.
func TestHeadsAreBounded(t *testing.T) {
	t.Parallel()
	known, after := &Footers{}, []byte{1}
	around := func(i int) []byte { return append(make([]byte, largestHead-2), byte(i)) }
	for i := range headsKept {
		known.keepHead(&head{}, around(i), after)
	}
	if first := known.head(around(0), after); first == nil || known.heads[0] != first || len(known.heads) != headsKept {
		t.Errorf("%d heads, without the first or with another in front", len(known.heads))
	}
	known.keepHead(&head{}, around(headsKept), after)
	if known.head(around(0), after) == nil || known.head(around(1), after) != nil || len(known.heads) != headsKept {
		t.Errorf("of %d heads the one that was not met for longest is kept", len(known.heads))
	}
	large := append(around(0), 1)
	if known.keepHead(&head{}, large, after); known.head(large, after) != nil || known.heads[0].before[largestHead-2] != 0 {
		t.Error("a large head is kept")
	}
}

// TestDamagedArrowSchema: a schema in Arrow whose text is damaged says nothing, wherever the damage is.
func TestDamagedArrowSchema(t *testing.T) {
	t.Parallel()
	root, err := schema.NewGroupNode("schema", parquet.Repetitions.Required, schema.FieldList{schema.NewInt64Node("num_nodes", parquet.Repetitions.Required, -1)}, -1)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		text string
		said bool
	}{
		{"c2NoZW1h", true}, {"c2NoZW1!", false}, {"c2No!W1h", false}, {"c2NoZW1", false}, {"!", false},
	} {
		said := metadata.NewKeyValueMetadata()
		if err := said.Append("ARROW:schema", tc.text); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := file.NewParquetWriter(&b, root, file.WithWriteMetadata(said)).Close(); err != nil {
			t.Fatal(err)
		}
		p, err := Open(bytes.NewReader(b.Bytes()), int64(b.Len()), 1<<20, nil)
		if err != nil {
			t.Fatal(err)
		}
		var read []string
		p.Hint(func(schema []byte) ([]column.Field, error) {
			read = append(read, string(schema))
			return nil, nil
		})
		if tc.said && !slices.Equal(read, []string{"schema"}) || !tc.said && read != nil {
			t.Errorf("%q is read as %q", tc.text, read)
		}
	}
}
