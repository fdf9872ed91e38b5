package writers

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"graphscore/pipeline/graph"
)

// readBack reads a part as rows of any values, in the form of table.
func readBack(t testing.TB, path string) (columns [][]any, err error) {
	t.Helper()
	p, err := OpenPart(path)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	columns = make([][]any, 2+len(p.Outputs()))
	rows := int64(0)
	for {
		b, err := p.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if b.First != rows || b.Ends[len(b.Ends)-1] != b.Rows() || b.Graphs.Len() != len(b.Ends) {
			t.Fatalf("block at %d of %d rows, ends %v", b.First, b.Rows(), b.Ends)
		}
		run := 0
		for i := range b.Rows() {
			if i == b.Ends[run] {
				run++
			}
			columns[0] = append(columns[0], b.Graphs.Value(run))
			columns[1] = append(columns[1], b.NodeIDs.Value(i))
			for k, s := range b.Scores {
				columns[2+k] = append(columns[2+k], s[i])
			}
		}
		rows += int64(b.Rows())
	}
	if rows != p.Ledger().Nodes {
		t.Fatalf("%d rows of %d", rows, p.Ledger().Nodes)
	}
	if _, err := p.Next(); err != io.EOF {
		t.Fatalf("after the end: %v", err)
	}
	return columns, nil
}

// TestReadBack: what the reader of parts gives is what arrow's own reader gives.
func TestReadBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name          string
		graphs, nodes graph.IDKind
		outputs       int
		own           bool
		count         int
	}{
		{"integers", graph.Int64, graph.Int64, 1, false, 200},
		{"texts", graph.String, graph.String, 3, true, 200},
		{"numbered texts", graph.String, graph.String, 1, false, 90},
		{"own integers", graph.String, graph.Int64, 2, true, 120},
		{"nothing", graph.Int64, graph.Int64, 1, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cfg := kinds(testConfig(t.TempDir()), c.graphs, c.nodes, c.outputs)
			s := makeShard("a", c.count, cfg, c.own)
			must(t, s.commit(t.Context(), open(t, cfg), c.own))
			path := filepath.Join(cfg.Dir, "a.parquet")
			_, want, _ := table(t, path)
			got, err := readBack(t, path)
			must(t, err)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			p, err := OpenPart(path)
			must(t, err)
			defer p.Close()
			lo, hi, known := p.Range(0)
			for _, v := range want[2] {
				if v := v.(float32); v < lo || v > hi {
					t.Fatalf("%v is not between %v and %v", v, lo, hi)
				}
			}
			if known != (c.count > 0) {
				t.Errorf("range known: %v", known)
			}
		})
	}
}

// TestReadBackMutated: whatever is wrong with the bytes, it is an error that names the part, or the same rows: every
// page has a checksum.
func TestReadBackMutated(t *testing.T) {
	t.Parallel()
	cfg := kinds(testConfig(t.TempDir()), graph.String, graph.Int64, 2)
	must(t, makeShard("a", 60, cfg, false).commit(t.Context(), open(t, cfg), false))
	path := filepath.Join(cfg.Dir, "a.parquet")
	whole, err := os.ReadFile(path)
	must(t, err)
	want, err := readBack(t, path)
	must(t, err)
	r := rand.New(rand.NewPCG(3, 4))
	silent, pages := 0, bytes.Index(whole, []byte("schema"))
	file := filepath.Join(t.TempDir(), "m.parquet")
	for range 1500 {
		content := bytes.Clone(whole)
		switch r.IntN(3) {
		case 0:
			content[r.IntN(len(content))] ^= byte(1 + r.IntN(255))
		case 1:
			content = content[:r.IntN(len(content))]
		default:
			at := r.IntN(pages - 8)
			clear(content[at : at+8])
		}
		must(t, os.WriteFile(file, content, 0o666))
		got, err := readBack(t, file)
		var damaged *DamagedError
		switch {
		case err == nil && !cmp.Equal(want, got):
			silent++
		case err == nil, errors.Is(err, ErrForeign):
		case !errors.As(err, &damaged) || !strings.Contains(err.Error(), "m.parquet"):
			t.Fatalf("%v", err)
		}
	}
	if silent > 0 {
		t.Errorf("%d mutations changed rows unnoticed", silent)
	}
}

// TestReadBackMemory: a part of ten times the rows is read in the same memory.
func TestReadBackMemory(t *testing.T) {
	t.Parallel()
	held := func(graphs int) uint64 {
		cfg := testConfig(t.TempDir())
		cfg.blockRows, cfg.groupBytes = 0, 1<<20
		must(t, makeShard("a", graphs, cfg, false).commit(t.Context(), open(t, cfg), false))
		p, err := OpenPart(filepath.Join(cfg.Dir, "a.parquet"))
		must(t, err)
		defer p.Close()
		var most uint64
		for {
			_, err := p.Next()
			if err == io.EOF {
				return most
			}
			must(t, err)
			most = max(most, uint64(cap(p.nodes.ids.Ints)*8+cap(p.scores[0].values)*4+cap(p.graphs.dict.Ints)*8+cap(p.graphs.ends)*8))
		}
	}
	if small, large := held(4_000), held(40_000); large > 2*small {
		t.Errorf("%d bytes are held, %d of a tenth", large, small)
	}
}

func TestForeignAndBrokenParts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, want := range map[string]string{
		"none":   "no such file",
		"folder": "it is not a file",
		"letter": "it is not a whole Parquet file",
	} {
		path := filepath.Join(dir, name)
		_ = os.Mkdir(filepath.Join(dir, "folder"), 0o777)
		must(t, os.WriteFile(filepath.Join(dir, "letter"), []byte("Dear reader, this is no part."), 0o666))
		_, err := OpenPart(path)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestQuarantineReader(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t.TempDir())
	s := makeShard("a", 200, cfg, false)
	must(t, s.commit(t.Context(), open(t, cfg), false))
	q, err := OpenQuarantine(cfg.Dir, "a.parquet", "a")
	must(t, err)
	defer q.Close()
	for i, g := range s.graphs {
		if g.reject == "" {
			continue
		}
		r, err := q.Next()
		must(t, err)
		want := graph.Rejection{GraphID: g.id, RowGroup: i / 10, Row: int64(i), Code: g.reject, Message: "<why> & \"what\"", Nodes: int64(len(g.scores)), Edges: 5}
		if diff := cmp.Diff(want, r); diff != "" {
			t.Fatal(diff)
		}
	}
	if _, err := q.Next(); err != io.EOF {
		t.Fatal(err)
	}
}

func TestQuarantineReaderBroken(t *testing.T) {
	t.Parallel()
	line := string(quarantineLine("a", graph.Rejection{GraphID: int64(1), Row: 7, Code: graph.TooLarge}))
	for name, c := range map[string]struct{ content, want string }{
		"none":         {"", "EOF"},
		"cut":          {line[:20], "line 1: it is cut short"},
		"no JSON":      {line + "hello\n", "line 2: it is not the JSON"},
		"twice":        {line + line, "line 2: its row 7 does not come after row 7"},
		"another file": {strings.ReplaceAll(line, `"a"`, `"b"`), `it is about "b"`},
		"no code":      {strings.ReplaceAll(line, "too_large", ""), "it has no code"},
		"fraction":     {strings.ReplaceAll(line, `"graph_id":1`, `"graph_id":1.5`), "graph_id is not an integer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			must(t, os.Mkdir(filepath.Join(dir, quarantineDir), 0o777))
			must(t, os.WriteFile(filepath.Join(dir, quarantineDir, "a.parquet.jsonl"), []byte(c.content), 0o666))
			q, err := OpenQuarantine(dir, "a.parquet", "a")
			must(t, err)
			defer q.Close()
			for err == nil {
				_, err = q.Next()
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Error(err)
			}
		})
	}
}

func TestInventory(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t.TempDir())
	o := open(t, cfg)
	must(t, makeShard("x/a", 40, cfg, false).commit(t.Context(), o, false))
	must(t, o.WriteRecord(&RunRecord{RunID: cfg.RunID}))
	for _, name := range []string{".graphscore-3.tmp", "x/note.txt", "_quarantine/b.parquet.jsonl", "_runs/other", "c.parquet", "_SUCCESS", ".d.parquet"} {
		must(t, os.WriteFile(filepath.Join(cfg.Dir, name), nil, 0o666))
	}
	got, err := TakeInventory(t.Context(), cfg.Dir)
	must(t, err)
	want := &Inventory{
		Parts: []string{"c.parquet", "x/a.parquet"}, Quarantines: []string{"b.parquet", "x/a.parquet"}, Temporary: []string{".graphscore-3.tmp"},
		Foreign: []string{".d.parquet", "_runs/other", "x/note.txt"}, Records: 1, Success: true, Lock: true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	var io *IOError
	if _, err := TakeInventory(t.Context(), cfg.Dir+"/none"); !errors.As(err, &io) {
		t.Error(err)
	}
}
