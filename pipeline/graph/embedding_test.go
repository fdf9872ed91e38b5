package graph_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"graphscore/pipeline/graph"
)

func TestEmbed(t *testing.T) {
	t.Parallel()
	steps := []graph.Step{{Name: "h", Width: 3}, {Name: "p", Level: graph.GraphLevel, Width: 2}, {Name: "o", Width: 1}}
	for _, c := range []struct {
		model graph.Model
		step  string
		want  string
	}{
		{graph.Model{Steps: steps}, "h", ""},
		{graph.Model{Steps: []graph.Step{{Name: "p"}}, Level: graph.EdgeLevel}, "p", ""}, // only its name is known
		{graph.Model{Steps: steps}, "x", `the model m has no step "x"; its steps that can be written are h, o`},
		{graph.Model{Steps: steps, Level: graph.EdgeLevel}, "x", `the model m has no step "x"; none of its steps is of level edge`},
		{graph.Model{Steps: steps}, "p", `step "p" of the model m is of level graph, and its scores are of level node: only values of that level can be written beside them; its steps that can be written are h, o`},
		{graph.Model{NoSteps: "layers have no names"}, "h", `the values of step "h" of the model m cannot be had: layers have no names`},
		{graph.Model{Steps: steps, Outputs: []string{"embedding"}}, "h", "the model m has an output that is called embedding, which is the column of the values of a step: rename the output in config.json"},
	} {
		c.model.Name = "m"
		got := ""
		if err := c.model.Embed(c.step); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
		if c.want == "" && c.model.Embedding.Name != c.step {
			t.Errorf("the embedding is of %q, want %q", c.model.Embedding.Name, c.step)
		}
	}
}

// A value of an embedding that is not finite is named, after the scores of its graph.
func TestFailNonFiniteEmbedding(t *testing.T) {
	t.Parallel()
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	b := &graph.Batch{
		IDs:         graph.IDs{Kind: graph.Int64, Ints: []int64{1, 2, 3}},
		NodeOffsets: []uint32{0, 2, 3, 4}, EdgeOffsets: []uint32{0, 2, 2, 2}, Sources: []uint32{0, 1}, InDegree: []uint32{1, 1, 0, 0},
		EdgeRows: []uint32{1, 0},
	}
	for level, c := range map[graph.Level]struct {
		values, embedding []float32
		want              []graph.Failure
	}{
		graph.NodeLevel: {[]float32{1, 1, nan, 1}, []float32{0, 0, 0, inf, nan, 0, 0, 0}, []graph.Failure{
			{Graph: 0, Code: graph.NonFiniteScore, Message: "embedding[1] of node 1 is +Inf"},
			{Graph: 1, Code: graph.NonFiniteScore, Message: "output 0 of node 0 is NaN"},
		}},
		graph.EdgeLevel: {[]float32{1, 1}, []float32{nan, 0, 0, nan}, []graph.Failure{
			{Graph: 0, Code: graph.NonFiniteScore, Message: "embedding[1] of edge 0 is NaN"},
		}},
		graph.GraphLevel: {[]float32{1, 1, 1}, []float32{0, 0, 0, 0, 0, inf}, []graph.Failure{
			{Graph: 2, Code: graph.NonFiniteScore, Message: "embedding[1] is +Inf"},
		}},
	} {
		s := &graph.Scores{Level: level, Outputs: 1, Values: c.values, EmbeddingWidth: 2, Embedding: c.embedding}
		s.FailNonFinite(b)
		if d := cmp.Diff(c.want, s.Failed); d != "" {
			t.Errorf("level %s: %s", level, d)
		}
	}
}
