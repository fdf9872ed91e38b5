package readers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"graphscore/pipeline"
	"graphscore/pipeline/graph"
	"graphscore/readers"
)

// plain is a graph as a test compares it. Ids are texts.
type plain struct {
	ID       string
	Features [][]float32
	Edges    [][2]int // source and target, in the order of a batch
	Weights  []float32
	NodeIDs  []string
	Group    int
	Row      int64

	// what only some models read; EdgeRows as the batch has them
	EdgeAttr  [][]float32
	EdgeTypes []uint32
	EdgeRows  []uint32
	GraphAttr []float32
}

// fixture is a graph of testdata/graphs.json.
type fixture struct {
	GraphID    int64       `json:"graph_id"`
	NodeFeat   [][]float32 `json:"node_feat"`
	EdgeIndex  [2][]int    `json:"edge_index"`
	EdgeWeight []float32   `json:"edge_weight"`
	NodeIDs    []int64     `json:"node_ids"`
	EdgeAttr   [][]float32 `json:"edge_attr"`
	EdgeType   []uint32    `json:"edge_type"`
	GraphAttr  []float32   `json:"graph_attr"`
}

func readJSON[T any](t *testing.T, name string) T {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var v T
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// wantGraphs are the graphs of every file below testdata/good.
func wantGraphs(t *testing.T) []plain {
	t.Helper()
	return graphsOf(t, filepath.Join("testdata", "graphs.json"))
}

// graphsOf are the graphs of a list of fixtures.
func graphsOf(t *testing.T, name string) []plain {
	t.Helper()
	var want []plain
	for i, f := range readJSON[[]fixture](t, name) {
		g := plain{ID: fmt.Sprint(f.GraphID), Features: f.NodeFeat, Row: int64(i), GraphAttr: f.GraphAttr}
		for node, id := range f.NodeIDs {
			g.NodeIDs = append(g.NodeIDs, fmt.Sprint(id))
			for e, target := range f.EdgeIndex[1] {
				if target == node {
					g.Edges = append(g.Edges, [2]int{f.EdgeIndex[0][e], target})
					g.Weights = append(g.Weights, f.EdgeWeight[e])
					if f.GraphAttr != nil {
						g.EdgeAttr, g.EdgeTypes = append(g.EdgeAttr, f.EdgeAttr[e]), append(g.EdgeTypes, f.EdgeType[e])
						g.EdgeRows = append(g.EdgeRows, uint32(e))
					}
				}
			}
		}
		want = append(want, g)
	}
	return want
}

// plainOf takes a batch apart.
func plainOf(b *graph.Batch) []plain {
	graphs := make([]plain, b.Graphs())
	for i := range graphs {
		g := plain{ID: fmt.Sprint(b.IDs.Value(i)), Group: int(b.RowGroups[i]), Row: b.Rows[i], Features: [][]float32{}}
		from, to := b.NodeRange(i)
		e, _ := b.EdgeRange(i)
		for n := from; n < to; n++ {
			g.Features = append(g.Features, b.Features[n*b.Width:(n+1)*b.Width])
			if b.NodeIDs != nil {
				g.NodeIDs = append(g.NodeIDs, fmt.Sprint(b.NodeIDs.Value(n)))
			}
			for range b.InDegree[n] {
				g.Edges = append(g.Edges, [2]int{int(b.Sources[e]) - from, n - from})
				if b.Weights != nil {
					g.Weights = append(g.Weights, b.Weights[e])
				}
				g.further(b, e)
				e++
			}
		}
		if b.GraphWidth > 0 {
			g.GraphAttr = b.GraphFeatures[i*b.GraphWidth : (i+1)*b.GraphWidth]
		}
		graphs[i] = g
	}
	return graphs
}

// further takes what only some models read of edge e of a batch.
func (g *plain) further(b *graph.Batch, e int) {
	if b.EdgeWidth > 0 {
		g.EdgeAttr = append(g.EdgeAttr, b.EdgeFeatures[e*b.EdgeWidth:(e+1)*b.EdgeWidth])
	}
	if b.EdgeTypes != nil {
		g.EdgeTypes = append(g.EdgeTypes, b.EdgeTypes[e])
	}
	if b.EdgeRows != nil {
		g.EdgeRows = append(g.EdgeRows, b.EdgeRows[e])
	}
}

// contents are the graphs and rejections of a plan.
type contents struct {
	graphs   []plain
	rejected []graph.Rejection
}

func newPlan(t *testing.T, cfg readers.Config, paths ...string) *readers.Plan {
	t.Helper()
	for _, p := range paths {
		cfg.Inputs = append(cfg.Inputs, readers.Input{Path: p})
	}
	p, err := readers.NewPlan(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// wanted is what most tests read: as a model does that reads weights and nothing further.
func wanted(width int) readers.Wanted {
	return readers.Wanted{Width: width, Inputs: graph.Inputs{Weights: true}}
}

// batches are those of a shard that is open, up to its end. An error ends the test.
func batches(tb testing.TB, src pipeline.Source) iter.Seq[*graph.Batch] {
	return func(yield func(*graph.Batch) bool) {
		tb.Helper()
		for {
			b, err := src.Next(tb.Context())
			if err == io.EOF {
				return
			}
			if err != nil {
				tb.Fatal(err)
			}
			if !yield(b) {
				return
			}
		}
	}
}

// readAll reads every shard of a plan.
func readAll(ctx context.Context, p *readers.Plan, width int) (contents, error) {
	return readWanted(ctx, p, wanted(width))
}

// readWanted reads what is wanted of every shard of a plan.
func readWanted(ctx context.Context, p *readers.Plan, w readers.Wanted) (contents, error) {
	var all contents
	for i := range p.Shards {
		src, err := p.Open(ctx, &p.Shards[i], w)
		if err != nil {
			return all, err
		}
		for {
			b, err := src.Next(ctx)
			if err == io.EOF {
				break
			}
			if err != nil {
				src.Close()
				return all, err
			}
			all.graphs = append(all.graphs, plainOf(b)...)
			all.rejected = append(all.rejected, b.Rejected...)
		}
		if err := src.Close(); err != nil {
			return all, err
		}
	}
	return all, nil
}

func files(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("no files match %s: %v", pattern, err)
	}
	return names
}

func TestGoodFiles(t *testing.T) {
	t.Parallel()
	want := wantGraphs(t)
	for _, name := range files(t, "good/*") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			for _, batch := range []int64{1, 400, 0} {
				p := newPlan(t, readers.Config{BatchBytes: batch}, name)
				if len(p.Refused) > 0 {
					t.Fatal(p.Refused[0])
				}
				got, err := readAll(t.Context(), p, 3)
				if err != nil {
					t.Fatal(err)
				}
				for i := range got.graphs {
					got.graphs[i].Group = 0
				}
				if diff := cmp.Diff(want, got.graphs); diff != "" {
					t.Errorf("batches of %d bytes (-want +got):\n%s", batch, diff)
				}
				if len(got.rejected) > 0 {
					t.Errorf("rejected: %+v", got.rejected)
				}
				if p.Rows != int64(len(want)) {
					t.Errorf("the plan has %d rows, want %d", p.Rows, len(want))
				}
			}
		})
	}
}

// TestFullBatches: no batch takes more than it may, or each would be a full request and a small one, and each but the last
// of a shard takes most of it.
func TestFullBatches(t *testing.T) {
	t.Parallel()
	const most = 100_000 // a few dozen molecules
	p := newPlan(t, readers.Config{BatchBytes: most}, "../jobs/examples/molecules/data")
	for i := range p.Shards {
		src, err := p.Open(t.Context(), &p.Shards[i], wanted(16))
		if err != nil {
			t.Fatal(err)
		}
		last := int64(most)
		for b := range batches(t, src) {
			if b.Bytes() > most || last <= most*3/4 {
				t.Errorf("shard %d: a batch of %d bytes after one of %d, of at most %d", i, b.Bytes(), last, most)
			}
			last = b.Bytes()
		}
		if err := src.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBadFiles(t *testing.T) {
	t.Parallel()
	for base, words := range readJSON[map[string][]string](t, filepath.Join("testdata", "bad.json")) {
		t.Run(base, func(t *testing.T) {
			t.Parallel()
			name := filepath.Join("testdata", "bad", base)
			p := newPlan(t, readers.Config{}, name)
			if len(p.Refused) != 1 || len(p.Files) != 0 {
				t.Fatalf("refused %d files, took %d", len(p.Refused), len(p.Files))
			}
			checkMessage(t, p.Refused[0], append(words, name)...)
		})
	}
}

// checkMessage wants one sentence with a remedy that has all words.
func checkMessage(t *testing.T, err error, words ...string) {
	t.Helper()
	message := err.Error()
	for _, w := range append(words, "; ") {
		if !strings.Contains(message, w) {
			t.Errorf("%q lacks %q", message, w)
		}
	}
	for _, w := range []string{"panic", "goroutine", "\n"} {
		if strings.Contains(message, w) {
			t.Errorf("%q has %q", message, w)
		}
	}
}

func TestRejections(t *testing.T) {
	t.Parallel()
	codes := readJSON[[]graph.Code](t, filepath.Join("testdata", "rows.json"))
	for _, name := range []string{"rows.parquet", "rows_v2.parquet", "rows.arrow"} {
		name = filepath.Join("testdata", name)
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			for _, batch := range []int64{1, 0} {
				got, err := readAll(t.Context(), newPlan(t, readers.Config{BatchBytes: batch}, name), 3)
				if err != nil {
					t.Fatal(err)
				}
				found := make([]graph.Code, len(codes))
				for _, r := range got.rejected {
					found[r.Row] = r.Code
					if r.Message == "" {
						t.Errorf("row %d has no message", r.Row)
					}
				}
				if diff := cmp.Diff(codes, found); diff != "" {
					t.Errorf("codes (-want +got):\n%s", diff)
				}
				if len(got.graphs)+len(got.rejected) != len(codes) {
					t.Errorf("%d graphs and %d rejections of %d rows", len(got.graphs), len(got.rejected), len(codes))
				}
			}
		})
	}
}
