package writers

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"graphscore/pipeline/graph"
	"graphscore/writers/part"
)

// readBack reads a part as rows of any values, in the form of table.
func readBack(t testing.TB, path string) (columns [][]any, err error) {
	t.Helper()
	p, err := part.Open(path)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	ids := len(graph.IDColumns(p.Level()))
	width := p.ReadEmbedding()
	columns = make([][]any, ids+len(p.Outputs())+min(width, 1))
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
			for k := range b.NodeIDs {
				columns[1+k] = append(columns[1+k], b.NodeIDs[k].Value(i))
			}
			for k, s := range b.Scores {
				columns[ids+k] = append(columns[ids+k], s[i])
			}
			if width > 0 {
				last := len(columns) - 1
				columns[last] = append(columns[last], slices.Clone(b.Embedding[i*width:(i+1)*width]))
			}
		}
		rows += int64(b.Rows())
	}
	if rows != p.Footer().RowsOut {
		t.Fatalf("%d rows of %d", rows, p.Footer().RowsOut)
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
		level         graph.Level
	}{
		{"integers", graph.Int64, graph.Int64, 1, false, 200, graph.NodeLevel},
		{"texts", graph.String, graph.String, 3, true, 200, graph.NodeLevel},
		{"numbered texts", graph.String, graph.String, 1, false, 90, graph.NodeLevel},
		{"own integers", graph.String, graph.Int64, 2, true, 120, graph.NodeLevel},
		{"nothing", graph.Int64, graph.Int64, 1, false, 0, graph.NodeLevel},
		{"edges", graph.Int64, graph.Int64, 2, false, 200, graph.EdgeLevel},
		{"edges of texts", graph.String, graph.String, 1, true, 200, graph.EdgeLevel},
		{"graphs", graph.Int64, graph.String, 2, false, 400, graph.GraphLevel},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cfg := atLevel(kinds(testConfig(t.TempDir()), c.graphs, c.nodes, c.outputs), c.level)
			s := makeShard("a", c.count, cfg, c.own)
			must(t, s.commit(t.Context(), open(t, cfg), c.own))
			path := filepath.Join(cfg.Dir, "a.parquet")
			_, want, _ := table(t, path)
			got, err := readBack(t, path)
			must(t, err)
			if diff := differ(want, got); diff != "" {
				t.Error(diff)
			}
			p, err := part.Open(path)
			must(t, err)
			defer p.Close()
			lo, hi, known := p.Range(0)
			for _, v := range want[len(want)-c.outputs] {
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
	for _, level := range []graph.Level{graph.NodeLevel, graph.EdgeLevel, graph.GraphLevel} {
		t.Run(level.String(), func(t *testing.T) {
			t.Parallel()
			mutate(t, level)
		})
	}
}

func mutate(t *testing.T, level graph.Level) {
	cfg := atLevel(kinds(testConfig(t.TempDir()), graph.String, graph.Int64, 2), level)
	must(t, makeShard("a", 60, cfg, false).commit(t.Context(), open(t, cfg), false))
	path := filepath.Join(cfg.Dir, "a.parquet")
	whole, err := os.ReadFile(path)
	must(t, err)
	want, err := readBack(t, path)
	must(t, err)
	r := rand.New(rand.NewPCG(3, 4))
	silent, pages := 0, bytes.Index(whole, []byte("schema"))
	file := filepath.Join(t.TempDir(), "m.parquet")
	for range 700 / stride {
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
		var damaged *part.DamagedError
		switch {
		case err == nil && !reflect.DeepEqual(want, got):
			silent++
		case err == nil, errors.Is(err, part.ErrForeign):
		case !errors.As(err, &damaged) || !strings.Contains(err.Error(), "m.parquet"):
			t.Fatalf("%v", err)
		}
	}
	if silent > 0 {
		t.Errorf("%d mutations changed rows unnoticed", silent)
	}
}

func TestQuarantineReader(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t.TempDir())
	s := makeShard("a", 200, cfg, false)
	must(t, s.commit(t.Context(), open(t, cfg), false))
	q, err := NewView(cfg.Dir).Quarantine("a.parquet", "a")
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
