package graph_test

import (
	"testing"

	"graphscore/pipeline/graph"
)

// A column is needed where a model has a width for it, and never else; what all models read is read whatever they need.
func TestInputsNeed(t *testing.T) {
	t.Parallel()
	all := graph.Inputs{EdgeWidth: 1, EdgeTypes: 2, GraphWidth: 3, Weights: true}
	for c := range graph.NumInputColumns {
		if all.Need(c) != c.Further() || !all.Read(c) {
			t.Errorf("%s: needed %v, read %v", c, all.Need(c), all.Read(c))
		}
		if weighed := (graph.Inputs{Weights: true, NeedWeights: true}); weighed.Need(c) != (c == graph.InputWeights) {
			t.Errorf("%s of a model that needs weights: needed %v", c, weighed.Need(c))
		}
		var none graph.Inputs
		if none.Need(c) || none.Read(c) == (c.Further() || c == graph.InputWeights) {
			t.Errorf("%s of a model that reads nothing: needed %v, read %v", c, none.Need(c), none.Read(c))
		}
		if c.Further() && !c.Optional() {
			t.Errorf("%s cannot be turned off", c)
		}
	}
}
