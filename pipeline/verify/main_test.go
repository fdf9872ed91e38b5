package verify

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"graphscore/pipeline"
	"graphscore/pipeline/graph"
	"graphscore/writers"
	"graphscore/writers/part"
	"graphscore/writers/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// one is a graph of the input, and what became of it.
type one struct {
	id     int64
	nodes  int
	read   graph.Code // not empty: the reader rejects it
	scored graph.Code // not empty: the scorer does
}

// batch makes a batch of graphs that begin at a row. Node n of graph i has the feature 100 i + n, which is also
// its score, and an edge from the next node, whose places in the input are from behind.
func batch(row int64, graphs []one) *graph.Batch {
	b := &graph.Batch{NodeOffsets: []uint32{0}, EdgeOffsets: []uint32{0}, Width: 1, Weights: []float32{}}
	for i, g := range graphs {
		at := row + int64(i)
		if g.read != "" {
			b.Rejected = append(b.Rejected, graph.Rejection{
				GraphID: g.id, Row: at, Code: g.read, Message: "why", Nodes: int64(g.nodes), Edges: int64(g.nodes),
			})
			continue
		}
		b.IDs.AppendInt(g.id)
		base := uint32(b.Nodes())
		for n := range g.nodes {
			b.Features = append(b.Features, float32(100*g.id+int64(n)))
			b.InDegree = append(b.InDegree, 1)
			b.Sources = append(b.Sources, base+uint32((n+1)%g.nodes))
			b.Weights = append(b.Weights, float32(n))
			b.EdgeRows = append(b.EdgeRows, uint32(g.nodes-1-n))
		}
		b.NodeOffsets = append(b.NodeOffsets, uint32(b.Nodes()))
		b.EdgeOffsets = append(b.EdgeOffsets, uint32(b.Edges()))
		b.RowGroups, b.Rows = append(b.RowGroups, 0), append(b.Rows, at)
	}
	return b
}

// input is one file of graphs.
type input struct {
	graphs      []one
	fingerprint string
}

func (in input) Files() []File {
	return []File{{Input: "a", Fingerprint: in.fingerprint, Groups: 1}}
}
func (input) Gone(name string) bool               { return name == "gone" }
func (input) Kinds() (graphs, nodes graph.IDKind) { return graph.Int64, graph.Int64 }
func (in input) Open(context.Context, *part.Footer) (pipeline.Source, int64, error) {
	return &source{graphs: in.graphs}, int64(len(in.graphs)), nil
}

// source gives three rows at a time.
type source struct {
	graphs []one
	row    int
}

func (s *source) Next(context.Context) (*graph.Batch, error) {
	if s.row == len(s.graphs) {
		return nil, io.EOF
	}
	from := s.row
	s.row = min(from+3, len(s.graphs))
	return batch(int64(from), s.graphs[from:s.row]), nil
}
func (*source) Close() error { return nil }

// scorer gives each node and each edge the feature of the node or target, plus what it is off by, if its weight and its
// edges are right, and each graph that of its last node.
type scorer struct {
	off   float32
	level graph.Level
}

func (s scorer) Score(_ context.Context, b *graph.Batch) (*graph.Scores, error) {
	out := &graph.Scores{Level: s.level, Outputs: 1}
	for g := range b.Graphs() {
		var last float32
		from, to := b.NodeRange(g)
		for i := from; i < to; i++ {
			v := b.Features[i] + s.off
			if int(b.Sources[i]) != from+(i-from+1)%(to-from) || b.Weights[i] != float32(i-from) {
				v = -1
			}
			if last = v; s.level != graph.GraphLevel {
				out.Values = append(out.Values, v)
			}
		}
		if s.level == graph.GraphLevel {
			out.Values = append(out.Values, last)
		}
	}
	return out, nil
}

var model = record.Model{Name: "m", Digest: "sha256:m", Engine: "numpy", BLAS: "Haswell", Versions: map[string]string{"numpy": "2"}}

// write makes an output of graphs as a run does.
func write(t testing.TB, graphs []one) string {
	t.Helper()
	return writeLevel(t, graph.NodeLevel, graphs)
}

func writeLevel(t testing.TB, level graph.Level, graphs []one) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "out")
	o, err := writers.Open(t.Context(), writers.Config{
		Dir: dir, RunID: "20261122T142500Z-00000001",
		Now: func() time.Time { return time.Date(2026, 11, 22, 14, 25, 0, 0, time.UTC) },
	})
	must(t, err)
	defer o.Close()
	p, err := o.Create(t.Context(), part.Spec{Part: "a.parquet", Input: "a", Fingerprint: "fast:1", Rows: int64(len(graphs)), Model: "sha256:m"},
		part.Contents{Level: level, Outputs: []string{"score"}, Settings: part.Settings{}.OfModel(&graph.Model{Level: level, Inputs: graph.Inputs{Weights: true}})})
	must(t, err)
	defer p.Close()
	b := batch(0, graphs)
	s, err := scorer{level: level}.Score(t.Context(), b)
	must(t, err)
	rejected := b.Rejected
	for g := range b.Graphs() {
		if code := graphs[b.Rows[g]].scored; code != "" {
			s.Failed = append(s.Failed, graph.Failure{Graph: g, Code: code})
			rejected = append(rejected, b.Reject(g, code, ""))
		}
	}
	must(t, p.Write(t.Context(), b, s))
	for row := range int64(len(graphs)) {
		for _, r := range rejected {
			if r.Row == row {
				must(t, p.Reject(t.Context(), r))
			}
		}
	}
	must(t, p.Commit(t.Context()))
	must(t, o.Finish(t.Context(), nil, true))
	must(t, o.WriteRecord(&record.Run{
		RunID: "20261122T142500Z-00000001", Model: model, Shards: []record.Shard{{Part: "a.parquet", Outcome: "scored"}},
	}))
	return dir
}

// findings are those of a report, one a line.
func findings(r *Report) string {
	var b strings.Builder
	for _, f := range r.Findings {
		b.WriteString(f.Path + ": " + f.What + "\n")
	}
	return b.String()
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	must(t, os.Remove(filepath.Join(dir, name)))
}
