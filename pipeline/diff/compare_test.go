package diff

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"graphscore/pipeline/graph"
	"graphscore/writers/atomic"
	"graphscore/writers/part"
)

// ring makes count graphs of 1 to 5 nodes with ids from first on; every score is a function of id and node.
func ring(first, count int) (graphs []g) {
	for i := first; i < first+count; i++ {
		one := g{id: fmt.Sprint(i)}
		for n := range 1 + i%5 {
			one.scores = append(one.scores, []float32{float32(i) + float32(n)/8})
		}
		graphs = append(graphs, one)
	}
	return graphs
}

// size counts graphs and nodes.
func size(lists ...[]g) (graphs, nodes int64) {
	for _, l := range lists {
		for _, g := range l {
			graphs++
			nodes += int64(len(g.scores))
		}
	}
	return graphs, nodes
}

func shuffled(graphs []g) []g {
	out := append([]g(nil), graphs...)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// TestArrangements: whatever parts the same graphs lie in, in whatever order, nothing differs; with a few more and
// fewer, exactly those are told.
func TestArrangements(t *testing.T) {
	t.Parallel()
	all := ring(0, 300)
	ints := world{graphs: graph.Int64, nodes: graph.Int64, outputs: []string{"score"}}
	old := []written{{input: "a", graphs: all[:200]}, {input: "b", graphs: all[200:]}}
	for name, c := range map[string]struct {
		world world
		parts []written
	}{
		"the same":           {texts, old},
		"cut in two":         {texts, []written{{input: "a", name: "a.rg00000-00000", graphs: all[:90]}, {input: "a", name: "a.rg00001-00001", first: 1, graphs: all[90:200]}, old[1]}},
		"other names":        {texts, []written{{input: "c", graphs: all[:200]}, {input: "d", graphs: all[200:]}}},
		"one part":           {texts, []written{{input: "c", graphs: all}}},
		"inputs swapped":     {texts, []written{{input: "b", graphs: all[:200]}, {input: "a", graphs: all[200:]}}},
		"any order":          {texts, []written{{input: "a", graphs: shuffled(all)}}},
		"ids are integers":   {ints, old},
		"integers any order": {ints, []written{{input: "z", graphs: shuffled(all)}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, small := range []Config{{}, {windowGraphs: 4, pieceBytes: 100}, {windowBytes: 2000, pieceBytes: 2000}} {
				small.Old, small.New = texts.write(t, old...), c.world.write(t, c.parts...)
				graphs, nodes := size(all)
				r := compare(t, small)
				want := [2]Fates{{Equal: graphs}, {Equal: nodes}}
				if diff := cmp.Diff(want, [2]Fates{r.Graphs, r.Nodes}); diff != "" || len(r.Findings) > 0 {
					t.Errorf("%v %s", r.Findings, diff)
				}
			}
		})
	}
}

func TestGraphsComeAndGo(t *testing.T) {
	t.Parallel()
	all := ring(0, 300)
	// NEW lacks 10 to 19 and 299, and has 1000 to 1004 in the midst.
	fresh := ring(1000, 5)
	new := append(append(append([]g{}, all[:10]...), all[20:150]...), append(fresh, all[150:299]...)...)
	missing, missingNodes := size(all[10:20], all[299:])
	added, addedNodes := size(fresh)
	equal, equalNodes := size(all)
	want := [2]Fates{
		{Equal: equal - missing, Missing: missing, New: added},
		{Equal: equalNodes - missingNodes, Missing: missingNodes, New: addedNodes},
	}
	for name, c := range map[string]struct {
		cfg   Config
		parts []written
	}{
		"in place":       {Config{}, []written{{input: "a", graphs: new}}},
		"beyond windows": {Config{windowGraphs: 8}, []written{{input: "a", graphs: new}}},
		"any order":      {Config{windowGraphs: 8, pieceBytes: 50}, []written{{input: "x", graphs: shuffled(new)}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.cfg.Old, c.cfg.New = texts.write(t, written{input: "a", graphs: all}), texts.write(t, c.parts...)
			r := compare(t, c.cfg)
			if diff := cmp.Diff(want, [2]Fates{r.Graphs, r.Nodes}); diff != "" {
				t.Error(diff)
			}
			wantFindings := []string{"11 missing graphs", "5 new graphs", fmt.Sprintf("%d missing nodes", missingNodes), fmt.Sprintf("%d new nodes", addedNodes)}
			if diff := cmp.Diff(wantFindings, r.Findings); diff != "" {
				t.Error(diff)
			}
			if len(r.MissingGraphs) != 10 || len(r.NewGraphs) != 5 {
				t.Errorf("examples: %v %v", r.MissingGraphs, r.NewGraphs)
			}
		})
	}
}

// TestWindow: graphs that come and go are found by reading ahead, the rest of the part never leaves lockstep.
func TestWindow(t *testing.T) {
	t.Parallel()
	all := ring(0, 1000)
	r := compare(t, Config{
		Old: texts.write(t, written{input: "a", graphs: all}),
		New: texts.write(t, written{input: "a", graphs: append(append([]g{}, all[:500]...), all[510:]...)}),
	})
	if r.Joined != 10 || r.Graphs.Missing != 10 {
		t.Errorf("%d leftovers, %d missing", r.Joined, r.Graphs.Missing)
	}
}

func TestScores(t *testing.T) {
	t.Parallel()
	two := world{graphs: graph.String, nodes: graph.String, outputs: []string{"x", "y"}}
	old := two.write(t, written{input: "a", graphs: []g{
		{id: "p", nodes: []string{"n1", "n2", "n3"}, scores: [][]float32{{1, 10}, {2, 20}, {3, 30}}},
		{id: "q", nodes: []string{"n1"}, scores: [][]float32{{5, 50}}},
		{id: "r", nodes: []string{"n1"}, scores: [][]float32{{7, 70}}},
	}})
	new := two.write(t, written{input: "a", graphs: []g{
		{id: "p", nodes: []string{"n3", "n1", "n4"}, scores: [][]float32{{3, 30.5}, {1, 10}, {4, 40}}},
		{id: "q", nodes: []string{"n1"}, scores: [][]float32{{5, 48}}},
		{id: "r", nodes: []string{"n1"}, scores: [][]float32{{7, 70}}},
	}})
	r := compare(t, Config{Old: old, New: new, Tolerance: 0.5})
	want := &Report{
		Old: Side{Path: old, Parts: 1, Graphs: 3, Nodes: 5, Models: []string{"m"}, Embeddings: []string{}, Foreign: []string{}},
		New: Side{Path: new, Parts: 1, Graphs: 3, Nodes: 5, Models: []string{"m"}, Embeddings: []string{}, Foreign: []string{}}, Tolerance: 0.5,
		Graphs: Fates{Equal: 1, Changed: 2}, Nodes: Fates{Equal: 3, Changed: 1, Missing: 1, New: 1},
		MissingGraphs: []string{}, NewGraphs: []string{},
		MissingNodes: []NodeRef{{"p", "n2"}}, NewNodes: []NodeRef{{"p", "n4"}},
		MissingEdges: []EdgeRef{}, NewEdges: []EdgeRef{}, Level: "node",
		MissingOutputs: []string{}, NewOutputs: []string{},
		Outputs: []Output{
			{Name: "x", Compared: 4, PSI: r.Outputs[0].PSI, KS: r.Outputs[0].KS},
			{Name: "y", Compared: 4, Changed: 1, Moved: 2, MeanChange: -1.5 / 4, MeanAbsChange: 2.5 / 4, MaxAbsChange: 2, PSI: r.Outputs[1].PSI, KS: r.Outputs[1].KS},
		},
		Movers: []Mover{
			{Graph: "q", Node: "n1", Output: "y", Old: 50, New: 48, Change: -2},
			{Graph: "p", Node: "n3", Output: "y", Old: 30, New: 30.5, Change: 0.5},
		},
		Findings: []string{"1 missing node", "1 new node", `output "y" changed at 1 node`},
	}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Error(diff)
	}
	var b strings.Builder
	must(t, r.Text(&b))
	for _, want := range []string{"missing nodes: p/n2", "new nodes: p/n4", "1 part, 3 graphs, 5 nodes"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

func TestOtherOutputs(t *testing.T) {
	t.Parallel()
	ab := world{graphs: graph.String, nodes: graph.Int64, outputs: []string{"a", "b"}}
	cb := world{graphs: graph.String, nodes: graph.Int64, outputs: []string{"c", "b"}}
	r := compare(t, Config{
		Old: ab.write(t, written{input: "i", graphs: []g{{id: "1", scores: [][]float32{{1, 2}}}}}),
		New: cb.write(t, written{input: "i", graphs: []g{{id: "1", scores: [][]float32{{2, 1}}}}}),
	})
	want := []string{`output "a" is missing`, `output "c" is new`, `output "b" changed at 1 node`}
	if diff := cmp.Diff(want, r.Findings); diff != "" {
		t.Error(diff)
	}
}

// TestRepeatedIDs: ids may repeat, within a part and across parts; the place tells them apart.
func TestRepeatedIDs(t *testing.T) {
	t.Parallel()
	old := []written{{input: "a", graphs: []g{one("1", 1, 2), one("1", 3, 4), one("2", 5)}}, {input: "b", graphs: []g{one("1", 6), one("2", 7)}}}
	new := []written{{input: "a", graphs: []g{one("2", 5), one("1", 1, 2), one("1", 3, 4)}}, {input: "b", graphs: []g{one("2", 7), one("1", 6)}}}
	for _, cfg := range []Config{{}, {pieceBytes: 1}} { // pieces of one id cannot be cut further
		cfg.Old, cfg.New = texts.write(t, old...), texts.write(t, new...)
		r := compare(t, cfg)
		if want := (Fates{Equal: 5}); r.Graphs != want || len(r.Findings) > 0 {
			t.Errorf("%+v %v", r.Graphs, r.Findings)
		}
	}
}

// TestAcrossBlocks: graphs that end at, and go on behind, the end of a page and of a row group.
func TestAcrossBlocks(t *testing.T) {
	t.Parallel()
	for _, w := range []world{texts, {graphs: graph.Int64, nodes: graph.String, outputs: []string{"score"}}} {
		graphs := []g{}
		for i, nodes := range []int{16<<10 - 1, 40000, 1, 16 << 10, 90000, 3} {
			one := g{id: fmt.Sprint(i)}
			for n := range nodes {
				one.scores = append(one.scores, []float32{float32(n)})
			}
			graphs = append(graphs, one, one) // twice: the first node tells them apart
		}
		n, nodes := size(graphs)
		r := compare(t, Config{Old: w.write(t, written{input: "a", graphs: graphs}), New: w.write(t, written{input: "a", graphs: graphs})})
		if r.Old.Graphs != n || r.Old.Nodes != nodes || r.Nodes.Equal != nodes || r.Joined != 0 {
			t.Errorf("%+v of %d graphs, %d nodes", r.Old, n, nodes)
		}
	}
}

func TestBadFolders(t *testing.T) {
	t.Parallel()
	good := texts.write(t, written{input: "a", graphs: ring(0, 5)})
	empty := t.TempDir()
	mixed := texts.write(t, written{input: "a", graphs: ring(0, 5)})
	other := world{graphs: graph.String, nodes: graph.Int64, outputs: []string{"z"}}.write(t, written{input: "b", graphs: []g{{id: "1", scores: [][]float32{{1}}}}})
	must(t, os.Rename(filepath.Join(other, "b.parquet"), filepath.Join(mixed, "b.parquet")))
	broken := texts.write(t, written{input: "a", graphs: ring(0, 5)})
	must(t, os.Truncate(filepath.Join(broken, "a.parquet"), 100))
	for dir, check := range map[string]func(error) bool{
		empty:         is[*OutputError],
		mixed:         is[*OutputError],
		broken:        is[*part.DamagedError],
		empty + "/no": is[*atomic.IOError],
	} {
		_, err := Compare(t.Context(), Config{Old: good, New: dir})
		if err == nil || !check(err) || !strings.Contains(err.Error(), filepath.Base(dir)) {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

func is[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

// TestForeign: a Parquet file of another maker is left out, and said.
func TestForeign(t *testing.T) {
	t.Parallel()
	dir := texts.write(t, written{input: "a", graphs: ring(0, 5)})
	content, err := os.ReadFile("../../readers/testdata/none.parquet")
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "other.parquet"), content, 0o666))
	r := compare(t, Config{Old: dir, New: texts.write(t, written{input: "a", graphs: ring(0, 5)})})
	if diff := cmp.Diff([]string{"other.parquet"}, r.Old.Foreign); diff != "" || len(r.Findings) > 0 {
		t.Error(diff, r.Findings)
	}
}
