package part

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"graphscore/pipeline/graph"
)

func TestSettings(t *testing.T) {
	t.Parallel()
	s := Settings{
		Columns: map[string]string{"x": "a<b", "edge_index": "e"}, FeatureWidth: 4, GraphID: "int64", Layout: "rows",
		Limit: 1, MessageBytes: 2, NodeID: "string", Outputs: []string{"score"}, Protocol: "native", ScoringVersion: 3,
	}
	want := `{"columns":{"edge_index":"e","x":"a<b"},"feature_width":4,"graph_id":"int64","layout":"rows","limit":1,` +
		`"message_bytes":2,"node_id":"string","outputs":["score"],"protocol":"native","scoring_version":3}`
	if d := cmp.Diff(want, string(s.JSON())); d != "" {
		t.Error(d)
	}
	if got := s.Digest(); got != "sha256:9db9c479974d2557ab91b961f681ac6db151334c33980025932c4a966d1eed3a" {
		t.Errorf("digest %s", got)
	}
	if (Settings{}).Digest() != (Settings{Columns: map[string]string{}, Outputs: []string{}}).Digest() {
		t.Error("nothing and empty differ")
	}
	model := &graph.Model{Level: graph.EdgeLevel, Inputs: graph.Inputs{EdgeWidth: 3, EdgeTypes: 5, GraphWidth: 2}}
	of := s.OfModel(model)
	want = strings.NewReplacer(`"feature`, `"edge_types":5,"edge_width":3,"feature`, `"layout":"rows",`, `"graph_width":2,"layout":"rows","level":"edge",`,
		`3}`, `3,"unweighted":true}`).Replace(want)
	if d := cmp.Diff(want, string(of.JSON())); d != "" {
		t.Error(d)
	}
	if level, err := of.ScoreLevel(); err != nil || level != model.Level || of.Inputs() != model.Inputs {
		t.Errorf("level %s, inputs %+v, error %v", level, of.Inputs(), err)
	}
	if plain := of.OfModel(&graph.Model{Inputs: graph.Inputs{Weights: true}}); plain.Digest() != s.Digest() {
		t.Errorf("a model of nodes and weights gives %s", plain.JSON())
	}
}

func TestSettingsDiffer(t *testing.T) {
	t.Parallel()
	s := Settings{Columns: map[string]string{"x": "y"}, FeatureWidth: 4, Limit: 1}
	want := string(s.JSON())
	later := []byte(strings.Replace(want, `"limit":1`, `"later":true`, 1))
	if d := cmp.Diff([]string{"setting later is not there, was true", "setting limit is 1, was not there"}, s.differences(later)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"its settings differ"}, s.differences([]byte("{"))); d != "" {
		t.Error(d)
	}
}
