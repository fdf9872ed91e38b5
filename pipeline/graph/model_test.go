package graph_test

import (
	"testing"

	"graphscore/pipeline/graph"
)

func TestModelValidate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*graph.Model)
		want   string
	}{
		"whole":        {func(*graph.Model) {}, ""},
		"no engine":    {func(m *graph.Model) { m.Engine, m.MaxMessageBytes = "", 0 }, ""},
		"no digest":    {func(m *graph.Model) { m.Digest = "" }, "digest is empty"},
		"no width":     {func(m *graph.Model) { m.InFeatures = 0 }, "in_features is 0"},
		"no output":    {func(m *graph.Model) { m.Outputs = nil }, "outputs is empty"},
		"empty output": {func(m *graph.Model) { m.Outputs = []string{"a", ""} }, `outputs has the name "", which is empty, given twice or that of an id column`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &graph.Model{Digest: "sha256:1", InFeatures: 3, Outputs: []string{"a"}, Engine: "numpy", MaxMessageBytes: 1 << 20}
			c.change(m)
			got := ""
			if err := m.Validate(); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestBadOutput(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		level graph.Level
		names []string
		want  int
	}{
		{graph.NodeLevel, nil, -1},
		{graph.NodeLevel, []string{"a", "b"}, -1},
		{graph.NodeLevel, []string{"Graph_id"}, -1},
		{graph.NodeLevel, []string{"a", ""}, 1},
		{graph.NodeLevel, []string{"a", "b", "a"}, 2},
		{graph.NodeLevel, []string{"graph_id"}, 0},
		{graph.NodeLevel, []string{"a", "node_id"}, 1},
		{graph.NodeLevel, []string{"source", "target"}, -1},
		{graph.EdgeLevel, []string{"a", "node_id"}, -1},
		{graph.EdgeLevel, []string{"a", "target"}, 1},
		{graph.GraphLevel, []string{"node_id", "source"}, -1},
		{graph.GraphLevel, []string{"graph_id"}, 0},
	} {
		if got := graph.BadOutput(c.level, c.names); got != c.want {
			t.Errorf("BadOutput(%q) = %d, want %d", c.names, got, c.want)
		}
	}
}
