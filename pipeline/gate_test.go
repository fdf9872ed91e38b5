package pipeline_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"graphscore/pipeline"
	"graphscore/pipeline/graph"
	"graphscore/pipeline/pipelinetest"
)

// atOnce counts the calls under way, and those of suspects among them.
type atOnce struct {
	pipeline.Scorer
	all, suspects  atomic.Int64
	mostSuspects   atomic.Int64
	besideSuspects atomic.Int64 // calls that were under way when a suspect's was
	examined       atomic.Int64
}

func (a *atOnce) Score(ctx context.Context, b *graph.Batch) (*graph.Scores, error) {
	_, suspect := ctx.Value(suspectKey{}).(bool)
	defer a.all.Add(-1)
	all := a.all.Add(1)
	if suspect {
		a.examined.Add(1)
		defer a.suspects.Add(-1)
		if n := a.suspects.Add(1); n > a.mostSuspects.Load() {
			a.mostSuspects.Store(n)
		}
	}
	if a.suspects.Load() > 0 && all > 1 {
		a.besideSuspects.Add(1)
	}
	return a.Scorer.Score(ctx, b)
}

type suspectKey struct{}

// TestGate: one suspect at a time, with one worker alone, with several beside the others.
func TestGate(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{1, 2} {
		for kind, fault := range faults {
			t.Run(kind, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					bad := map[int64]graph.Fault{3: fault, 77: fault, 140: fault}
					c := &pipelinetest.Cluster{Faults: bad, Workers: workers, Takes: 10 * time.Millisecond, Restart: time.Second}
					counted := &atOnce{Scorer: c}
					scorer := pipeline.Patient(counted, pipeline.Patience{
						Workers: c, Gate: pipeline.NewGate(workers),
						Within: func(ctx context.Context, d time.Duration) context.Context {
							return context.WithValue(c.Within(ctx, d), suspectKey{}, true)
						},
					})
					cfg := pipeline.Config{Outputs: 1, RequestGraphs: 5, Calls: 6 * workers}
					shards := []pipeline.Shard{
						shardOf("a", []*graph.Batch{line(200)}, &pipelinetest.Sink{}), shardOf("b", []*graph.Batch{line(100)}, &pipelinetest.Sink{}),
					}
					result, err := pipeline.Run(t.Context(), cfg, shards, scorer)
					if err != nil || result.Counts.Quarantined != 5 {
						t.Fatalf("%v, %+v", err, result.Counts)
					}
					if counted.mostSuspects.Load() != 1 || counted.examined.Load() == 0 {
						t.Errorf("%d suspects at once, %d calls", counted.mostSuspects.Load(), counted.examined.Load())
					}
					if beside := counted.besideSuspects.Load(); workers == 1 && beside != 0 {
						t.Errorf("%d calls beside a suspect's, with one worker", beside)
					}
				})
			})
		}
	}
}

// TestGateOfRuns: runs over one session, of which one has poison, do not wait for each other for ever.
func TestGateOfRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		bad := map[int64]graph.Fault{8: graph.FaultCrashed}
		c := &pipelinetest.Cluster{Faults: bad, Takes: 10 * time.Millisecond, Restart: time.Second}
		gate := pipeline.NewGate(1)
		var g errgroup.Group
		for range 3 {
			g.Go(func() error {
				result, err := pipeline.Run(t.Context(), pipeline.Config{Outputs: 1, RequestGraphs: 5},
					[]pipeline.Shard{shardOf("a", []*graph.Batch{line(100)}, &pipelinetest.Sink{})},
					patientWith(c, pipeline.Patience{Gate: gate}))
				if err == nil && result.Counts.Codes[graph.ScorerCrashed] != 1 {
					return errors.New("the graph is not in quarantine")
				}
				return err
			})
		}
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
	})
}

// TestExamineOneOfSeveralServers: a server that hangs, or fails on everything, is not the fault of what it is sent.
func TestExamineOneOfSeveralServers(t *testing.T) {
	t.Parallel()
	for kind, fault := range faults {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := &pipelinetest.Cluster{Ill: fault, Workers: 2, Takes: 10 * time.Millisecond, Deadline: 5 * time.Second}
				// Chance may choose the ill one many times in a row.
				scorer := pipeline.Patient(c, pipeline.Patience{Within: c.Within, Gate: pipeline.NewGate(2), Deadline: 5 * time.Second, Budget: time.Hour})
				for range 50 {
					b := line(16)
					got, err := scorer.Score(t.Context(), b)
					if err != nil {
						t.Fatal(err)
					}
					checkScores(t, got, expected(t, b, nil))
				}
			})
		})
	}
}

// TestExamineWhatKeepsAServerBusy: a graph that hangs elsewhere, where nobody ends what computes it.
func TestExamineWhatKeepsAServerBusy(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 16} {
		synctest.Test(t, func(t *testing.T) {
			bad := map[int64]graph.Fault{int64(n / 2): graph.FaultHung}
			c := &pipelinetest.Cluster{Faults: bad, Keeps: 15 * time.Second, Takes: 10 * time.Millisecond, Deadline: 5 * time.Second}
			b := line(n)
			got, err := pipeline.Patient(c, pipeline.Patience{Within: c.Within, Deadline: 5 * time.Second}).Score(t.Context(), b)
			if err != nil {
				t.Fatal(err)
			}
			checkScores(t, got, expected(t, b, bad))
		})
	}
}

// TestExamineAnything: whatever fails, wherever and however many at once, every other graph has its scores.
func TestExamineAnything(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		graphs := rapid.IntRange(1, 60).Draw(rt, "graphs")
		bad := make(map[int64]graph.Fault)
		for range rapid.IntRange(0, 6).Draw(rt, "bad") {
			fault := graph.Fault(rapid.IntRange(int(graph.FaultRaised), int(graph.FaultHung)).Draw(rt, "fault"))
			bad[int64(rapid.IntRange(0, graphs-1).Draw(rt, "row"))] = fault
		}
		workers := rapid.IntRange(1, 4).Draw(rt, "workers")
		cfg := pipeline.Config{
			Outputs: 1, RequestGraphs: rapid.IntRange(1, 20).Draw(rt, "request"), Calls: rapid.IntRange(1, 8).Draw(rt, "calls"),
			InFlightBytes: rapid.Int64Range(100, 4000).Draw(rt, "bytes"),
		}
		takes := time.Duration(rapid.IntRange(0, 50).Draw(rt, "takes")) * time.Millisecond
		synctest.Test(t, func(t *testing.T) {
			c := &pipelinetest.Cluster{Faults: bad, Workers: workers, Takes: takes, Restart: time.Second}
			sink := &pipelinetest.Sink{}
			b := line(graphs)
			_, err := pipeline.Run(t.Context(), cfg, []pipeline.Shard{shardOf("a", []*graph.Batch{b}, sink)}, patientWith(c, pipeline.Patience{}))
			if err != nil {
				rt.Fatalf("%v", err)
			}
			want, err := (&pipelinetest.Scorer{}).Score(t.Context(), b)
			if err != nil {
				rt.Fatal(err)
			}
			rejected := make(map[int64]graph.Code)
			for _, r := range sink.Rejected {
				rejected[r.Row] = r.Code
			}
			lines := sink.Lines
			for g := range graphs {
				if fault, is := bad[int64(g)]; is {
					if rejected[int64(g)] != fault.Code() {
						rt.Errorf("graph %d: %q", g, rejected[int64(g)])
					}
					continue
				}
				for n := 2 * g; n < 2*g+2; n++ {
					if len(lines) == 0 || lines[0].GraphID != int64(g) || lines[0].Scores[0] != want.Values[n] {
						rt.Fatalf("graph %d: %v", g, lines[:min(1, len(lines))])
					}
					lines = lines[1:]
				}
			}
			if len(lines) != 0 || len(rejected) != len(bad) {
				rt.Errorf("%d lines too many, %v", len(lines), rejected)
			}
		})
	})
}
