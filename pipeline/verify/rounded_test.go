package verify

import (
	"strings"
	"testing"

	"graphscore/pipeline/graph"
)

// TestRounded: graphs that an older version scored with rounded integers are named as such, in one finding, and all
// others are compared as ever.
func TestRounded(t *testing.T) {
	t.Parallel()
	const (
		older = "an older version of graphscore scored "
		first = "graph 1 (row 0 of the input) with integers beyond 2^24 that it had rounded to float32 (why); " +
			"this version quarantines such graphs as category_out_of_range: to make the part so, remove it and run again"
	)
	for name, c := range map[string]struct {
		rounded []int // rows of the input that this version rejects
		change  func([]one)
		want    string
	}{
		"first":         {[]int{0}, nil, older + first},
		"adjacent":      {[]int{0, 1, 2, 3}, nil, older + "4 graphs, the first of them " + first},
		"in blocks":     {[]int{6}, nil, older + "graph 7 (row 6 of the input)"},
		"last":          {[]int{7}, nil, older + "graph 8 (row 7 of the input)"},
		"in quarantine": {[]int{4}, nil, "is in quarantine for edge_out_of_range, but should be for category_out_of_range"},
		"another graph": {[]int{6}, func(g []one) { g[6].id = 70 }, "row 6 of the input (graph 70) cannot be scored (category_out_of_range), but is not in quarantine"},
		"another fault": {[]int{0}, func(g []one) { g[7].id = 80 }, "is of graph 8, but should be of graph 80 (row 7 of the input)"},
		"too short":     {[]int{7}, func(g []one) { g[7].nodes = 2 }, "it ends before the last row of graph 8 (row 7 of the input)"},
	} {
		for _, level := range []graph.Level{graph.NodeLevel, graph.EdgeLevel, graph.GraphLevel} {
			if name == "too short" && level == graph.GraphLevel {
				continue // one row, whatever its nodes
			}
			t.Run(name+" "+level.String(), func(t *testing.T) {
				t.Parallel()
				changed := graphs()
				if c.change != nil {
					c.change(changed)
				}
				for _, row := range c.rounded {
					changed[row].read = graph.CategoryOutOfRange
				}
				r, err := Run(t.Context(), Config{
					Dir: writeLevel(t, level, graphs()), Input: input{changed, "fast:1"},
					Scoring: &Scoring{Scorer: scorer{level: level}, Model: model, Share: 1},
				})
				must(t, err)
				if got := findings(r); r.FoundWrong != 1 || !strings.HasPrefix(got, "a.parquet: ") || !strings.Contains(got, c.want) {
					t.Errorf("%d findings, expected %q:\n%s", r.FoundWrong, c.want, got)
				}
			})
		}
	}
}
