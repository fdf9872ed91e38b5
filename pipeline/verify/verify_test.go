package verify

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"graphscore/pipeline/graph"
	"graphscore/writers/record"
)

// graphs are some of all fates.
func graphs() []one {
	return []one{
		{1, 3, "", ""}, {2, 0, "", ""}, {2, 2, "", ""}, {2, 2, "", ""}, {5, 4, graph.EdgeOutOfRange, ""}, {6, 2, "", graph.NonFiniteScore},
		{7, 20_000, "", ""}, {8, 1, "", ""}, {9, 1, graph.NullValue, ""},
	}
}

func TestRight(t *testing.T) {
	t.Parallel()
	for level, rows := range map[graph.Level]int64{graph.NodeLevel: 20_008, graph.EdgeLevel: 20_008, graph.GraphLevel: 5} {
		t.Run(level.String(), func(t *testing.T) {
			t.Parallel()
			right(t, level, rows)
		})
	}
}

// right verifies what is right at a level.
func right(t *testing.T, level graph.Level, rows int64) {
	dir := writeLevel(t, level, graphs())
	want := Report{Output: dir, Level: level.String(), Parts: 1, Graphs: 6, Nodes: 20_008, Rows: rows, Quarantined: 3, Findings: []Finding{}}
	r, err := Run(t.Context(), Config{Dir: dir})
	must(t, err)
	if diff := cmp.Diff(&want, r); diff != "" {
		t.Error(diff)
	}
	want.Compared, want.Sampled, want.SampledExactly = 1, 6, 6
	for _, bytes := range []int64{1, 0} { // one graph a request, and all in one
		r, err = Run(t.Context(), Config{
			Dir: dir, Input: input{graphs(), "fast:1"}, Scoring: &Scoring{Scorer: scorer{level: level}, Model: model, Share: 1, RequestBytes: bytes},
		})
		must(t, err)
		if diff := cmp.Diff(&want, r); diff != "" {
			t.Error(diff)
		}
	}
}

// TestInputDiffers: a part is wrong as soon as one graph of the input is not where it should be.
func TestInputDiffers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func([]one) []one
		want   string
	}{
		"swapped":       {func(g []one) []one { g[0], g[2] = g[2], g[0]; return g }, "row 0 is of graph 1, but should be of graph 2"},
		"fewer nodes":   {func(g []one) []one { g[0].nodes--; return g }, "row 2 is of graph 1, but should be of graph 2"},
		"more nodes":    {func(g []one) []one { g[7].nodes++; return g }, "it ends before graph 8 (row 7 of the input)"},
		"one less":      {func(g []one) []one { return slices.Delete(g, 7, 8) }, "its footer counts 9 graphs, the input has 8"},
		"another id":    {func(g []one) []one { g[6].id = 70; return g }, "should be of graph 70 (row 6 of the input)"},
		"now rejected":  {func(g []one) []one { g[0].read = graph.NodeCount; return g }, "row 0 of the input (graph 1) cannot be scored (node_count), but is not in quarantine"},
		"another code":  {func(g []one) []one { g[4].read = graph.NodeCount; return g }, "is in quarantine for edge_out_of_range, but should be for node_count"},
		"now all right": {func(g []one) []one { g[4].read = ""; return g }, "is in quarantine for edge_out_of_range, but nothing is wrong with it"},
		"end lost":      {func(g []one) []one { g[7].nodes = 0; return g }, "it has rows from 20007 on that the input does not have"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := Run(t.Context(), Config{Dir: write(t, graphs()), Input: input{c.change(graphs()), "fast:1"}})
			must(t, err)
			if got := findings(r); r.FoundWrong != 1 || !strings.Contains(got, c.want) || !strings.HasPrefix(got, "a.parquet: ") {
				t.Errorf("%d findings, expected %q:\n%s", r.FoundWrong, c.want, got)
			}
		})
	}
}

// TestInputDiffersAtLevels: other edges and other sizes of graphs are found where rows are not those of nodes.
func TestInputDiffersAtLevels(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		level  graph.Level
		change func([]one)
		want   string
	}{
		"fewer edges":           {graph.EdgeLevel, func(g []one) { g[0].nodes-- }, "row 0 is of an edge from 0 to 2, not of edge 0 of graph 1 (row 0 of the input)"},
		"more edges":            {graph.EdgeLevel, func(g []one) { g[7].nodes++ }, "row 20007 is of an edge from 0 to 0, not of edge 0 of graph 8 (row 7 of the input)"},
		"another graph":         {graph.GraphLevel, func(g []one) { g[6].id = 70 }, "should be of graph 70 (row 6 of the input)"},
		"another size":          {graph.GraphLevel, func(g []one) { g[6].nodes = 3 }, "its graphs have 11 nodes, its footer counts 20008"},
		"nodes where were none": {graph.GraphLevel, func(g []one) { g[1].nodes = 1 }, "row 3 is of graph 7, but should be of graph 2 (row 3 of the input)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			changed := graphs()
			c.change(changed)
			r, err := Run(t.Context(), Config{Dir: writeLevel(t, c.level, graphs()), Input: input{changed, "fast:1"}})
			must(t, err)
			if got := findings(r); r.FoundWrong != 1 || !strings.Contains(got, c.want) {
				t.Errorf("%d findings, expected %q:\n%s", r.FoundWrong, c.want, got)
			}
		})
	}
}

// TestSample: to the bit for the kernel of the record, to 1e-5 for any other.
func TestSample(t *testing.T) {
	t.Parallel()
	dir := write(t, graphs())
	other := model
	other.BLAS = "SkylakeX"
	foreign := model
	foreign.Digest = "sha256:other"
	for name, c := range map[string]struct {
		model record.Model
		off   float32
		want  string
	}{
		"the same":               {model, 0, ""},
		"a bit":                  {model, 1e-5, "differ, though kernel and versions are those of its run: the first is node 0 of graph 1 (row 0 of the input)"},
		"a bit of another":       {other, 1e-5, ""},
		"more of another":        {other, 0.01, "differ, by more than 1e-5: the first is node 0 of graph 1"},
		"another model":          {foreign, 0, "it was scored by the model sha256:m, not by sha256:other"},
		"no number, bit by bit":  {model, float32(math.NaN()), "differ, though kernel"},
		"no number of a another": {other, float32(math.NaN()), "differ, by more than 1e-5"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := Run(t.Context(), Config{
				Dir: dir, Input: input{graphs(), "fast:1"}, Scoring: &Scoring{Scorer: scorer{off: c.off}, Model: c.model, Share: 1},
			})
			must(t, err)
			if got := findings(r); (c.want == "") != (r.FoundWrong == 0) || !strings.Contains(got, c.want) {
				t.Errorf("expected %q:\n%s", c.want, got)
			}
		})
	}
}

// TestSampleAtLevels: what differs is named by edge or graph.
func TestSampleAtLevels(t *testing.T) {
	t.Parallel()
	for level, want := range map[graph.Level]string{
		graph.EdgeLevel:  "20008 of 20008 scores of a sample differ, by more than 1e-5: the first is edge 0 of graph 1 (row 0 of the input), 102.5, was 102",
		graph.GraphLevel: "5 of 5 scores of a sample differ, by more than 1e-5: the first is graph 1 (row 0 of the input), 102.5, was 102",
	} {
		other := model
		other.BLAS = "SkylakeX"
		for is, want := range map[graph.Level]string{level: want, graph.NodeLevel: "its scores are those of " + level.String() + "s, scored again those of nodes"} {
			r, err := Run(t.Context(), Config{
				Dir: writeLevel(t, level, graphs()), Input: input{graphs(), "fast:1"},
				Scoring: &Scoring{Scorer: scorer{off: 0.5, level: is}, Model: other, Share: 1},
			})
			must(t, err)
			if got := findings(r); r.FoundWrong != 1 || !strings.Contains(got, want) {
				t.Errorf("%s: expected %q:\n%s", level, want, got)
			}
		}
	}
}

// broken is a scorer that is not there.
type broken struct{ err error }

func (b broken) Score(context.Context, *graph.Batch) (*graph.Scores, error) { return nil, b.err }

func TestErrors(t *testing.T) {
	t.Parallel()
	gone := errors.New("no scorer")
	dir, in := write(t, graphs()), input{graphs(), "fast:1"}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		cfg  Config
		want string
	}{
		"scorer":    {t.Context(), Config{Dir: dir, Input: in, Scoring: &Scoring{Scorer: broken{gone}, Model: model, Share: 1}}, "no scorer"},
		"cancelled": {cancelled, Config{Dir: dir, Input: in}, "context canceled"},
		"no folder": {t.Context(), Config{Dir: dir + "/none"}, "no such file"},
		"no input":  {t.Context(), Config{Dir: dir, Scoring: &Scoring{}}, "a sample (Scoring) needs the input"},
		"share":     {t.Context(), Config{Dir: dir, Input: in, Scoring: &Scoring{Share: 2}}, "Scoring.Share is 2"},
		"nothing":   {t.Context(), Config{}, "(Dir) is empty"},
	} {
		if _, err := Run(c.ctx, c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFindingsAreBounded(t *testing.T) {
	t.Parallel()
	dir := write(t, graphs())
	remove(t, dir, "a.parquet")
	remove(t, dir, "_SUCCESS")
	r, err := Run(t.Context(), Config{Dir: dir, Findings: 1, Input: input{graphs(), "fast:1"}})
	must(t, err)
	// The quarantine without its part, no _SUCCESS, an input without a part.
	if r.FoundWrong != 3 || len(r.Findings) != 1 {
		t.Errorf("%d, kept %d:\n%s", r.FoundWrong, len(r.Findings), findings(r))
	}
}

// A part that cannot be seen is a finding. It may be of any input, so that none is said to have no part.
func TestPartUnseen(t *testing.T) {
	t.Parallel()
	dir := write(t, graphs())
	remove(t, dir, "a.parquet")
	must(t, os.Symlink("a.parquet", filepath.Join(dir, "a.parquet")))
	r, err := Run(t.Context(), Config{Dir: dir, Input: input{graphs(), "fast:1"}})
	must(t, err)
	if got := findings(r); r.FoundWrong != 1 || !strings.HasPrefix(got, "a.parquet: reading ") || !strings.Contains(got, "too many levels") {
		t.Errorf("%d findings:\n%s", r.FoundWrong, got)
	}
}

// A quarantine file that is not the one of the part is said before all else.
func TestPartNotWhole(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tear func(file string) error
		want string
	}{
		"missing": {os.Remove, `"_quarantine/a.parquet.jsonl", of 3 graphs, is missing: run again, which makes the part anew`},
		"short":   {func(f string) error { return os.Truncate(f, 10) }, "has 0 lines, not 3"},
		"another": {func(f string) error {
			content, err := os.ReadFile(f)
			return errors.Join(err, os.WriteFile(f, bytes.ReplaceAll(content, []byte("null_value"), []byte("node_count")), 0o666))
		}, "has another content"},
	} {
		dir := write(t, graphs())
		must(t, c.tear(filepath.Join(dir, "_quarantine", "a.parquet.jsonl")))
		r, err := Run(t.Context(), Config{Dir: dir, Input: input{graphs(), "fast:1"}})
		must(t, err)
		if got := findings(r); r.FoundWrong != 1 || !strings.HasPrefix(got, "a.parquet: its quarantine file ") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %d findings, expected %q:\n%s", name, r.FoundWrong, c.want, got)
		}
	}
}

// TestDrawn: the sample is the same every time, and about as large as asked for.
func TestDrawn(t *testing.T) {
	t.Parallel()
	for _, share := range []float64{0.001, 0.01, 0.5, 1} {
		n := 0.0
		for row := range int64(100_000) {
			if drawn("data/a.parquet", row, share) {
				n++
			}
		}
		if want := share * 100_000; math.Abs(n-want) > 5*math.Sqrt(want) {
			t.Errorf("%v of 100,000 for a share of %v", n, share)
		}
	}
	if got := drawnOf("a", 12, 0.5); !slices.Equal(got, []int64{0, 7, 8}) {
		t.Errorf("the sample has changed: %v", got)
	}
}

func drawnOf(input string, rows int64, share float64) (list []int64) {
	for row := range rows {
		if drawn(input, row, share) {
			list = append(list, row)
		}
	}
	return list
}
