package remote

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"graphscore/pipeline/graph"
)

func TestTraitsOf(t *testing.T) {
	t.Parallel()
	for protocol, want := range map[string]Traits{
		ProtocolNative: {Weights: true, Describes: true, SharedMemory: true, CallsPerWorker: 3},
		ProtocolGCN:    {OneGraph: true, Outputs: []string{"score"}, CallsPerWorker: 32},
		"http":         {},
	} {
		if d := cmp.Diff(want, TraitsOf(protocol), cmpopts.IgnoreUnexported(Traits{})); d != "" {
			t.Errorf("%s: %s", protocol, d)
		}
	}
}

func TestAssumed(t *testing.T) {
	t.Parallel()
	gcn := TraitsOf(ProtocolGCN)
	one := &graph.Model{Name: "m", Digest: "sha256:1", InFeatures: 3, Outputs: []string{"charge"}, Engine: "numpy"}
	weights, none := graph.Inputs{Weights: true}, "the protocol carries scores alone"
	for name, c := range map[string]struct{ got, want *graph.Model }{
		"nothing is known":   {gcn.Assumed("", nil), &graph.Model{Outputs: []string{"score"}, Inputs: weights, NoSteps: none}},
		"a version":          {gcn.Assumed("v7", nil), &graph.Model{Digest: "v7", Outputs: []string{"score"}, Inputs: weights, NoSteps: none}},
		"a model":            {gcn.Assumed("", one), &graph.Model{Name: "m", Digest: "sha256:1", Outputs: []string{"score"}, Inputs: weights, NoSteps: none}},
		"both":               {gcn.Assumed("v7", one), &graph.Model{Name: "m", Digest: "v7", Outputs: []string{"score"}, Inputs: weights, NoSteps: none}},
		"it does not change": {one, &graph.Model{Name: "m", Digest: "sha256:1", InFeatures: 3, Outputs: []string{"charge"}, Engine: "numpy"}},
	} {
		if d := cmp.Diff(c.want, c.got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestLacks(t *testing.T) {
	t.Parallel()
	gcn, native := TraitsOf(ProtocolGCN), TraitsOf(ProtocolNative)
	one := []string{"score"}
	for _, c := range []struct {
		model graph.Model
		want  string
	}{
		{graph.Model{Outputs: one, Inputs: graph.Inputs{Weights: true}}, ""},
		{graph.Model{Outputs: []string{"a", "b"}}, "2 outputs"},
		{graph.Model{Outputs: one, Level: graph.EdgeLevel}, "scores of level edge"},
		{graph.Model{Outputs: one, Level: graph.GraphLevel}, "scores of level graph"},
		{graph.Model{Outputs: one, Inputs: graph.Inputs{EdgeWidth: 2}}, "features of edges (edge_attr)"},
		{graph.Model{Outputs: one, Inputs: graph.Inputs{EdgeTypes: 2}}, "types of edges (edge_type)"},
		{graph.Model{Outputs: one, Inputs: graph.Inputs{GraphWidth: 2}}, "features of graphs (graph_attr)"},
		{graph.Model{Outputs: one, Inputs: graph.Inputs{Weights: true, NeedWeights: true}}, "edge weights (edge_weight)"},
	} {
		if got := gcn.Lacks(&c.model); got != c.want {
			t.Errorf("gcn lacks %q of %+v, want %q", got, c.model, c.want)
		}
		if got := native.Lacks(&c.model); got != "" {
			t.Errorf("native lacks %q of %+v", got, c.model)
		}
	}
}
