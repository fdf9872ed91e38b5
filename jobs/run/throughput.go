package run

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"graphscore/pipeline"
	"graphscore/writers/record"
)

// sampleEvery is how often the graphs are counted at first. Each time the samples are full every other one goes
// and the rest is counted half as often: the record stays small, however long the run.
const sampleEvery = 100 * time.Millisecond

// throughput keeps how many graphs were done when. The zero value is ready; it is safe for concurrent use.
type throughput struct {
	mu      sync.Mutex
	samples []record.Sample
	skip    int // ticks between samples, less one
	skipped int
}

// tick counts the graphs that are done; it is called at even intervals.
func (t *throughput) tick(seconds float64, graphs int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.skipped < t.skip {
		t.skipped++
		return
	}
	t.skipped = 0
	if len(t.samples) == record.SamplesKept {
		for i := range record.SamplesKept / 2 {
			t.samples[i] = t.samples[2*i+1]
		}
		t.samples = t.samples[:record.SamplesKept/2]
		t.skip, t.skipped = 2*t.skip+1, t.skip+1 // the next one comes at twice the distance from the last
		return
	}
	t.samples = append(t.samples, record.Sample{Seconds: seconds, Graphs: graphs})
}

// ended returns the samples, with the end of the run as the last.
func (t *throughput) ended(seconds float64, graphs int64) []record.Sample {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.samples)
	if n == 0 && graphs == 0 {
		return nil
	}
	if n == record.SamplesKept {
		n--
	}
	return append(t.samples[:n:n], record.Sample{Seconds: seconds, Graphs: graphs})
}

// during runs work and counts the graphs that are done meanwhile. Times count from start.
func (t *throughput) during(ctx context.Context, start time.Time, progress *pipeline.Progress, work func(context.Context) error) error {
	var g errgroup.Group
	done := make(chan struct{})
	g.Go(func() error {
		ticks := time.NewTicker(sampleEvery)
		defer ticks.Stop()
		for {
			t.tick(time.Since(start).Seconds(), progress.Rows())
			select {
			case <-ticks.C:
			case <-done:
				return nil
			}
		}
	})
	g.Go(func() error {
		defer close(done)
		return work(ctx)
	})
	return g.Wait()
}
