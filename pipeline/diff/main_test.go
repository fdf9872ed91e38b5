package diff

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"graphscore/pipeline/graph"
	"graphscore/writers"
	"graphscore/writers/part"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// g is a graph of an output.
type g struct {
	id     string   // made an integer where the output has integers
	nodes  []string // nil: numbered
	scores [][]float32
	edges  [][2]uint32 // source and target of each, of up to 9 nodes, where scores are those of edges
}

// one is a graph with numbered nodes and one output.
func one(id string, scores ...float32) g {
	out := g{id: id}
	for _, s := range scores {
		out.scores = append(out.scores, []float32{s})
	}
	return out
}

// written is a part by its input and first row group.
type written struct {
	input  string
	first  int
	name   string // default: the input
	graphs []g
}

// world makes outputs.
type world struct {
	graphs, nodes graph.IDKind
	outputs       []string
	level         graph.Level
}

// texts has ids that are texts, one output.
var texts = world{graphs: graph.String, nodes: graph.Int64, outputs: []string{"score"}}

// write makes an output of parts and gives its folder.
func (w world) write(t testing.TB, parts ...written) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "out")
	w.into(t, dir, parts...)
	return dir
}

// into adds parts to an output.
func (w world) into(t testing.TB, dir string, parts ...written) {
	t.Helper()
	o, err := writers.Open(t.Context(), writers.Config{
		Dir: dir,
		Now: func() time.Time { return time.Date(2026, 11, 22, 14, 25, 0, 0, time.UTC) },
	})
	must(t, err)
	defer o.Close()
	for _, p := range parts {
		w.part(t, o, p)
	}
}

func (w world) part(t testing.TB, o *writers.Output, p written) {
	t.Helper()
	if p.name == "" {
		p.name = p.input
	}
	out, err := o.Create(t.Context(), part.Spec{
		Part: p.name + ".parquet", Input: p.input, Fingerprint: "fast:0", FirstGroup: p.first, LastGroup: p.first, Rows: int64(len(p.graphs)), Model: "m",
	}, w.contents())
	must(t, err)
	defer out.Close()
	for _, g := range p.graphs {
		b, s := w.batch(g)
		must(t, out.Write(t.Context(), b, s))
	}
	must(t, out.Commit(t.Context()))
}

func (w world) contents() part.Contents {
	settings := part.Settings{Outputs: w.outputs, GraphID: w.graphs.String(), NodeID: w.nodes.String()}
	return part.Contents{
		Level: w.level, GraphIDs: w.graphs, NodeIDs: w.nodes, Outputs: w.outputs,
		Settings: settings.OfModel(&graph.Model{Level: w.level, Inputs: graph.Inputs{Weights: true}}),
	}
}

// batch is a batch of one graph.
func (w world) batch(g g) (*graph.Batch, *graph.Scores) {
	nodes := len(g.scores)
	if w.level != graph.NodeLevel {
		nodes = 9
	}
	b := &graph.Batch{
		IDs: graph.IDs{Kind: w.graphs}, NodeOffsets: []uint32{0, uint32(nodes)}, EdgeOffsets: []uint32{0, uint32(len(g.edges))},
		InDegree: make([]uint32, nodes), RowGroups: []int32{0}, Rows: []int64{0},
	}
	addID(&b.IDs, g.id)
	if g.nodes != nil {
		b.NodeIDs = &graph.IDs{Kind: w.nodes}
	}
	for _, id := range g.nodes {
		addID(b.NodeIDs, id)
	}
	s := &graph.Scores{Level: w.level, Outputs: len(w.outputs)}
	for target := range b.InDegree {
		for i, e := range g.edges {
			if int(e[1]) == target {
				b.InDegree[target]++
				b.Sources, b.EdgeRows = append(b.Sources, e[0]), append(b.EdgeRows, uint32(i))
				s.Values = append(s.Values, g.scores[i]...)
			}
		}
	}
	if len(g.edges) > 0 {
		return b, s
	}
	for _, row := range g.scores {
		s.Values = append(s.Values, row...)
	}
	return b, s
}

func addID(ids *graph.IDs, id string) {
	if ids.Kind == graph.String {
		ids.AppendBytes([]byte(id))
		return
	}
	var n int64
	if _, err := fmt.Sscan(id, &n); err != nil {
		panic(err)
	}
	ids.AppendInt(n)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func compare(t *testing.T, cfg Config) *Report {
	t.Helper()
	cfg.Temp = t.TempDir()
	r, err := Compare(t.Context(), cfg)
	must(t, err)
	left, err := filepath.Glob(cfg.Temp + "/*")
	if err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %v %v", left, err)
	}
	return r
}
