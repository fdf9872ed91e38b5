package readers_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"graphscore/pipeline/graph"
	"graphscore/pipeline/pipelinetest"
	"graphscore/readers"
)

// tree copies files of testdata/good, or writes text, under a new folder: name -> source, or text after a colon.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, source := range files {
		data := []byte(strings.TrimPrefix(source, ":"))
		if !strings.HasPrefix(source, ":") {
			var err error
			if data, err = os.ReadFile(filepath.Join("testdata", "good", source)); err != nil {
				t.Fatal(err)
			}
		}
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func parts(p *readers.Plan) []string {
	var names []string
	for _, s := range p.Shards {
		names = append(names, s.Part)
	}
	return names
}

func bases(names []string) []string {
	var out []string
	for _, n := range names {
		out = append(out, filepath.Base(n))
	}
	return out
}

func TestFind(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{
		"b.parquet": "v1_zstd.parquet", "a/b.arrow": "file_lz4.arrow", "a/deep/c.arrows": "stream_zstd.arrows",
		"a-b/plain": "plain_v1.parquet", "_old/d.parquet": "v1_zstd.parquet", ".e.parquet": "v1_zstd.parquet",
		"_SUCCESS": ":", "README.md": ":text", "a/notes.txt": ":text", "broken.parquet": ":text", "[x].parquet": "v1_none.parquet",
	})
	tests := []struct {
		name, path string
		parts      []string
		refused    []string
		ignored    []string
	}{
		{
			"folder", "", []string{"[x].parquet", "a-b/plain.parquet", "a/b.arrow.parquet", "a/deep/c.arrows.parquet", "b.parquet"},
			[]string{"broken.parquet"}, []string{"README.md", "notes.txt"},
		},
		{"file", "a/b.arrow", []string{"b.arrow.parquet"}, nil, nil},
		{"file with brackets", "[x].parquet", []string{"[x].parquet"}, nil, nil},
		{"glob of files and folders", "a/*", []string{"b.arrow.parquet", "deep/c.arrows.parquet"}, []string{"notes.txt"}, nil},
		{"glob over folders", "**/*.{arrow,arrows}", []string{"a/b.arrow.parquet", "a/deep/c.arrows.parquet"}, nil, nil},
		{"glob with a folder", "a*/*b*", []string{"a/b.arrow.parquet"}, nil, nil},
		{"glob of nothing", "*.feather", nil, nil, nil},
		{"glob in no folder", "none/*.parquet", nil, nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlan(t, readers.Config{}, filepath.Join(root, tt.path))
			var refused []string
			for _, e := range p.Refused {
				refused = append(refused, filepath.Base(e.Path))
			}
			if diff := cmp.Diff(tt.parts, parts(p)); diff != "" {
				t.Errorf("parts (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.refused, refused); diff != "" {
				t.Errorf("refused (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.ignored, bases(p.LeftOut.Other)); diff != "" {
				t.Errorf("ignored (-want +got):\n%s", diff)
			}
			if empty := len(tt.parts)+len(tt.refused) == 0; p.Empty() != empty {
				t.Errorf("Empty() = %t", p.Empty())
			}
		})
	}
}

func TestRoots(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{"m/a.parquet": "v1_zstd.parquet", "n/a.parquet": "v1_zstd.parquet", "n/b.parquet": "v1_none.parquet"})
	m, n := filepath.Join(root, "m"), filepath.Join(root, "n")
	tests := []struct {
		name   string
		inputs []readers.Input
		want   []string
		fails  string
	}{
		{"two roots", []readers.Input{{Name: "x", Path: m}, {Name: "y", Path: n}}, []string{"x/a.parquet", "y/a.parquet", "y/b.parquet"}, ""},
		{"no names", []readers.Input{{Path: m}, {Name: "y", Path: n}}, nil, "name"},
		{"one root", []readers.Input{{Path: n + "/a*"}, {Path: n + "/b*"}}, []string{"a.parquet", "b.parquet"}, ""},
		{"found twice", []readers.Input{{Path: n}, {Path: n + "/b.parquet"}}, []string{"a.parquet", "b.parquet"}, ""},
		{"found twice below two roots", []readers.Input{{Name: "x", Path: root}, {Name: "y", Path: n}}, []string{"x/m/a.parquet", "x/n/a.parquet", "x/n/b.parquet"}, ""},
		{"same name", []readers.Input{{Name: "x", Path: m}, {Name: "x", Path: n}}, nil, "same part x/a.parquet"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := readers.NewPlan(t.Context(), readers.Config{Inputs: tt.inputs})
			if tt.fails != "" {
				var pe *readers.PlanError
				if !errors.As(err, &pe) || !strings.Contains(err.Error(), tt.fails) {
					t.Fatalf("got %v, want a PlanError with %q", err, tt.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, parts(p)); diff != "" {
				t.Errorf("parts (-want +got):\n%s", diff)
			}
		})
	}
}

// under is a path below root, or a URL as it is.
func under(root, name string) string {
	if strings.Contains(name, "://") {
		return name
	}
	return filepath.Join(root, name)
}

func TestPlanRefuses(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{
		"same/a.arrow": "file_lz4.arrow", "same/a.arrow.parquet": "v1_zstd.parquet", "inside/a": "v1_zstd.parquet",
		"inside/a.parquet/b.parquet": "v1_zstd.parquet",
		"escaped/_k=1/a.parquet":     "v1_zstd.parquet", "escaped/%5Fk=1/a.parquet": "v1_zstd.parquet",
	})
	for name, word := range map[string]string{
		"same": "same part", "escaped": "same part %5Fk=1/a.parquet", "inside": "needs a folder", "s3://bucket/in": "s3:// is not supported", "[z-a": "glob", "none": "not there", "none\n": "not there",
		strings.Repeat("y", 4000): "too long",
	} {
		t.Run(word, func(t *testing.T) {
			t.Parallel()
			_, err := readers.NewPlan(t.Context(), readers.Config{Inputs: []readers.Input{{Path: under(root, name)}}})
			if err == nil {
				t.Fatal("no error")
			}
			checkMessage(t, err, word)
			var pe *readers.PlanError
			var nf *readers.NotFoundError
			if isPlan, isMissing := errors.As(err, &pe), errors.As(err, &nf); isPlan == isMissing || isMissing != (word == "not there") {
				t.Errorf("got %T", err)
			}
		})
	}
}

func TestLinksAndSpecialFiles(t *testing.T) {
	t.Parallel()
	outside := tree(t, map[string]string{"secret.parquet": "v1_zstd.parquet", "dir/x.parquet": "v1_zstd.parquet"})
	root := tree(t, map[string]string{"a.parquet": "v1_zstd.parquet", "t/nodes/x.parquet": "v1_zstd.parquet", "t/edges.parquet": "v1_zstd.parquet"})
	for link, to := range map[string]string{
		"in.parquet": "a.parquet", "out.parquet": filepath.Join(outside, "secret.parquet"), "outdir": filepath.Join(outside, "dir"),
		"gone.parquet": "nowhere.parquet", "loop.parquet": "loop.parquet",
	} {
		if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := pipelinetest.Fifo(filepath.Join(root, "pipe.parquet")); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"out.parquet": "leads out", "outdir": "leads out", "gone.parquet": "cannot be followed", "loop.parquet": "cannot be followed",
		"pipe.parquet": "pipe", "t": "layout tables",
	}
	p := newPlan(t, readers.Config{}, root)
	if diff := cmp.Diff([]string{"a.parquet"}, parts(p)); diff != "" {
		t.Errorf("parts (-want +got):\n%s", diff)
	}
	for _, e := range p.Refused {
		word, ok := want[filepath.Base(e.Path)]
		if !ok {
			t.Errorf("refused: %v", e)
		}
		checkMessage(t, e, word)
		delete(want, filepath.Base(e.Path))
	}
	if len(want) > 0 {
		t.Errorf("not refused: %v", want)
	}
	named := newPlan(t, readers.Config{}, filepath.Join(root, "out.parquet"))
	if diff := cmp.Diff([]string{"out.parquet"}, parts(named)); diff != "" {
		t.Errorf("parts of a named link (-want +got):\n%s", diff)
	}
	for name, word := range map[string]string{"/dev/zero": "device", filepath.Join(root, "pipe.parquet"): "pipe"} {
		p := newPlan(t, readers.Config{}, name)
		if len(p.Refused) != 1 {
			t.Fatalf("%s is not refused", name)
		}
		checkMessage(t, p.Refused[0], word, name)
	}
}

func TestIDKinds(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name          string
		files         []string
		graphs, nodes graph.IDKind
		weight        bool
	}{
		{"integers", []string{"float64_int32.parquet"}, graph.Int64, graph.Int64, true},
		{"strings", []string{"v1_zstd.parquet"}, graph.String, graph.String, true},
		{"both", []string{"float64_int32.parquet", "file_lz4.arrow"}, graph.String, graph.String, true},
		{"uint64", []string{"unsigned.parquet"}, graph.String, graph.Int64, true},
		{"none", nil, graph.String, graph.Int64, false},
	}
	want := wantGraphs(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var paths []string
			for _, f := range tt.files {
				paths = append(paths, filepath.Join("testdata", "good", f))
			}
			if len(paths) == 0 {
				paths = []string{t.TempDir()}
			}
			p := newPlan(t, readers.Config{}, paths...)
			if p.GraphIDs != tt.graphs || p.NodeIDs != tt.nodes || p.HasWeights != tt.weight {
				t.Errorf("graph ids %v, node ids %v, weights %t", p.GraphIDs, p.NodeIDs, p.HasWeights)
			}
			got, err := readAll(t.Context(), p, 3)
			if err != nil {
				t.Fatal(err)
			}
			for i, g := range got.graphs {
				if w := want[i%len(want)]; g.ID != w.ID || !cmp.Equal(g.NodeIDs, w.NodeIDs) {
					t.Errorf("row %d has ids %s, %v, want %s, %v", i, g.ID, g.NodeIDs, w.ID, w.NodeIDs)
				}
			}
		})
	}
}

func TestColumns(t *testing.T) {
	t.Parallel()
	file := filepath.Join("testdata", "good", "v1_zstd.parquet")
	tests := []struct {
		name    string
		columns graph.ColumnNames
		refused string
		fails   string
	}{
		{"names of the file", graph.ColumnNames{graph.InputFeatures: "node_feat", graph.InputEdges: "edge_index", graph.InputGraphID: "graph_id"}, "", ""},
		{"not there", graph.ColumnNames{graph.InputFeatures: "feat"}, "no column feat for features", ""},
		{"optional not there", graph.ColumnNames{graph.InputWeights: "w"}, "no column w for weights", ""},
		{"wrong type", graph.ColumnNames{graph.InputNumNodes: "note"}, `"note" for num_nodes has type struct`, ""},
		{"one of two", graph.ColumnNames{graph.InputSource: "num_nodes"}, "no column target for target", ""},
		{"two ways", graph.ColumnNames{graph.InputSource: "s", graph.InputEdges: "edge_index"}, "", "edges and source"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := readers.NewPlan(t.Context(), readers.Config{Columns: tt.columns, Inputs: []readers.Input{{Path: file}}})
			if tt.fails != "" {
				checkMessage(t, err, tt.fails)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if tt.refused != "" {
				checkMessage(t, p.Refused[0], tt.refused, "columns:")
				return
			}
			got := map[string]string{}
			for _, c := range p.Files[0].Columns {
				got[c.Name+" "+c.Type] = c.Role
			}
			want := map[string]string{
				"node_feat list<list<float>>": "features", "edge_index list<list<int64>>": "edges", "edge_weight list<float>": "weights",
				"num_nodes int32": "num_nodes", "graph_id string": "graph_id", "node_ids list<string>": "node_ids", "note struct": "", "y bool": "",
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("columns (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMadeUpIDs(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{"a/m.parquet": "v1_zstd.parquet"})
	p := newPlan(t, readers.Config{Columns: graph.ColumnNames{graph.InputFeatures: "node_feat"}}, root)
	if p.GraphIDs != graph.String {
		t.Errorf("ids are %v", p.GraphIDs)
	}
	bare := newPlan(t, readers.Config{}, filepath.Join("testdata", "rows_bare.parquet"))
	got, err := readAll(t.Context(), bare, 3)
	if err != nil {
		t.Fatal(err)
	}
	if got.graphs[1].ID != "rows_bare.parquet#1" || got.graphs[1].NodeIDs != nil {
		t.Errorf("row 1 is %+v", got.graphs[1])
	}
}

func TestFingerprint(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	name := filepath.Join(root, "a.parquet")
	parquet, err := os.ReadFile(filepath.Join("testdata", "good", "v1_none.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	mark := func(kind string, at int) string {
		b := append([]byte(nil), parquet...)
		if at >= 0 {
			b[at] ^= 1
		}
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		p := newPlan(t, readers.Config{Fingerprint: kind}, name)
		return p.Files[0].Fingerprint
	}
	for _, kind := range []string{"fast", "full"} {
		first, again, other := mark(kind, -1), mark(kind, -1), mark(kind, 100)
		if first != again || first == other || !strings.HasPrefix(first, kind+":") || len(first) != len(kind)+65 {
			t.Errorf("%s: %s, again %s, changed %s", kind, first, again, other)
		}
	}
}

func TestChangedMeanwhile(t *testing.T) {
	t.Parallel()
	root := tree(t, map[string]string{"a.parquet": "v1_zstd.parquet"})
	p := newPlan(t, readers.Config{}, root)
	data, err := os.ReadFile(filepath.Join("testdata", "good", "polars.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "a.parquet"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = p.Open(t.Context(), &p.Shards[0], wanted(3))
	checkMessage(t, err, "written to while", "a.parquet")
}

func TestWidth(t *testing.T) {
	t.Parallel()
	for _, name := range files(t, "good/*[!d]s.parquet") {
		width, err := newPlan(t, readers.Config{}, name).Width(t.Context())
		if width != 3 || err != nil {
			t.Errorf("%s: width %d, %v", name, width, err)
		}
	}
	width, err := newPlan(t, readers.Config{}, "testdata/good/binary_no_num_nodes.parquet").Width(t.Context())
	if width != 3 || err != nil {
		t.Errorf("binary features of which node_ids tells the nodes: width %d, %v", width, err)
	}
}

func TestContextEnds(t *testing.T) {
	t.Parallel()
	cfg := readers.Config{Inputs: []readers.Input{{Path: "testdata/good"}}}
	ctx, cancel := context.WithCancel(t.Context())
	p, err := readers.NewPlan(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	src, err := p.Open(ctx, &p.Shards[0], wanted(3))
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	cancel()
	if _, err := src.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Next gives %v", err)
	}
	if _, err := readers.NewPlan(ctx, cfg); !errors.Is(err, context.Canceled) {
		t.Errorf("NewPlan gives %v", err)
	}
}

// TestAnyShardSizes: however shards, batches and limits are cut, the rows are the same in the same order.
func TestAnyShardSizes(t *testing.T) {
	t.Parallel()
	names := files(t, "good/*")
	want := wantGraphs(t)
	rapid.Check(t, func(rt *rapid.T) {
		cfg := readers.Config{
			ShardBytes: rapid.Int64Range(1, 3000).Draw(rt, "shard"),
			BatchBytes: rapid.Int64Range(1, 3000).Draw(rt, "batch"),
			Limit:      rapid.Int64Range(0, 30).Draw(rt, "limit"),
		}
		some := rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, 3, rapid.ID[string]).Draw(rt, "files")
		for _, name := range some {
			cfg.Inputs = append(cfg.Inputs, readers.Input{Path: name})
		}
		p, err := readers.NewPlan(t.Context(), cfg)
		if err != nil {
			rt.Fatal(err)
		}
		got, err := readAll(t.Context(), p, 3)
		if err != nil {
			rt.Fatal(err)
		}
		rows := len(some) * len(want)
		if cfg.Limit > 0 {
			rows = min(rows, int(cfg.Limit))
		}
		if len(got.graphs) != rows || p.Rows != int64(rows) {
			rt.Fatalf("%d graphs, %d in the plan, want %d", len(got.graphs), p.Rows, rows)
		}
		for i, g := range got.graphs {
			g.Group = 0
			if w := want[i%len(want)]; !cmp.Equal(w, g) {
				rt.Fatalf("graph %d differs:\n%s", i, cmp.Diff(w, g))
			}
		}
		for i, s := range p.Shards {
			if s.File.Groups > 1 && s.LastGroup-s.FirstGroup+1 < s.File.Groups && !strings.Contains(s.Part, ".rg0000") {
				rt.Fatalf("shard %d has part %s", i, s.Part)
			}
		}
	})
}

// TestBatchesAreBounded: one large record batch or row group comes in small batches.
func TestBatchesAreBounded(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"one_batch.arrow", "polars.parquet", "polars_zstd.arrow"} {
		p := newPlan(t, readers.Config{BatchBytes: 200}, filepath.Join("testdata", "good", base))
		src, err := p.Open(t.Context(), &p.Shards[0], wanted(3))
		if err != nil {
			t.Fatal(err)
		}
		count := 0
		for b := range batches(t, src) {
			if b.Graphs() > 1 && b.Bytes() > 600 {
				t.Errorf("%s: a batch of %d graphs has %d bytes", base, b.Graphs(), b.Bytes())
			}
			count++
		}
		if err := src.Close(); err != nil || count < 3 {
			t.Errorf("%s: %d batches, %v", base, count, err)
		}
	}
}
