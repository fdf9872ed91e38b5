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
		ProtocolNative: {Weights: true, Describes: true, CallsPerWorker: 3},
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
	gcn, native := TraitsOf(ProtocolGCN), TraitsOf(ProtocolNative)
	one := &graph.Model{Name: "m", Digest: "sha256:1", InFeatures: 3, Outputs: []string{"charge"}, Engine: "numpy"}
	two := &graph.Model{Outputs: []string{"a", "b"}}
	for name, c := range map[string]struct{ got, want *graph.Model }{
		"nothing is known":   {gcn.Assumed("", nil), &graph.Model{Outputs: []string{"score"}}},
		"a version":          {gcn.Assumed("v7", nil), &graph.Model{Digest: "v7", Outputs: []string{"score"}}},
		"a model":            {gcn.Assumed("", one), &graph.Model{Name: "m", Digest: "sha256:1", Outputs: []string{"score"}}},
		"both":               {gcn.Assumed("v7", one), &graph.Model{Name: "m", Digest: "v7", Outputs: []string{"score"}}},
		"it does not change": {one, &graph.Model{Name: "m", Digest: "sha256:1", InFeatures: 3, Outputs: []string{"charge"}, Engine: "numpy"}},
	} {
		if d := cmp.Diff(c.want, c.got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	if !gcn.Carries(one) || gcn.Carries(two) || !native.Carries(one) || !native.Carries(two) {
		t.Error("gcn carries one output, native any number")
	}
}
