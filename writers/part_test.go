package writers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"graphscore/pipeline/graph"
	"graphscore/writers/atomic/atomictest"
	"graphscore/writers/part"
)

// expected is what a part of the shard must hold, column by column.
func (s shard) expected(cfg setup) (names []string, columns [][]any) {
	column := map[graph.IDKind]string{graph.Int64: "int64", graph.String: "utf8"}
	ids := graph.IDColumns(cfg.Level)
	names = []string{ids[0] + ":" + column[cfg.GraphIDs]}
	for _, name := range ids[1:] {
		names = append(names, name+":"+column[cfg.NodeIDs])
	}
	for _, o := range cfg.Outputs {
		names = append(names, o+":float32")
	}
	if cfg.Embedding > 0 {
		names = append(names, graph.EmbeddingColumn+":fixed_size_list")
	}
	columns = make([][]any, len(names))
	for _, g := range s.graphs {
		if g.reject != "" {
			continue
		}
		for n, row := range g.scores {
			values := []any{g.id}
			switch cfg.Level {
			case graph.NodeLevel:
				values = append(values, g.node(cfg, n))
			case graph.EdgeLevel:
				values = append(values, g.node(cfg, g.edges[n][0]), g.node(cfg, g.edges[n][1]))
			}
			for _, v := range row {
				values = append(values, v)
			}
			if cfg.Embedding > 0 {
				values = append(values, embeddingOf(row, cfg.Embedding))
			}
			for i, v := range values {
				columns[i] = append(columns[i], v)
			}
		}
	}
	return names, columns
}

// node is what a part calls a node.
func (g *scored) node(cfg setup, n int) any {
	switch {
	case g.nodeIDs != nil:
		return g.nodeIDs[n]
	case cfg.NodeIDs == graph.String:
		return fmt.Sprint(n)
	default:
		return int64(n)
	}
}

func TestPartRoundTrip(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name          string
		graphs, nodes graph.IDKind
		outputs       int
		own           bool
		count         int
		big           bool
		level         graph.Level
	}{
		{"numbers", graph.Int64, graph.Int64, 1, false, 60, false, graph.NodeLevel},
		{"own numbers", graph.Int64, graph.Int64, 3, true, 60, false, graph.NodeLevel},
		{"texts", graph.String, graph.String, 2, true, 60, false, graph.NodeLevel},
		{"numbered texts", graph.String, graph.String, 1, false, 60, false, graph.NodeLevel},
		{"text and number", graph.String, graph.Int64, 1, true, 60, false, graph.NodeLevel},
		{"one graph", graph.Int64, graph.Int64, 1, false, 1, false, graph.NodeLevel},
		{"no graphs", graph.String, graph.Int64, 2, false, 0, false, graph.NodeLevel},
		{"real blocks", graph.String, graph.Int64, 1, false, 5000, true, graph.NodeLevel},
		{"edges of numbers", graph.Int64, graph.Int64, 1, false, 60, false, graph.EdgeLevel},
		{"edges of own numbers", graph.String, graph.Int64, 3, true, 60, false, graph.EdgeLevel},
		{"edges of texts", graph.Int64, graph.String, 2, true, 60, false, graph.EdgeLevel},
		{"edges of numbered texts", graph.String, graph.String, 1, false, 60, false, graph.EdgeLevel},
		{"no edges", graph.String, graph.Int64, 2, false, 0, false, graph.EdgeLevel},
		{"real blocks of edges", graph.String, graph.Int64, 1, false, 5000, true, graph.EdgeLevel},
		{"graphs of numbers", graph.Int64, graph.Int64, 1, false, 600, false, graph.GraphLevel},
		{"graphs of texts", graph.String, graph.String, 3, true, 600, false, graph.GraphLevel},
		{"no graphs at level graph", graph.String, graph.Int64, 2, false, 0, false, graph.GraphLevel},
		{"real blocks of graphs", graph.Int64, graph.Int64, 1, false, 90_000, true, graph.GraphLevel},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cfg := atLevel(kinds(testConfig(t.TempDir()), tc.graphs, tc.nodes, tc.outputs), tc.level)
			if tc.big {
				cfg.sizes.BlockRows, cfg.sizes.GroupBytes = 0, 500_000
			}
			o := open(t, cfg)
			s := makeShard("sub/a", tc.count, cfg, tc.own)
			must(t, s.commit(t.Context(), o, tc.own))
			path := filepath.Join(cfg.Dir, "sub", "a.parquet")
			names, columns, groups := table(t, path)
			wantNames, want := s.expected(cfg)
			if d := cmp.Diff(wantNames, names); d != "" {
				t.Fatal(d)
			}
			if d := differ(want, columns); d != "" {
				t.Error(d)
			}
			if tc.count > 50 && groups < 2 {
				t.Errorf("there are %d row groups, the case wants several", groups)
			}
			checkLedger(t, path, s, int64(len(want[0])))
		})
	}
}

func checkLedger(t *testing.T, path string, s shard, rows int64) {
	t.Helper()
	l, err := part.ReadFooter(path)
	must(t, err)
	quarantined, codes := int64(0), map[string]int64{}
	nodes := int64(0)
	for _, g := range s.graphs {
		switch {
		case g.reject != "":
			quarantined++
			codes[string(g.reject)]++
		case l.Level() == graph.NodeLevel:
			nodes += int64(len(g.scores))
		default:
			nodes += int64(g.nodes)
		}
	}
	if d := cmp.Diff(s.spec, l.Spec); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(codes, l.Codes); d != "" {
		t.Error(d)
	}
	if l.RowsOut != rows || l.Nodes != nodes || l.Quarantined != quarantined || l.RowsIn != s.spec.Rows || l.Scored+quarantined != l.RowsIn {
		t.Errorf("ledger %+v, want %d rows, %d nodes and %d quarantined", l, rows, nodes, quarantined)
	}
}

func TestPartBytesDoNotDependOnCuts(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name          string
		graphs, nodes graph.IDKind
		outputs       int
		own           bool
		level         graph.Level
	}{
		{"numbers", graph.Int64, graph.Int64, 1, false, graph.NodeLevel},
		{"texts", graph.String, graph.String, 3, true, graph.NodeLevel},
		{"edges of numbers", graph.Int64, graph.Int64, 1, false, graph.EdgeLevel},
		{"edges of texts", graph.String, graph.String, 3, true, graph.EdgeLevel},
		{"graphs", graph.String, graph.Int64, 2, true, graph.GraphLevel},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cfg := atLevel(kinds(testConfig(t.TempDir()), tc.graphs, tc.nodes, tc.outputs), tc.level)
			cfg.Disk, cfg.sizes.GroupBytes = atomictest.Quick, 4000
			o := open(t, cfg)
			s := makeShard("a", 80, cfg, tc.own)
			must(t, s.commit(t.Context(), o, tc.own))
			want := tree(t, cfg.Dir)
			if len(want) != 2 {
				t.Fatalf("%d files, want a part and its quarantine file", len(want))
			}
			rapid.Check(t, func(rt *rapid.T) {
				var cuts []int
				for at := 0; ; {
					if at += rapid.IntRange(0, 30).Draw(rt, "step"); at >= len(s.graphs) {
						break
					}
					cuts = append(cuts, at)
				}
				if err := s.commit(t.Context(), o, tc.own, cuts...); err != nil {
					rt.Fatal(err)
				}
				if d := differ(want, tree(t, cfg.Dir)); d != "" {
					rt.Fatalf("cuts %v give other bytes", cuts)
				}
			})
		})
	}
}

// manyNodes is two pages more than the largest graph whose node numbers are packed.
const manyNodes = 1<<16 + 2*16<<10

// TestPackedAndPlainNumbers has a graph of more nodes than a dictionary numbers among small ones: packed pages stand
// beside plain ones, and both readers give what was written, whatever the cuts.
func TestPackedAndPlainNumbers(t *testing.T) {
	t.Parallel()
	cfg := kinds(testConfig(t.TempDir()), graph.Int64, graph.Int64, 1)
	cfg.sizes.BlockRows, cfg.sizes.GroupBytes, cfg.Disk = 0, 0, atomictest.Quick
	o := open(t, cfg)
	s := makeShard("a", 4, cfg, false)
	s.graphs[1].reject, s.graphs[1].failed = "", false
	for n := range manyNodes {
		s.graphs[1].scores = append(s.graphs[1].scores, []float32{float32(n)})
	}
	must(t, s.commit(t.Context(), o, false))
	path := filepath.Join(cfg.Dir, "a.parquet")
	_, want := s.expected(cfg)
	_, columns, _ := table(t, path)
	back, err := readBack(t, path)
	must(t, err)
	for reader, got := range map[string][][]any{"arrow": columns, "ours": back} {
		if !slices.EqualFunc(got, want, slices.Equal) {
			t.Errorf("%s gives other rows", reader)
		}
	}
	bytes := tree(t, cfg.Dir)
	must(t, s.commit(t.Context(), o, false, 1, 2))
	if !maps.Equal(bytes, tree(t, cfg.Dir)) {
		t.Error("other cuts give other bytes")
	}
	r, err := file.OpenParquetFile(path, false)
	must(t, err)
	defer r.Close()
	chunk, err := r.MetaData().RowGroup(0).ColumnChunk(1)
	must(t, err)
	var pages []parquet.Encoding
	for _, e := range chunk.EncodingStats() {
		pages = append(pages, e.Encoding)
	}
	if !slices.Contains(pages, parquet.Encodings.Plain) || !slices.Contains(pages, parquet.Encodings.RLEDict) {
		t.Errorf("the pages of node ids are encoded as %v, not in both ways", pages)
	}
}

// TestManyEdges has a graph whose edges take many blocks, and are brought into their order in several windows.
func TestManyEdges(t *testing.T) {
	t.Parallel()
	cfg := atLevel(kinds(testConfig(t.TempDir()), graph.Int64, graph.String, 2), graph.EdgeLevel)
	cfg.Disk = atomictest.Quick
	o := open(t, cfg)
	s := makeShard("a", 4, cfg, true)
	g := &s.graphs[1]
	g.reject, g.nodes, g.nodeIDs, g.edges, g.scores = "", 300, nil, nil, nil
	for n := range g.nodes {
		g.nodeIDs = append(g.nodeIDs, fmt.Sprint("node", n))
	}
	for i := range 5000 {
		g.edges = append(g.edges, [2]int{i * 7 % g.nodes, i * i % g.nodes})
		g.scores = append(g.scores, []float32{float32(i), -float32(i)})
	}
	must(t, s.commit(t.Context(), o, true))
	path := filepath.Join(cfg.Dir, "a.parquet")
	_, want := s.expected(cfg)
	_, columns, _ := table(t, path)
	back, err := readBack(t, path)
	must(t, err)
	for reader, got := range map[string][][]any{"arrow": columns, "ours": back} {
		if !slices.EqualFunc(got, want, slices.Equal) {
			t.Errorf("%s gives other rows", reader)
		}
	}
}

func TestPartBytesDoNotDependOnNeighboursOrRun(t *testing.T) {
	t.Parallel()
	write := func(runID string, neighbours int) map[string]string {
		cfg := kinds(testConfig(t.TempDir()), graph.String, graph.Int64, 1)
		cfg.RunID = runID
		o := open(t, cfg)
		var parts []*Part
		for i := range neighbours {
			s := makeShard(fmt.Sprint("other", i), 10, cfg, false)
			p, err := o.Create(t.Context(), s.spec)
			must(t, err)
			must(t, s.write(t.Context(), p, cfg, false, nil))
			parts = append(parts, p)
		}
		must(t, makeShard("a", 50, cfg, false).commit(t.Context(), o, false))
		for _, p := range parts {
			must(t, p.Close())
		}
		return tree(t, cfg.Dir)
	}
	if d := cmp.Diff(write("20260101T000000Z-aaaaaaaa", 0), write("20270101T000000Z-bbbbbbbb", 3)); d != "" {
		t.Error(d)
	}
}

func TestPartsSideBySide(t *testing.T) {
	t.Parallel()
	one, many := testConfig(t.TempDir()), testConfig(t.TempDir())
	one.Disk, many.Disk = atomictest.Quick, atomictest.Quick
	first, second := open(t, one), open(t, many)
	var g errgroup.Group
	for i := range 12 {
		s := makeShard(fmt.Sprintf("d%d/e/%d", i%2, i), 30, one, false)
		must(t, s.commit(t.Context(), first, false))
		g.Go(func() error { return s.commit(t.Context(), second, false) })
	}
	must(t, g.Wait())
	if d := cmp.Diff(tree(t, one.Dir), tree(t, many.Dir)); d != "" {
		t.Error(d)
	}
}

func TestTextThatIsNotUTF8(t *testing.T) {
	t.Parallel()
	cfg := kinds(testConfig(t.TempDir()), graph.String, graph.String, 1)
	o := open(t, cfg)
	s := shard{spec: part.Spec{Part: "a.parquet", Input: "a\xff", Rows: 1}}
	s.graphs = []scored{{id: "g\xff", nodeIDs: []any{"\xc3("}, scores: [][]float32{{1}}}}
	must(t, s.commit(t.Context(), o, true))
	_, columns, _ := table(t, filepath.Join(cfg.Dir, "a.parquet"))
	if d := cmp.Diff([][]any{{"g\uFFFD"}, {"\uFFFD("}, {float32(1)}}, columns); d != "" {
		t.Error(d)
	}
	r, err := o.Reconcile(t.Context(), []part.Spec{s.spec}, map[string]bool{"a\xff": true})
	must(t, err)
	if r.Decisions[0] != Skip {
		t.Errorf("decision %v, want skip", r.Decisions[0])
	}
}

func TestQuarantineFile(t *testing.T) {
	t.Parallel()
	cfg := testConfig(t.TempDir())
	o := open(t, cfg)
	p, err := o.Create(t.Context(), part.Spec{Part: "d/a.parquet", Input: "d/a.parquet", Rows: 3})
	must(t, err)
	for i, id := range []any{int64(7), "t<ä>\xff", nil} {
		must(t, p.Reject(t.Context(), graph.Rejection{GraphID: id, RowGroup: 1, Row: int64(10 + i), Code: graph.NullValue,
			Message: "a & b", Nodes: 4, Edges: 5}))
	}
	must(t, p.Commit(t.Context()))
	must(t, p.Close())
	got, err := os.ReadFile(filepath.Join(cfg.Dir, "_quarantine", "d", "a.parquet.jsonl"))
	must(t, err)
	want := `{"graph_id":7,"file":"d/a.parquet","row_group":1,"row":10,"code":"null_value","message":"a & b","nodes":4,"edges":5}
{"graph_id":"t<ä>\ufffd","file":"d/a.parquet","row_group":1,"row":11,"code":"null_value","message":"a & b","nodes":4,"edges":5}
{"graph_id":null,"file":"d/a.parquet","row_group":1,"row":12,"code":"null_value","message":"a & b","nodes":4,"edges":5}
`
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Error(d)
	}
	for line := range bytes.Lines(got) {
		if !json.Valid(line) {
			t.Errorf("not JSON: %s", line)
		}
	}
}

// misuse is a wrong use of a part of two rows, and what its error says.
type misuse struct {
	name, want string
	use        func(t *testing.T, p *Part) error
}

func misuses() []misuse {
	good := func(n int) (*graph.Batch, *graph.Scores) {
		s := shard{}
		for i := range n {
			s.graphs = append(s.graphs, scored{id: int64(i), scores: [][]float32{{1}, {2}}})
		}
		return s.batch(testConfig(""), false, 0, n)
	}
	return []misuse{
		{"too few rows", `got 1 scored and 0 quarantined graphs, but its shard has 2 rows`, func(t *testing.T, p *Part) error {
			b, s := good(1)
			must(t, p.Write(t.Context(), b, s))
			return p.Commit(t.Context())
		}},
		{"too many rows", `got 2 scored and 1 quarantined graphs, but its shard has 2 rows`, func(t *testing.T, p *Part) error {
			b, s := good(2)
			must(t, p.Write(t.Context(), b, s))
			must(t, p.Reject(t.Context(), graph.Rejection{Row: 9}))
			return p.Commit(t.Context())
		}},
		{"missing scores", "there are 3 scores of 1 outputs for 4 nodes", func(t *testing.T, p *Part) error {
			b, s := good(2)
			s.Values = s.Values[:3]
			return p.Write(t.Context(), b, s)
		}},
		{"another level", "scores are those of a graph, the rows those of a node", func(t *testing.T, p *Part) error {
			b, s := good(2)
			s.Level = graph.GraphLevel
			return p.Write(t.Context(), b, s)
		}},
		{"other ids", "graph ids are string, the column int64", func(t *testing.T, p *Part) error {
			b, s := good(1)
			b.IDs = graph.IDs{Kind: graph.String, Bytes: []byte("a"), Offsets: []uint32{0, 1}}
			return p.Write(t.Context(), b, s)
		}},
		{"failure that is no graph", "failed graph 5 is not in the batch", func(t *testing.T, p *Part) error {
			b, s := good(2)
			s.Failed = []graph.Failure{{Graph: 5}}
			return p.Write(t.Context(), b, s)
		}},
		{"not finite", "a score of output 0 is not finite", func(t *testing.T, p *Part) error {
			b, s := good(2)
			s.Values[1] = float32(math.Inf(1))
			must(t, p.Write(t.Context(), b, s))
			return p.Commit(t.Context())
		}},
		{"rows that fall", "row 3 was rejected after row 3", func(t *testing.T, p *Part) error {
			must(t, p.Reject(t.Context(), graph.Rejection{Row: 3}))
			return p.Reject(t.Context(), graph.Rejection{Row: 3})
		}},
	}
}

func TestPartRefuses(t *testing.T) {
	t.Parallel()
	for _, tc := range misuses() {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cfg := testConfig(t.TempDir())
			o := open(t, cfg)
			p, err := o.Create(t.Context(), part.Spec{Part: "a.parquet", Rows: 2})
			must(t, err)
			err = tc.use(t, p)
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), `"a.parquet"`) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
			if again := p.Commit(t.Context()); again == nil {
				t.Error("a part that failed can be committed")
			}
			must(t, p.Close())
			must(t, p.Close())
			if files := tree(t, cfg.Dir); len(files) != 0 {
				t.Errorf("left behind: %v", files)
			}
		})
	}
}

func TestPartAfterTheEnd(t *testing.T) {
	t.Parallel()
	o := open(t, testConfig(t.TempDir()))
	p, err := o.Create(t.Context(), part.Spec{Part: "a.parquet"})
	must(t, err)
	must(t, p.Commit(t.Context()))
	if err := p.Commit(t.Context()); !errors.Is(err, errClosed) {
		t.Errorf("second Commit: %v", err)
	}
	if err := p.Reject(t.Context(), graph.Rejection{}); !errors.Is(err, errClosed) {
		t.Errorf("Reject: %v", err)
	}
	must(t, p.Close())
}
