package writers

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"graphscore/pipeline/graph"
	"graphscore/writers/part"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func init() {
	if err := flag.Set("rapid.checks", strconv.Itoa(100/stride)); err != nil {
		panic(err)
	}
}

// differ returns how got differs from want. Most tables here are the same, which cmp takes ten times as long to see.
func differ(want, got any) string {
	if reflect.DeepEqual(want, got) {
		return ""
	}
	return cmp.Diff(want, got)
}

// shard is what one part is made from: graphs, of which some fail in the scorer and some never get there.
type shard struct {
	spec   part.Spec
	graphs []scored
}

type scored struct {
	id      any
	nodeIDs []any       // nil: numbered
	scores  [][]float32 // one row a node, edge or graph
	nodes   int         // where scores are not those of nodes
	edges   [][2]int    // source and target of each, where scores are those of edges
	reject  graph.Code  // not empty: quarantined
	failed  bool        // the rejection comes out of the scorer
}

// testConfig has the settings of all tests; small blocks and row groups make few rows enough.
func testConfig(dir string) setup {
	return setup{
		Config: Config{
			Dir:   dir,
			RunID: "20261122T142500Z-00000001",
			Now:   func() time.Time { return time.Date(2026, 11, 22, 14, 25, 0, 0, time.UTC) },
			sizes: part.Sizes{BlockRows: 16, GroupBytes: 600},
		},
		Contents: part.Contents{
			Outputs: []string{"score"}, GraphIDs: graph.Int64, NodeIDs: graph.Int64,
			Settings: part.Settings{Layout: "rows", Protocol: "native", FeatureWidth: 4, ScoringVersion: 1},
		},
	}
}

// setup is an output and what its parts hold.
type setup struct {
	Config
	part.Contents
	Rescore  bool
	OnOrphan OnOrphan
}

// plan is the plan of these parts.
func (s setup) plan(specs []part.Spec, inputs map[string]bool) Plan {
	return Plan{Contents: s.Contents, Specs: specs, Inputs: inputs, Rescore: s.Rescore, OnOrphan: s.OnOrphan}
}

// opened is an output with its setup.
type opened struct {
	*Output
	cfg setup
}

func (o opened) Create(ctx context.Context, spec part.Spec) (*Part, error) {
	return o.Output.Create(ctx, spec, o.cfg.Contents)
}

func (o opened) Reconcile(ctx context.Context, specs []part.Spec, inputs map[string]bool) (*Reconciled, error) {
	return o.Output.Reconcile(ctx, o.cfg.plan(specs, inputs))
}

// kinds makes a config of the kinds of ids and a number of outputs.
func kinds(cfg setup, graphs, nodes graph.IDKind, outputs int) setup {
	cfg.GraphIDs, cfg.NodeIDs, cfg.Outputs = graphs, nodes, nil
	for i := range outputs {
		cfg.Outputs = append(cfg.Outputs, fmt.Sprintf("out_%d", i))
	}
	return cfg
}

// atLevel makes a config of a level.
func atLevel(cfg setup, level graph.Level) setup {
	cfg.Level = level
	cfg.Settings = cfg.Settings.OfModel(&graph.Model{Level: level, Inputs: graph.Inputs{Weights: true}})
	return cfg
}

// embedded makes a config with an embedding of so many values a row, none for 0.
func embedded(cfg setup, width int) setup {
	if cfg.Embedding = width; width > 0 {
		cfg.Settings.Embed = "h1"
	}
	return cfg
}

// embeddingOf is the embedding of a row of scores.
func embeddingOf(row []float32, width int) []float32 {
	values := make([]float32, width)
	for i := range values {
		values[i] = row[0] * float32(i+1)
	}
	return values
}

// makeShard makes graphs of 0 to 40 nodes and, where scores are those of edges, as many edges or none, some of them loops
// or there more than once; about one in ten is rejected.
func makeShard(name string, graphs int, cfg setup, ownNodeIDs bool) shard {
	r := rand.New(rand.NewPCG(uint64(graphs), 7))
	s := shard{spec: part.Spec{
		Part: name + ".parquet", Input: name, Fingerprint: "fast:" + name, LastGroup: 3, Rows: int64(graphs), Model: "sha256:m",
	}}
	for i := range graphs {
		g := scored{id: any(int64(i * 3))}
		if cfg.GraphIDs == graph.String {
			g.id = fmt.Sprintf("graph-%d", i)
		}
		for n := range r.IntN(41) {
			row := make([]float32, len(cfg.Outputs))
			for k := range row {
				row[k] = r.Float32() - 0.5
			}
			g.scores = append(g.scores, row)
			if ownNodeIDs && cfg.NodeIDs == graph.String {
				g.nodeIDs = append(g.nodeIDs, fmt.Sprintf("n%d/%d", i, n))
			} else if ownNodeIDs {
				g.nodeIDs = append(g.nodeIDs, int64(100-n))
			}
		}
		if cfg.Level != graph.NodeLevel {
			g.nodes = len(g.scores)
			g.scores = g.scores[:min(g.nodes, 1)]
		}
		if cfg.Level == graph.EdgeLevel && g.nodes > 0 {
			g.scores = nil
			for range r.IntN(41) {
				row := make([]float32, len(cfg.Outputs))
				for k := range row {
					row[k] = r.Float32() - 0.5
				}
				g.edges, g.scores = append(g.edges, [2]int{r.IntN(g.nodes), r.IntN(g.nodes)}), append(g.scores, row)
			}
		}
		switch r.IntN(20) {
		case 0:
			g.reject = graph.NonFiniteFeature
		case 1:
			g.reject, g.failed = graph.NonFiniteScore, true
		}
		s.graphs = append(s.graphs, g)
	}
	return s
}

// batch puts graphs into a batch; rejected ones that never reach the scorer are left out.
func (s shard) batch(cfg setup, ownNodeIDs bool, from, to int) (*graph.Batch, *graph.Scores) {
	b := &graph.Batch{IDs: graph.IDs{Kind: cfg.GraphIDs}, NodeOffsets: []uint32{0}, EdgeOffsets: []uint32{0}}
	if ownNodeIDs {
		b.NodeIDs = &graph.IDs{Kind: cfg.NodeIDs}
	}
	sc := &graph.Scores{Level: cfg.Level, Outputs: len(cfg.Outputs), EmbeddingWidth: cfg.Embedding}
	if cfg.Level == graph.EdgeLevel {
		b.EdgeRows = []uint32{}
	}
	for i := from; i < to; i++ {
		g := s.graphs[i]
		if g.reject != "" && !g.failed {
			continue
		}
		if g.failed {
			sc.Failed = append(sc.Failed, graph.Failure{Graph: b.Graphs(), Code: g.reject})
		}
		appendID(&b.IDs, g.id)
		for _, id := range g.nodeIDs {
			appendID(b.NodeIDs, id)
		}
		first, nodes := b.Nodes(), g.nodes
		if cfg.Level == graph.NodeLevel {
			nodes = len(g.scores)
		}
		b.InDegree = append(b.InDegree, make([]uint32, nodes)...)
		rows := g.scores
		switch {
		case cfg.Level == graph.EdgeLevel:
			rows = g.batchEdges(b, first)
		case cfg.Level == graph.GraphLevel && nodes == 0:
			rows = [][]float32{make([]float32, len(cfg.Outputs))} // means nothing
		}
		for _, row := range rows {
			sc.Values, sc.Embedding = append(sc.Values, row...), append(sc.Embedding, embeddingOf(row, cfg.Embedding)...)
		}
		b.NodeOffsets = append(b.NodeOffsets, uint32(b.Nodes()))
		b.EdgeOffsets = append(b.EdgeOffsets, uint32(b.Edges()))
		b.RowGroups, b.Rows = append(b.RowGroups, 0), append(b.Rows, int64(i))
	}
	return b, sc
}

// batchEdges puts the edges into a batch, grouped by target, and returns their scores in that order.
func (g *scored) batchEdges(b *graph.Batch, first int) (rows [][]float32) {
	for target := range g.nodes {
		for i, e := range g.edges {
			if e[1] == target {
				b.InDegree[first+target]++
				b.Sources, b.EdgeRows = append(b.Sources, uint32(first+e[0])), append(b.EdgeRows, uint32(i))
				rows = append(rows, g.scores[i])
			}
		}
	}
	return rows
}

func appendID(ids *graph.IDs, v any) {
	switch v := v.(type) {
	case int64:
		ids.AppendInt(v)
	case string:
		ids.AppendBytes([]byte(v))
	}
}

// write gives a part the shard in calls that end at the cuts, and the rejections of each range after its rows.
func (s shard) write(ctx context.Context, p *Part, cfg setup, ownNodeIDs bool, cuts []int) error {
	from := 0
	for _, to := range append(cuts, len(s.graphs)) {
		b, sc := s.batch(cfg, ownNodeIDs, from, to)
		if err := p.Write(ctx, b, sc); err != nil {
			return err
		}
		for i := from; i < to; i++ {
			g := s.graphs[i]
			if g.reject == "" {
				continue
			}
			r := graph.Rejection{GraphID: g.id, RowGroup: i / 10, Row: int64(i), Code: g.reject,
				Message: "<why> & \"what\"", Nodes: int64(len(g.scores)), Edges: 5}
			if err := p.Reject(ctx, r); err != nil {
				return err
			}
		}
		from = to
	}
	return nil
}

// commit makes the whole part.
func (s shard) commit(ctx context.Context, o opened, ownNodeIDs bool, cuts ...int) (err error) {
	p, err := o.Create(ctx, s.spec)
	if err != nil {
		return err
	}
	defer func() {
		if closing := p.Close(); err == nil {
			err = closing
		}
	}()
	if err := s.write(ctx, p, o.cfg, ownNodeIDs, cuts); err != nil {
		return err
	}
	return p.Commit(ctx)
}

func open(t testing.TB, cfg setup) opened {
	t.Helper()
	o, err := Open(t.Context(), cfg.Config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	return opened{o, cfg}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// table reads a part with arrow's own reader, nothing of ours.
func table(t *testing.T, path string) (names []string, columns [][]any, groups int) {
	t.Helper()
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	data, err := os.Open(path)
	must(t, err)
	defer data.Close()
	pf, err := file.NewParquetReader(data, file.WithReadProps(parquet.NewReaderProperties(mem)))
	must(t, err)
	fr, err := pqarrow.NewFileReader(pf, pqarrow.ArrowReadProperties{}, mem)
	must(t, err)
	tbl, err := fr.ReadTable(t.Context())
	must(t, err)
	defer tbl.Release()
	for i := range int(tbl.NumCols()) {
		c := tbl.Column(i)
		if c.Field().Nullable != (c.Name() == graph.EmbeddingColumn) {
			t.Errorf("column %s: nullable is %t", c.Name(), c.Field().Nullable)
		}
		names = append(names, c.Name()+":"+c.DataType().Name())
		var values []any
		for _, chunk := range c.Data().Chunks() {
			values = append(values, valuesOf(chunk)...)
		}
		columns = append(columns, values)
	}
	return names, columns, pf.NumRowGroups()
}

func valuesOf(a arrow.Array) (out []any) {
	for i := range a.Len() {
		switch a := a.(type) {
		case *array.Int64:
			out = append(out, a.Value(i))
		case *array.Float32:
			out = append(out, a.Value(i))
		case *array.String:
			out = append(out, string([]byte(a.Value(i))))
		case *array.FixedSizeList:
			from, to := a.ValueOffsets(i)
			out = append(out, slices.Clone(a.ListValues().(*array.Float32).Float32Values()[from:to]))
		}
	}
	return out
}

// tree is every file below dir that is part of the result: parts, quarantine files and _SUCCESS.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	must(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == lockName {
			return err
		}
		content, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		out[filepath.ToSlash(name)] = string(content)
		return err
	}))
	return out
}
