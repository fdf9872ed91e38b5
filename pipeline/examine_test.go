package pipeline_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"graphscore/pipeline"
	"graphscore/pipeline/graph"
	"graphscore/pipeline/pipelinetest"
)

// patientWith makes a Patient of a cluster.
func patientWith(c *pipelinetest.Cluster, cfg pipeline.Patience) pipeline.Scorer {
	cfg.Within, cfg.Workers = c.Within, c
	if cfg.Gate == nil {
		cfg.Gate = pipeline.NewGate(max(c.Workers, 1))
	}
	return pipeline.Patient(c, cfg)
}

// expected is what a batch should get: all scores but those of faulty graphs.
func expected(t *testing.T, b *graph.Batch, faults map[int64]graph.Fault) *graph.Scores {
	t.Helper()
	want, err := (&pipelinetest.Scorer{}).Score(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	for g, row := range b.Rows {
		if fault := faults[row]; fault != graph.NoFault {
			want.Failed = append(want.Failed, graph.Failure{Graph: g, Code: fault.Code()})
			from, to := b.NodeRange(g)
			clear(want.Values[from*want.Outputs : to*want.Outputs])
		}
	}
	if len(want.Failed) == b.Graphs() {
		want.Outputs, want.Values = 0, nil
	}
	return want
}

func checkScores(t *testing.T, got, want *graph.Scores) {
	t.Helper()
	for i := range got.Failed {
		if got.Failed[i].Message == "" {
			t.Errorf("graph %d failed without a message", got.Failed[i].Graph)
		}
		got.Failed[i].Message = ""
	}
	if len(got.Values) == 0 {
		got.Values = nil
	}
	got.Address = "" // a joined answer has none
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

var faults = map[string]graph.Fault{
	"raised": graph.FaultRaised, "crashed": graph.FaultCrashed, "memory": graph.FaultMemory,
	"hung": graph.FaultHung, "pressure": graph.FaultPressure,
}

// TestExamineFindsTheGraphsAtFault: alone and several, first and last, all of them; the calls that it costs.
func TestExamineFindsTheGraphsAtFault(t *testing.T) {
	t.Parallel()
	const n = 64
	all := make([]int64, n)
	for i := range all {
		all[i] = int64(i)
	}
	places := map[string][]int64{
		"one": {21}, "first": {0}, "last": {n - 1}, "neighbours": {30, 31, 32}, "far apart": {0, 17, 40, n - 1}, "all": all,
	}
	for kind, fault := range faults {
		for place, rows := range places {
			for _, workers := range []int{1, 2, 4} {
				t.Run(kind+" "+place, func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						bad := make(map[int64]graph.Fault)
						for _, row := range rows {
							bad[row] = fault
						}
						c := &pipelinetest.Cluster{Faults: bad, Workers: workers, Takes: time.Millisecond, Restart: time.Second}
						p := &pipeline.Progress{}
						b := line(n)
						got, err := patientWith(c, pipeline.Patience{Progress: p}).Score(t.Context(), b)
						if err != nil {
							t.Fatal(err)
						}
						checkScores(t, got, expected(t, b, bad))
						checkCalls(t, c.Counts(), len(rows), n, fault, workers)
						want := 1
						if fault == graph.FaultPressure { // each graph alone: a batch of several is cut
							want = len(rows)
						}
						if p.Suspects.Load() != int64(want) {
							t.Errorf("%d suspects", p.Suspects.Load())
						}
					})
				})
			}
		}
	}
}

// checkCalls: k bad graphs of n cost about 2k log2(n) calls, and one more each that confirms.
func checkCalls(t *testing.T, got pipelinetest.ClusterCounts, k, n int, fault graph.Fault, workers int) {
	t.Helper()
	log := int(math.Ceil(math.Log2(float64(n))))
	splits := min(2*k*log, 2*n)
	calls, probes := 2+splits+k, 1+k
	switch fault {
	case graph.FaultCrashed, graph.FaultHung: // after each, to see that the worker is there again
		probes += splits
	case graph.FaultPressure: // it is cut at once, and a graph alone counts when it has failed twenty times, and for the budget; then calls grow again
		calls, probes = calls+40+50*k, probes+50*k
	}
	if workers > 1 && fault != graph.FaultCrashed && fault != graph.FaultHung { // until the one that failed takes one
		probes *= 16
	}
	if got.Calls > calls || got.Probes > probes {
		t.Errorf("%d calls and %d probes for %d of %d graphs, want at most %d and %d", got.Calls, got.Probes, k, n, calls, probes)
	}
	if fault != graph.FaultPressure && got.Unexcused > 1 {
		t.Errorf("%d processes ended that count, %d that do not", got.Unexcused, got.Excused)
	}
}

// TestExamineGivesUp: where a known good graph fails as well, no graph is at fault.
func TestExamineGivesUp(t *testing.T) {
	t.Parallel()
	for kind, fault := range faults {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := &pipelinetest.Cluster{Good: fault, Faults: map[int64]graph.Fault{3: fault}, Restart: time.Second}
				start := time.Now()
				_, err := patientWith(c, pipeline.Patience{}).Score(t.Context(), line(8))
				if err == nil || time.Since(start) > 5*time.Minute {
					t.Fatalf("%v after %v", err, time.Since(start))
				}
				t.Logf("%v after %v, %+v", err, time.Since(start), c.Counts())
			})
		})
	}
}

// TestExamineWaitsOutAStorm: what every call meets for a while is nobody's fault.
func TestExamineWaitsOutAStorm(t *testing.T) {
	t.Parallel()
	for kind, fault := range faults {
		for _, n := range []int{1, 16} {
			t.Run(kind, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					c := &pipelinetest.Cluster{
						Storm: fault, Until: time.Now().Add(30 * time.Second), Restart: time.Second, Deadline: 10 * time.Second,
					}
					b := line(n)
					cfg := pipeline.Patience{Deadline: 10 * time.Second}
					got, err := patientWith(c, cfg).Score(t.Context(), b)
					if err != nil {
						t.Fatal(err)
					}
					checkScores(t, got, expected(t, b, nil))
				})
			})
		}
	}
}

// TestExamineInARun: shards side by side, with graphs at fault in some of them.
func TestExamineInARun(t *testing.T) {
	t.Parallel()
	for kind, fault := range faults {
		for _, workers := range []int{1, 2, 4} {
			t.Run(kind, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					bad := map[int64]graph.Fault{0: fault, 17: fault, 99: fault}
					c := &pipelinetest.Cluster{Faults: bad, Workers: workers, Takes: 10 * time.Millisecond, Restart: time.Second}
					p := &pipeline.Progress{}
					scorer := patientWith(c, pipeline.Patience{Progress: p})
					var shards []pipeline.Shard
					var sinks []*pipelinetest.Sink
					for range 4 {
						sink := &pipelinetest.Sink{}
						sinks = append(sinks, sink)
						shards = append(shards, shardOf("s", []*graph.Batch{line(100)}, sink))
					}
					cfg := pipeline.Config{Outputs: 1, RequestGraphs: 10, Calls: 3 * workers, Progress: p}
					result, err := pipeline.Run(t.Context(), cfg, shards, scorer)
					if err != nil {
						t.Fatal(err)
					}
					if got := result.Counts.Codes[fault.Code()]; got != 12 || result.Counts.Quarantined != 12 {
						t.Errorf("%+v", result.Counts)
					}
					for _, sink := range sinks {
						var rows []int64
						for _, r := range sink.Rejected {
							rows = append(rows, r.Row)
						}
						if diff := cmp.Diff([]int64{0, 17, 99}, rows); diff != "" || len(sink.Lines) != 2*97 {
							t.Errorf("%d lines, %s", len(sink.Lines), diff)
						}
					}
				})
			})
		}
	}
}

// TestExamineEndsWithTheContext: a suspect that waits for its turn, or for the scorer, is no reason to stay.
func TestExamineEndsWithTheContext(t *testing.T) {
	t.Parallel()
	for kind, fault := range faults {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := &pipelinetest.Cluster{Good: fault, Faults: map[int64]graph.Fault{0: fault}, Restart: time.Second}
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				if _, err := patientWith(c, pipeline.Patience{}).Score(ctx, line(4)); ctx.Err() == nil || err == nil {
					t.Errorf("%v", err)
				}
			})
		})
	}
}
