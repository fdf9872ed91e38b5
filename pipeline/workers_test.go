//go:build !race

// The race detector begins goroutines of its own, and takes long over thousands of requests.

package pipeline_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/semaphore"

	"graphscore/pipeline"
	"graphscore/pipeline/graph"
)

// What many workers would need of the pipeline, without having them: every stage takes a known time, which is slept. In a
// synctest bubble the clock is simulated, so that only the order of the stages, the bounds and who waits for whom decide.

var workersTable = flag.Bool("table", false, "print what so many simulated workers would do")

// What a request of 2 MiB of molecules takes each stage, from a profile of a run (.github/BENCHMARKS.md).
const (
	readTime  = 2200 * time.Microsecond // of the goroutine of a shard
	scoreTime = 5400 * time.Microsecond // of a worker
	writeTime = 700 * time.Microsecond  // of the goroutine of a part
)

// crew is a pool of workers of known cost.
type crew struct {
	workers *semaphore.Weighted
	took    atomic.Int64
	most    atomic.Int64 // goroutines
	values  []float32
	slept   bool
}

func (c *crew) Score(ctx context.Context, b *graph.Batch) (*graph.Scores, error) {
	if err := c.workers.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer c.workers.Release(1)
	now := int64(runtime.NumGoroutine())
	for most := c.most.Load(); now > most && !c.most.CompareAndSwap(most, now); most = c.most.Load() {
	}
	if c.slept {
		time.Sleep(scoreTime)
	}
	c.took.Add(1)
	return &graph.Scores{Outputs: 1, Values: c.values[:b.Nodes()]}, nil
}

// paced is a shard whose stages take their time.
type paced struct {
	flow
	slept bool
}

func (p *paced) Next(ctx context.Context) (*graph.Batch, error) {
	if p.left > 0 && p.slept {
		time.Sleep(readTime)
	}
	return p.flow.Next(ctx)
}

func (p *paced) Write(context.Context, *graph.Batch, *graph.Scores) error {
	if p.slept {
		time.Sleep(writeTime)
	}
	return nil
}

// crewBatch is a request of 2 MiB: one graph, so that cutting costs nothing.
func crewBatch() *graph.Batch {
	const nodes, width = 30_000, 16
	b := graph.NewBuilder(graph.BuilderConfig{Width: width, GraphIDs: graph.Int64})
	b.Add(&graph.Row{Nodes: nodes, Width: width, NumNodes: -1, Features: make([]float32, nodes*width)})
	return b.Batch()
}

// crewShards is how many shards there are for each worker.
const crewShards = 4

// crewConfig is what a run has on a machine with a CPU for each worker and one more: see jobs/run.
func crewConfig(workers int, inFlight int64) pipeline.Config {
	return pipeline.Config{Outputs: 1, Calls: 3 * workers, ShardsAtOnce: min(max(2, (workers+1)/2), 32), InFlightBytes: inFlight}
}

// crewRun scores crewShards shards a worker, of so many requests each, and returns how long the workers were busy, as a
// share of the whole time.
func crewRun(tb testing.TB, cfg pipeline.Config, workers, requests int, slept bool) (busy float64, c *crew) {
	tb.Helper()
	batch := crewBatch()
	c = &crew{workers: semaphore.NewWeighted(int64(workers)), values: make([]float32, batch.Nodes()), slept: slept}
	list := make([]pipeline.Shard, crewShards*workers)
	for i := range list {
		p := &paced{flow: flow{batch: batch, left: requests}, slept: slept}
		list[i] = pipeline.Shard{
			Name: fmt.Sprint(i), Rows: int64(requests),
			Open:   func(context.Context) (pipeline.Source, error) { return p, nil },
			Create: func(context.Context) (pipeline.Sink, error) { return p, nil },
		}
	}
	start := time.Now()
	if _, err := pipeline.Run(tb.Context(), cfg, list, c); err != nil {
		tb.Fatal(err)
	}
	took := time.Duration(c.took.Load()) * scoreTime
	return took.Seconds() / time.Since(start).Seconds() / float64(workers), c
}

// TestWorkers: with a clock that is simulated, so many workers are kept busy, and no more goroutines run than calls and
// shards ask for. It is not parallel, or others' goroutines would count.
func TestWorkers(t *testing.T) {
	out := tabwriter.NewWriter(io.Discard, 0, 0, 2, ' ', 0)
	if *workersTable {
		out = tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	}
	fmt.Fprintln(out, "workers\tshards at once\tin flight MiB\tbusy\tgoroutines at once\tgoroutines a request")
	for _, test := range []struct {
		workers  int
		inFlight int64   // MiB
		busy     float64 // at least
	}{
		{1, 64, 0.95}, {2, 64, 0.9}, {4, 64, 0.9}, {8, 64, 0.9}, {16, 64, 0.85}, {32, 64, 0.7},
		{64, 64, 0.3}, // 32 requests of 2 MiB are in flight: more workers need a larger limits.in_flight_bytes
		{64, 256, 0.75},
	} {
		if small := test.workers == 2 || test.workers == 16; !small && !*workersTable {
			continue
		}
		before := int64(runtime.NumGoroutine())
		synctest.Test(t, func(t *testing.T) {
			const requests = 32
			created := goroutinesCreated()
			cfg := crewConfig(test.workers, test.inFlight<<20)
			busy, c := crewRun(t, cfg, test.workers, requests, true)
			goroutines := c.most.Load() - before
			shards := crewShards * test.workers
			each := float64(goroutinesCreated()-created-3*uint64(shards)) / float64(shards*requests)
			fmt.Fprintf(out, "%d\t%d\t%d\t%.3f\t%d\t%.3f\n", test.workers, cfg.ShardsAtOnce, test.inFlight, busy, goroutines, each)
			own := float64(100+4*runtime.GOMAXPROCS(0)) / float64(shards*requests) // those of the runtime
			if each > 1.05+own {
				t.Errorf("%d workers: a request takes %.3f goroutines, 1 is expected", test.workers, each)
			}
			if busy < test.busy {
				t.Errorf("%d workers are busy %.3f of the time, at least %v is expected", test.workers, busy, test.busy)
			}
			// A call has a goroutine, a shard three: it may be read, or not yet be committed. The test has two.
			if most := int64(cfg.Calls + 3*2*cfg.ShardsAtOnce + 2); goroutines > most {
				t.Errorf("%d workers: %d goroutines run, at most %d are expected", test.workers, goroutines, most)
			}
		})
	}
	if err := out.Flush(); err != nil {
		t.Fatal(err)
	}
}

// goroutinesCreated is how many goroutines this process has begun.
func goroutinesCreated() uint64 {
	sample := []metrics.Sample{{Name: "/sched/goroutines-created:goroutines"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// BenchmarkWorkers is what requests cost the pipeline with so many workers that take no time, on a clock that is not
// simulated: how often a goroutine waits on a channel, and how often on a lock. For the locks by name:
//
//	go test -run '^$' -bench BenchmarkWorkers -mutexprofile mutex.out ./pipeline && go tool pprof -top mutex.out
func BenchmarkWorkers(b *testing.B) {
	for _, workers := range []int{1, 16, 64} {
		b.Run(fmt.Sprint(workers), func(b *testing.B) {
			const requests = 100
			runtime.SetBlockProfileRate(1)
			defer runtime.SetBlockProfileRate(0)
			channels, locks := waits()
			for b.Loop() {
				crewRun(b, crewConfig(workers, 256<<20), workers, requests, false)
			}
			c, l := waits()
			each := float64(b.N * crewShards * workers * requests)
			b.ReportMetric(b.Elapsed().Seconds()*1e6/each, "us/request")
			b.ReportMetric(float64(c-channels)/each, "channel-waits/request")
			b.ReportMetric(float64(l-locks)/each, "lock-waits/request")
		})
	}
}

// waits is how often goroutines waited on channels, and on locks, while the profile of blocking was on.
func waits() (channels, locks int64) {
	records := make([]runtime.BlockProfileRecord, 10_000)
	n, _ := runtime.BlockProfile(records)
	for _, r := range records[:n] {
		frame, _ := runtime.CallersFrames(r.Stack()).Next()
		if strings.HasPrefix(frame.Function, "sync.") {
			locks += r.Count
		} else {
			channels += r.Count
		}
	}
	return channels, locks
}
