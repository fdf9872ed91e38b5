package report

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"graphscore/pipeline/graph"
	"graphscore/writers"
	"graphscore/writers/part"
	"graphscore/writers/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// hostile is what data may hold, and must never act on a page or a terminal.
const hostile = `<script>document.title="owned"</script><img src=x onerror="document.title='owned'">` + "\x1b[2J\x1b[31m"

// night is one run of a fixture.
type night struct {
	dir     string
	number  int // of the run, for its id and time
	parts   int
	graphs  int // a part
	outputs []string
	bad     int     // every bad-th graph is quarantined, 0: none
	shift   float32 // of the scores
	exit    int
	refused int
	silent  bool // it leaves neither record nor _SUCCESS, like one that was killed
	failed  int  // shards that were planned and have no part
	name    string
	score   func(v float32, output int) float32 // of what would be written; nil: that

	previous string // output that it knew of
	gates    []record.Gate
	level    graph.Level
}

func (n night) id() string { return fmt.Sprintf("202611%02dT020000Z-%08x", n.number, n.number) }

func (n night) settings() part.Settings {
	s := part.Settings{
		Layout: "rows", Protocol: "native", FeatureWidth: 16, GraphID: "string", NodeID: "int64", Outputs: n.outputs,
		MessageBytes: 64 << 20, ScoringVersion: 1,
	}
	return s.OfModel(&graph.Model{Level: n.level, Inputs: graph.Inputs{Weights: true}})
}

// write makes the output of a night by the package that makes all outputs.
func (n night) write(t *testing.T) {
	t.Helper()
	start := time.Date(2026, 11, n.number, 2, 0, 0, 0, time.UTC)
	o, err := writers.Open(t.Context(), writers.Config{
		Dir: n.dir, RunID: n.id(), Version: "1.2.3", Now: func() time.Time { return start },
	})
	must(t, err)
	specs := make([]part.Spec, n.parts)
	for i := range specs {
		specs[i] = part.Spec{
			Part: fmt.Sprintf("region=%02d/molecules-%05d.parquet", i, i), Input: fmt.Sprintf("region=%02d/molecules-%05d", i, i),
			Fingerprint: fmt.Sprintf("fast:%d", n.number), Rows: int64(n.graphs), Model: "sha256:17a92cd8eeafa50fa5ac887434",
		}
	}
	work, err := o.Reconcile(t.Context(), writers.Plan{Contents: n.contents(), Specs: specs, Rescore: true})
	must(t, err)
	must(t, o.Begin())
	rec := n.record(start)
	for i, spec := range specs {
		rec.Shards = append(rec.Shards, n.part(t, o, spec, i))
		rec.Counts.Nodes += rec.Shards[i].Nodes
		rec.Counts.Scored += rec.Shards[i].Scored
		rec.Counts.Quarantined += rec.Shards[i].Quarantined
	}
	rec.Counts.RowsIn = rec.Counts.Scored + rec.Counts.Quarantined
	rec.Counts.RowsPlanned = int64((n.parts + n.failed) * n.graphs)
	for i := range n.failed {
		rec.Shards = append(rec.Shards, record.Shard{Part: fmt.Sprintf("region=%02d/later.parquet", i), Outcome: "failed"})
	}
	rec.QuarantinedByCode["edge_out_of_range"] = rec.Counts.Quarantined
	if !n.silent {
		must(t, o.Finish(t.Context(), work, n.refused == 0 && n.failed == 0 && n.exit != 69 && n.exit != 4))
		must(t, o.WriteRecord(rec))
	}
	must(t, o.Close())
}

func (n night) contents() part.Contents {
	return part.Contents{Level: n.level, Settings: n.settings(), GraphIDs: graph.String, NodeIDs: graph.Int64, Outputs: n.outputs}
}

// part writes one part with sizes and scores like those of molecules.
func (n night) part(t *testing.T, o *writers.Output, spec part.Spec, seed int) record.Shard {
	t.Helper()
	p, err := o.Create(t.Context(), spec, n.contents())
	must(t, err)
	defer p.Close()
	r := rand.New(rand.NewPCG(uint64(seed), 7))
	out := record.Shard{Part: spec.Part, Input: spec.Input, Outcome: "scored", Seconds: 1 + 3*r.Float64()}
	for g := range n.graphs {
		out.RowsIn++
		if n.bad > 0 && g%n.bad == 1 {
			id := any(fmt.Sprintf("CHEMBL%d", g))
			if g == 1 {
				id = hostile
			}
			must(t, p.Reject(t.Context(), graph.Rejection{
				GraphID: id, Row: int64(g), Code: graph.EdgeOutOfRange, Nodes: 9, Edges: 20,
				Message: "edge 17 points at node 12, but the graph has 9 nodes",
			}))
			out.Quarantined++
			continue
		}
		b := &graph.Batch{IDs: graph.IDs{Kind: graph.String}, NodeOffsets: []uint32{0}, EdgeOffsets: []uint32{0}}
		b.IDs.AppendBytes(fmt.Appendf(nil, "CHEMBL%d", g))
		nodes := 4 + int(math.Abs(r.NormFloat64()*12))
		s := &graph.Scores{Level: n.level, Outputs: len(n.outputs)}
		rows := nodes
		if n.level == graph.GraphLevel {
			rows = 1
		}
		for range rows {
			for k := range n.outputs {
				v := n.shift + float32(r.NormFloat64()*0.2-0.3*float64(r.IntN(2)))*float32(math.Pow(10, float64(k%8)))
				if n.score != nil {
					v = n.score(v, k)
				}
				s.Values = append(s.Values, v)
			}
		}
		b.NodeOffsets, b.EdgeOffsets = append(b.NodeOffsets, uint32(nodes)), append(b.EdgeOffsets, 0)
		b.InDegree, b.RowGroups, b.Rows = make([]uint32, nodes), []int32{0}, []int64{int64(g)}
		if n.level == graph.EdgeLevel { // from each node to itself
			b.EdgeOffsets[1] = uint32(nodes)
			for i := range nodes {
				b.InDegree[i] = 1
				b.Sources, b.EdgeRows = append(b.Sources, uint32(i)), append(b.EdgeRows, uint32(i))
			}
		}
		must(t, p.Write(t.Context(), b, s))
		out.Scored++
		out.Nodes += int64(nodes)
	}
	must(t, p.Commit(t.Context()))
	return out
}

// record is that of a run of a few minutes.
func (n night) record(start time.Time) *record.Run {
	const length = 154
	rec := &record.Run{
		RunID: n.id(), Name: cmp.Or(n.name, "molecules"), Started: start.Format(time.RFC3339),
		Finished: start.Add(length * time.Second).Format(time.RFC3339), Seconds: length + float64(n.number), StartupSeconds: 1.4,
		ExitCode: n.exit, Host: "etl-03.example.org", PID: 4711, Version: "1.2.3", GoVersion: "go1.26.8",
		ArrowVersion: "v15.0.2", GRPCVersion: "v1.85.0", Protocol: "native", Workers: 8, Inputs: []string{"/srv/graphs/dt=2026-11-21"},
		Output: n.dir, Previous: n.previous, Gates: n.gates, Settings: n.settings(), SettingsDigest: n.settings().Digest(),
		Model: record.Model{
			Name: "molecule-charge", Digest: "sha256:17a92cd8eeafa50fa5ac887434", InFeatures: 16, Level: n.level.String(), Outputs: n.outputs,
			Engine: "scipy", BLAS: "openblas 0.3.31 Haswell", Versions: map[string]string{"numpy": "2.4.6", "python": "3.11.7"},
		},
		Counts:            record.Counts{Files: int64(n.parts + n.refused), FilesRefused: int64(n.refused), Shards: int64(n.parts), Requests: 4000, Retries: 2},
		QuarantinedByCode: map[string]int64{},
		Stages:            record.Stages{Read: 61, Pack: 12.5, Transport: 48, Model: 702, Write: 29},
		PeakMemory:        record.PeakMemory{Go: 310 << 20, Workers: 8 * 190 << 20},
	}
	if n.exit != 0 {
		rec.Error = "some graphs were not scored"
	}
	for i := range n.refused {
		rec.Refused = append(rec.Refused, record.RefusedFile{
			File:   fmt.Sprintf("/srv/graphs/dt=2026-11-21/region=99/broken-%05d.parquet", i),
			Reason: "its footer is cut off: it has 4,096 of at least 81,920 bytes",
		})
	}
	r, graphs := rand.New(rand.NewPCG(3, 3)), int64(0)
	for i := range 110 {
		rec.Throughput = append(rec.Throughput, record.Sample{Seconds: 1.4 + 1.4*float64(i), Graphs: graphs})
		graphs += int64(30_000 * (1 - math.Exp(-float64(i)/4)) * (0.85 + 0.3*r.Float64()))
	}
	return rec
}

// example is an output after two nights: the second found other scores, bad graphs and broken files.
func example(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "out")
	n := night{dir: dir, number: 20, parts: 12, graphs: 400, outputs: []string{"charge", "toxicity"}, bad: 90}
	n.exit = 3
	n.write(t)
	n.number, n.shift, n.bad, n.refused = 21, 0.05, 17, 2
	n.gates = []record.Gate{
		{Name: "quarantine_rate", Limit: 0.1, Value: 0.06, Passed: true},
		{Name: "drift.psi", Output: "toxicity", Limit: 0.2, Value: 0.013, Passed: true, Message: `output "charge" is new`},
		{Name: "drift.max", Limit: 0.5, Passed: true, Message: "nothing to compare: no node is also in /srv/scores/" + strings.Repeat("deep/", 30)},
	}
	n.write(t)
	return dir
}

func build(t *testing.T, cfg Config) *Report {
	t.Helper()
	r, err := Build(t.Context(), cfg)
	must(t, err)
	return r
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	must(t, err)
	return string(content)
}
