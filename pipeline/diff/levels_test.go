package diff

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"graphscore/pipeline/graph"
)

// edges and molecules have scores of edges and of graphs.
var (
	edges     = world{graphs: graph.String, nodes: graph.Int64, outputs: []string{"score"}, level: graph.EdgeLevel}
	molecules = world{graphs: graph.String, nodes: graph.Int64, outputs: []string{"score"}, level: graph.GraphLevel}
)

// e is a graph of edges, each of source, target and score.
func e(id string, edges ...[3]int) g {
	out := g{id: id}
	for _, v := range edges {
		out.edges = append(out.edges, [2]uint32{uint32(v[0]), uint32(v[1])})
		out.scores = append(out.scores, []float32{float32(v[2])})
	}
	return out
}

// TestEdges compares edges, which repeat, point to their own node, and may come in another order.
func TestEdges(t *testing.T) {
	t.Parallel()
	base := e("a", [3]int{0, 1, 10}, [3]int{2, 2, 20}, [3]int{0, 1, 11}, [3]int{1, 0, 30})
	for _, tc := range []struct {
		name     string
		is       []g
		edges    Fates
		findings string
		text     []string
	}{
		{"the same", []g{base}, Fates{Equal: 4}, "", []string{"edges                84", "nothing differs"}},
		{"in another order", []g{e("a", [3]int{1, 0, 30}, [3]int{0, 1, 10}, [3]int{0, 1, 11}, [3]int{2, 2, 20})}, Fates{Equal: 4}, "", nil},
		{"repeated edges swap", []g{e("a", [3]int{0, 1, 11}, [3]int{2, 2, 20}, [3]int{0, 1, 10}, [3]int{1, 0, 30})},
			Fates{Equal: 2, Changed: 2}, `output "score" changed at 2 edges`,
			[]string{"largest movers         edge ", "a                      0->1 ", "a                      0->1 (1) "}},
		{"one of two is gone", []g{e("a", [3]int{0, 1, 10}, [3]int{2, 2, 20}, [3]int{1, 0, 30})},
			Fates{Equal: 3, Missing: 1}, "1 missing edge", []string{"missing edges: a/0->1 (1)"}},
		{"one more, and other ends", []g{e("a", [3]int{2, 2, 20}, [3]int{0, 1, 10}, [3]int{0, 1, 11}, [3]int{0, 1, 12}, [3]int{10 % 9, 1, 1})},
			Fates{Equal: 3, Missing: 1, New: 2}, "1 missing edge, 2 new edges", []string{"missing edges: a/1->0", "new edges: a/0->1 (2) a/1->1"}},
		{"two graphs of one id", []g{base, base}, Fates{Equal: 4, New: 4}, "4 new edges", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var was, is []g
			for i := range 40 { // enough for several blocks and pieces
				was = append(was, e(fmt.Sprint(i), [3]int{i % 9, 3, i}, [3]int{i % 9, 3, i + 1}))
			}
			is = append(shuffled(was), tc.is...)
			was = append(was, base)
			for _, small := range []Config{{}, {windowGraphs: 4, pieceBytes: 100}} {
				small.Old, small.New = edges.write(t, written{input: "a", graphs: was}), edges.write(t, written{input: "b", graphs: is})
				r := compare(t, small)
				want := tc.edges
				want.Equal += 80
				if diff := cmp.Diff(want, r.Edges); diff != "" || strings.Join(r.Findings, ", ") != tc.findings || r.Nodes != (Fates{}) || r.Level != "edge" {
					t.Errorf("%v %+v %s", r.Findings, r.Nodes, diff)
				}
				var text strings.Builder
				must(t, r.Text(&text))
				for _, want := range tc.text {
					if !strings.Contains(text.String(), want) {
						t.Errorf("%s\ndoes not say %q", text.String(), want)
					}
				}
				if strings.Contains(text.String(), "node") {
					t.Errorf("%s\nspeaks of nodes", text.String())
				}
			}
		})
	}
}

// TestScoresOfGraphs compares graphs of one score each, ids that repeat among them.
func TestScoresOfGraphs(t *testing.T) {
	t.Parallel()
	was := []g{one("a", 1), one("b", 2), one("b", 3), one("c", 4)}
	is := []g{one("b", 2), one("b", 5), one("d", 6), one("a", 1)}
	for _, small := range []Config{{}, {pieceBytes: 10}} {
		small.Old, small.New = molecules.write(t, written{input: "a", graphs: was}), molecules.write(t, written{input: "a", graphs: is})
		r := compare(t, small)
		want := Fates{Equal: 2, Changed: 1, Missing: 1, New: 1}
		if r.Graphs != want || r.Nodes != (Fates{}) || r.Edges != (Fates{}) || r.Level != "graph" {
			t.Errorf("%+v", r)
		}
		if d := cmp.Diff([]Mover{{Graph: "b", Output: "score", Old: 3, New: 5, Change: 2}}, r.Movers); d != "" {
			t.Error(d)
		}
		var text strings.Builder
		must(t, r.Text(&text))
		for _, want := range []string{"1 part, 4 graphs\n", `changed at 1 graph`} {
			if !strings.Contains(text.String()+strings.Join(r.Findings, "\n"), want) {
				t.Errorf("%s\ndoes not say %q", text.String(), want)
			}
		}
	}
}

// TestLevelsDiffer: outputs of two levels are not compared; one without parts is of any level.
func TestLevelsDiffer(t *testing.T) {
	t.Parallel()
	dirs := map[graph.Level]string{
		graph.NodeLevel: texts.write(t, written{input: "a", graphs: []g{one("a", 1)}}),
		graph.EdgeLevel: edges.write(t, written{input: "a", graphs: []g{e("a", [3]int{0, 1, 1})}}),
	}
	_, err := Compare(t.Context(), Config{Old: dirs[graph.NodeLevel], New: dirs[graph.EdgeLevel]})
	var levels *LevelError
	if !errors.As(err, &levels) || !strings.Contains(err.Error(), "has scores of edges, ") {
		t.Errorf("error %v", err)
	}
	empty := texts.write(t)
	for level, dir := range dirs {
		for _, pair := range [][2]string{{empty, dir}, {dir, empty}} {
			if r := compare(t, Config{Old: pair[0], New: pair[1]}); r.Level != level.String() || len(r.Findings) == 0 {
				t.Errorf("%s: %+v", level, r)
			}
		}
	}
	mixed := edges.write(t, written{input: "a", graphs: []g{e("a", [3]int{0, 1, 1})}})
	molecules.into(t, mixed, written{input: "b", graphs: []g{one("a", 1)}})
	var unfit *OutputError
	if _, err := Compare(t.Context(), Config{Old: mixed, New: mixed}); !errors.As(err, &unfit) || !strings.Contains(err.Error(), "of edges, and in") {
		t.Errorf("error %v", err)
	}
}
