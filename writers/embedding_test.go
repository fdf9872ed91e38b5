package writers

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"graphscore/pipeline/graph"
	"graphscore/writers/part"
)

// Rows have the values of a step as lists of one length, at every level, for arrow's own reader and for ours.
func TestEmbeddingRoundTrip(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		level graph.Level
		width int
		count int
		big   bool
	}{
		{"nodes", graph.NodeLevel, 3, 60, false},
		{"one value", graph.NodeLevel, 1, 60, false},
		{"edges", graph.EdgeLevel, 5, 60, false},
		{"graphs", graph.GraphLevel, 64, 600, false},
		{"nothing", graph.NodeLevel, 4, 0, false},
		{"real blocks", graph.NodeLevel, 300, 1200, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cfg := embedded(atLevel(kinds(testConfig(t.TempDir()), graph.String, graph.Int64, 2), tc.level), tc.width)
			if tc.big {
				cfg.sizes = part.Sizes{}
			}
			o := open(t, cfg)
			s := makeShard("a", tc.count, cfg, false)
			must(t, s.commit(t.Context(), o, false))
			path := filepath.Join(cfg.Dir, "a.parquet")
			names, columns, groups := table(t, path)
			wantNames, want := s.expected(cfg)
			if d := cmp.Diff(wantNames, names); d != "" {
				t.Fatal(d)
			}
			if d := differ(want, columns); d != "" {
				t.Errorf("arrow reads: %.2000s", d)
			}
			ours, err := readBack(t, path)
			must(t, err)
			if d := differ(want, ours); d != "" {
				t.Errorf("the reader of parts reads: %.2000s", d)
			}
			if tc.count > 50 && groups < 2 {
				t.Errorf("there are %d row groups, the case wants several", groups)
			}
			l, err := part.ReadFooter(path)
			must(t, err)
			if l.EmbeddingWidth != tc.width || l.Settings.Embed != "h1" {
				t.Errorf("the footer has an embedding of %d values, of step %q", l.EmbeddingWidth, l.Settings.Embed)
			}
		})
	}
}

// The bytes do not depend on how calls cut the rows.
func TestEmbeddingBytes(t *testing.T) {
	t.Parallel()
	var first map[string]string
	for _, cuts := range [][]int{nil, {1, 2, 3}, {40}, {10, 59}} {
		cfg := embedded(testConfig(t.TempDir()), 7)
		o := open(t, cfg)
		must(t, makeShard("a", 60, cfg, false).commit(t.Context(), o, false, cuts...))
		files := tree(t, cfg.Dir)
		if first == nil {
			first = files
		}
		if d := cmp.Diff(first, files); d != "" {
			t.Errorf("cut at %v the bytes are others", cuts)
		}
	}
}

// A part without what its settings name is not written, nor is another width of scores.
func TestEmbeddingMissing(t *testing.T) {
	t.Parallel()
	cfg := embedded(testConfig(t.TempDir()), 7)
	o, s := open(t, cfg), makeShard("a", 9, cfg, false)
	narrow := embedded(cfg, 6)
	p, err := o.Create(t.Context(), s.spec)
	must(t, err)
	defer p.Close()
	b, scores := s.batch(narrow, false, 0, 9)
	if err := p.Write(t.Context(), b, scores); err == nil {
		t.Error("an embedding of 6 values was written into a part of 7")
	}
	for name, change := range map[string]func(*setup){
		"width unknown":         func(c *setup) { c.Embedding = 0 },
		"no step":               func(c *setup) { c.Settings.Embed = "" },
		"an output of its name": func(c *setup) { c.Outputs = []string{graph.EmbeddingColumn} },
	} {
		wrong := cfg
		change(&wrong)
		if p, err := o.Output.Create(t.Context(), s.spec, wrong.Contents); err == nil {
			t.Errorf("%s: a part was created", name)
			_ = p.Close()
		}
	}
}
