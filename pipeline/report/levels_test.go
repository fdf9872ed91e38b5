package report

import (
	"path/filepath"
	"strings"
	"testing"

	"graphscore/pipeline/graph"
)

// TestLevels: a report speaks of edges or graphs where scores are theirs, and compares no levels.
func TestLevels(t *testing.T) {
	t.Parallel()
	nodes := night{dir: filepath.Join(t.TempDir(), "nodes"), number: 20, parts: 2, graphs: 30, outputs: []string{"charge"}}
	nodes.write(t)
	for level, want := range map[graph.Level][]string{
		graph.EdgeLevel:  {"edges a graph, of 60 graphs: mean ", "Edges a graph</h2>", " edges in the mean", "charge", "level"},
		graph.GraphLevel: {`scores "charge", of 60 graphs: mean `, ">60 graphs, mean ", "level"},
	} {
		t.Run(level.String(), func(t *testing.T) {
			t.Parallel()
			n := nodes
			n.dir, n.level = filepath.Join(t.TempDir(), "out"), level
			n.write(t)
			r := build(t, Config{Path: n.dir, Previous: nodes.dir})
			var text, page strings.Builder
			must(t, r.WriteText(&text))
			must(t, r.WriteHTML(&page))
			for _, want := range want {
				if !strings.Contains(text.String()+page.String(), want) {
					t.Errorf("no %q in\n%s", want, text.String())
				}
			}
			rows := r.Totals.Nodes // an edge a node
			if level == graph.GraphLevel {
				rows = 60
			}
			if r.Level != level.String() || r.Totals.Rows != rows || r.Scores[0].Count != rows || (r.Sizes == nil) != (level == graph.GraphLevel) {
				t.Errorf("level %s, %d rows, %d scores, sizes %+v", r.Level, r.Totals.Rows, r.Scores[0].Count, r.Sizes)
			}
			if len(r.ScoreDrift) > 0 || !strings.Contains(r.DriftNote, "are scores of a node, these of a "+level.String()) {
				t.Errorf("drift %+v: %s", r.ScoreDrift, r.DriftNote)
			}
		})
	}
}
