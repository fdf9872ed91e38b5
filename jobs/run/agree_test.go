package run

import (
	"bytes"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"graphscore/jobs"
	"graphscore/jobs/jobtest"
	"graphscore/pipeline/graph"
	"graphscore/readers"
)

// prepared is a job over files with graphs of so many features each.
func prepared(t testing.TB, widths ...int) *Input {
	t.Helper()
	dir := t.TempDir()
	for i, width := range widths {
		graphs := jobtest.NewGraphs()
		graphs.From, graphs.Width = int64(100*i), width
		if err := graphs.WriteFile(filepath.Join(dir, "in", string(rune('a'+i))+".parquet"), 3); err != nil {
			t.Fatal(err)
		}
	}
	job := jobs.Job{
		Path: "job.yaml", Input: jobs.Input{Path: jobs.Paths{{Path: filepath.Join(dir, "in")}}},
		Output: jobs.Output{Path: filepath.Join(dir, "out")}, Model: jobs.Model{Path: "model"},
	}.WithDefaults()
	in, err := Prepare(t.Context(), Config{Job: &job, Start: time.Now(), Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func served(width int) Served {
	return Served{MessageBytes: 1 << 20, Model: graph.Model{Name: "m", Digest: "sha256:m", InFeatures: width, Outputs: []string{"score"}, Inputs: graph.Inputs{Weights: true}}}
}

// A model that fits some of the files is the right one; one that fits none is a mistake in the job.
func TestFit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		widths             []int
		model, files, want int
		misfit, more       bool
		looked             int
	}{
		"fits":                {widths: []int{2}, model: 2, want: 2},
		"fits the second":     {widths: []int{3, 2}, model: 2, want: 2},
		"fits none":           {widths: []int{3, 4}, model: 2, want: 2, misfit: true, looked: 2},
		"fits none looked at": {widths: []int{3, 3, 2}, model: 2, files: 2, want: 2, misfit: true, more: true, looked: 2},
		"the data decide":     {widths: []int{3}, want: 3},
	} {
		in := prepared(t, test.widths...)
		width, err := in.Fit(t.Context(), served(test.model), test.files)
		var misfit *Misfit
		if errors.As(err, &misfit) != test.misfit || width != test.want {
			t.Errorf("%s: %d, %v", name, width, err)
			continue
		}
		if !test.misfit {
			continue
		}
		if misfit.Files != test.looked || misfit.More != test.more || ExitCode(err) != 78 || !strings.Contains(err.Error(), "job.yaml: the model m does not fit the data: row 0 of ") {
			t.Errorf("%s: %+v", name, misfit)
		}
	}
}

// A model that reads what no file has is a mistake in the job; where some files have it, the others are refused alone.
func TestFitColumns(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		edges   []bool // whether each file has features of edges
		inputs  graph.Inputs
		columns map[string]string
		says    string // "" where the model fits
	}{
		"all":         {edges: []bool{true, true}, inputs: graph.Inputs{EdgeWidth: 2, EdgeTypes: 3, GraphWidth: 2}},
		"some":        {edges: []bool{false, true, false}, inputs: graph.Inputs{EdgeWidth: 2}},
		"not read":    {edges: []bool{false}, inputs: graph.Inputs{Weights: true}},
		"none":        {edges: []bool{false, false}, inputs: graph.Inputs{GraphWidth: 2}, says: "there is no column graph_attr for graph_attr, it has graph_id"},
		"off":         {edges: []bool{true}, inputs: graph.Inputs{EdgeTypes: 2}, columns: map[string]string{"edge_type": "none"}, says: "edge_type is none, and the model reads it"},
		"weights":     {edges: []bool{true}, inputs: graph.Inputs{Weights: true, NeedWeights: true}, says: "there is no column edge_weight for weights, it has graph_id"},
		"weigh one":   {edges: []bool{true}, inputs: graph.Inputs{Weights: true, NeedWeights: true}, columns: map[string]string{"weights": "none"}},
		"edge width":  {edges: []bool{true, true}, inputs: graph.Inputs{EdgeWidth: 3}, says: "its edges have 2 features in edge_attr, the model wants 3; choose another model, or map input.columns.edge_attr (--column edge_attr=NAME)"},
		"graph width": {edges: []bool{false, true}, inputs: graph.Inputs{GraphWidth: 3}, says: "it has 2 features in graph_attr, the model wants 3; choose another model, or map input.columns.graph_attr"},
	} {
		dir := t.TempDir()
		for i, edges := range test.edges {
			graphs := jobtest.NewGraphs()
			graphs.From, graphs.Edges = int64(100*i), edges
			if err := graphs.WriteFile(filepath.Join(dir, "in", string(rune('a'+i))+".parquet"), 3); err != nil {
				t.Fatal(err)
			}
		}
		job := jobs.Job{
			Path: "job.yaml", Output: jobs.Output{Path: filepath.Join(dir, "out")}, Model: jobs.Model{Path: "model"},
			Input: jobs.Input{Path: jobs.Paths{{Path: filepath.Join(dir, "in")}}, Columns: jobs.Columns{ColumnNames: graph.ColumnNamesOf(test.columns)}},
		}.WithDefaults()
		in, err := Prepare(t.Context(), Config{Job: &job, Start: time.Now(), Now: time.Now, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(name, err)
		}
		s := served(2)
		s.Model.Inputs = test.inputs
		width, err := in.Fit(t.Context(), s, 0)
		if width != 2 || test.says == "" && err != nil {
			t.Errorf("%s: %d, %v", name, width, err)
		}
		if test.says != "" && (ExitCode(err) != 78 || !strings.Contains(err.Error(), "job.yaml: the model m does not fit the data: ") || !strings.Contains(err.Error(), test.says)) {
			t.Errorf("%s: %v (%d)", name, err, ExitCode(err))
		}
	}
}

// What input and model agree on is in the settings of every part.
func TestAgree(t *testing.T) {
	t.Parallel()
	in := prepared(t, 2)
	c := in.Agree(served(2), 2, IDTypes{graph.String, graph.String})
	s := c.Settings
	if s.FeatureWidth != 2 || s.GraphID != "int64" || s.NodeID != "int64" || s.Protocol != "native" || s.MessageBytes != 1<<20 || s.Layout != "rows" {
		t.Errorf("%+v", s)
	}
	specs := c.Specs()
	if len(specs) != 1 || specs[0].Part != "a.parquet" || specs[0].Rows != 3 || specs[0].Model != "sha256:m" {
		t.Errorf("%+v", specs)
	}
	if plan := c.Plan(); plan.Rescore || len(plan.Specs) != 1 {
		t.Errorf("%+v", plan)
	}
}

// Prepare refuses what needs no scorer, in the order of its steps.
func TestPrepareRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil func(*Config)
		code  int
	}{
		"job":      {func(c *Config) { c.Job.Workers = -1 }, 78},
		"overlap":  {func(c *Config) { c.Job.Output.Path = c.Job.Input.Path[0].Path }, 78},
		"no input": {func(c *Config) { c.Job.Input.Path[0].Path += "-absent" }, 66},
	} {
		cfg := prepared(t, 2).Config
		test.spoil(&cfg)
		if in, err := Prepare(t.Context(), cfg); in != nil || ExitCode(err) != test.code {
			t.Errorf("%s: %v, %v", name, in, err)
		}
	}
}

// Edges that count nodes from 1 are told by file: no graph has an edge to node 0, and some have one to node n.
func TestEdgesThatCountFromOneAreTold(t *testing.T) {
	t.Parallel()
	type row struct {
		nodes int
		edges [][2]int32
	}
	one := row{3, [][2]int32{{1, 2}, {2, 3}, {3, 1}}}
	oneInside := row{3, [][2]int32{{1, 2}, {2, 1}}} // scored
	zero := row{3, [][2]int32{{0, 1}, {1, 0}}}
	wild := row{3, [][2]int32{{0, 9}}}
	for name, test := range map[string]struct {
		shards [][]row
		want   bool
	}{
		"all":                   {[][]row{{one, one}}, true},
		"some within":           {[][]row{{oneInside, one, oneInside}}, true},
		"in another shard":      {[][]row{{oneInside}, {one}}, true},
		"one from zero":         {[][]row{{one, zero}}, false},
		"one from zero, before": {[][]row{{zero}, {one}}, false},
		"far out":               {[][]row{{one, wild}}, false},
		"none out of range":     {[][]row{{oneInside}}, false},
		"from zero":             {[][]row{{zero, zero}}, false},
		"without edges":         {[][]row{{{3, nil}}}, false},
	} {
		n, file := &numbering{}, &readers.File{Path: "in/a.parquet"}
		for _, rows := range test.shards {
			sink := n.of(file, &scanSink{mu: &sync.Mutex{}, file: file, see: Observer{Batch: func(*graph.Batch) {}, Reject: func(*readers.File, graph.Rejection) {}}})
			b := graph.NewBuilder(graph.BuilderConfig{Width: 1})
			for i, r := range rows {
				g := graph.Row{Row: int64(i), Nodes: r.nodes, Width: 1, NumNodes: -1, Features: make([]float32, r.nodes)}
				for _, e := range r.edges {
					g.Sources, g.Targets = append(g.Sources, int64(e[0])), append(g.Targets, int64(e[1]))
				}
				b.Add(&g)
			}
			batch := b.Batch()
			for _, r := range batch.Rejected {
				if err := sink.Reject(t.Context(), r); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(sink.Write(t.Context(), batch, &graph.Scores{}), sink.Close()); err != nil {
				t.Fatal(err)
			}
		}
		if hint := n.hint(); (hint != "") != test.want || test.want && !strings.Contains(hint, "in/a.parquet seem to count nodes from 1") {
			t.Errorf("%s: %q", name, hint)
		}
	}
}

// The panic of a decoder, the last of the chain of a refused file, is in the debug log and not in the message.
func TestCauseOfARefusedFileIsLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	in := prepared(t, 2)
	in.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	in.Plan.Refused = append(in.Plan.Refused, &readers.FileError{Path: "b", RowGroup: -1, Row: -1, Reason: "invalid data", Err: errors.Join(errors.New("index out of range"))})
	in.LogPlan(t.Context())
	if !strings.Contains(log.String(), "level=DEBUG msg=\"refused because of\" file=b cause=\"index out of range\"") {
		t.Error(log.String())
	}
}
