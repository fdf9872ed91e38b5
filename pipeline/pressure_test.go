package pipeline_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"graphscore/pipeline"
	"graphscore/pipeline/faulttest"
	"graphscore/pipeline/graph"
	"graphscore/pipeline/pipelinetest"
)

// pressed is a scorer behind a link, which may be full. Times are those of the bubble. Fields are set before it is used.
type pressed struct {
	pipelinetest.Scorer
	rate     float64 // bytes a second that all calls share, 0 for any
	latency  time.Duration
	deadline time.Duration
	maxPause time.Duration // of the Patient, 0 for its default
	// refuses says whether the server is full for a call of so many bytes beside so many others.
	refuses func(bytes int64, calls int) bool
	after   time.Duration // that it asks to wait, where it is full

	turn  chan struct{} // of one: who sends
	mu    sync.Mutex
	calls int
	until time.Time // nobody may call before
	counts
}

type counts struct {
	late, full, early int
	most              int   // calls at once
	largest, smallest int64 // of answered calls
}

type withinKey struct{}

func (p *pressed) within(ctx context.Context, d time.Duration) context.Context {
	return context.WithValue(ctx, withinKey{}, d)
}

func (p *pressed) Score(ctx context.Context, b *graph.Batch) (*graph.Scores, error) {
	if full := p.begin(b); full != nil {
		return nil, full
	}
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.calls--
	}()
	deadline := p.deadline
	if d, is := ctx.Value(withinKey{}).(time.Duration); is {
		deadline = d
	}
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	if p.send(ctx, b.Bytes()) != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.late++
		return nil, failed(graph.FaultHung, fmt.Sprintf("no answer within %v", deadline), 0)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.largest, p.smallest = max(p.largest, b.Bytes()), min(p.smallest, b.Bytes())
	if p.smallest == 0 {
		p.smallest = b.Bytes()
	}
	s, err := p.Scorer.Score(ctx, b)
	if err == nil {
		s.Address = "server"
	}
	return s, err
}

// begin refuses a call where the server is full.
func (p *pressed) begin(b *graph.Batch) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Now().Before(p.until) {
		p.early++
	}
	if p.refuses != nil && p.refuses(b.Bytes(), p.calls) {
		p.full++
		if p.after > 0 {
			p.until = time.Now().Add(p.after)
		}
		return failed(graph.FaultPressure, "full", p.after)
	}
	p.calls++
	p.most = max(p.most, p.calls)
	return nil
}

// send takes the time that the bytes need on the link, which all calls share.
func (p *pressed) send(ctx context.Context, bytes int64) error {
	const packet = 16 << 10
	for p.rate > 0 && bytes > 0 {
		select {
		case p.turn <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		time.Sleep(time.Duration(float64(min(bytes, packet)) / p.rate * float64(time.Second)))
		<-p.turn
		if bytes -= packet; ctx.Err() != nil {
			return ctx.Err()
		}
	}
	select {
	case <-time.After(p.latency):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func failed(fault graph.Fault, message string, after time.Duration) error {
	return &pipelinetest.Failed{
		Message: message, After: after, Suspects: graph.Suspicion{Fault: fault, Message: message, Address: "server"},
	}
}

// blob is a batch of n graphs of so many bytes.
func blob(n int, bytes int64) *graph.Batch {
	const width = 64
	nodes := int(max(1, bytes/(4*width)))
	b := &graph.Batch{
		IDs: graph.IDs{Kind: graph.Int64}, NodeOffsets: []uint32{0}, EdgeOffsets: make([]uint32, n+1), Width: width,
		Features: make([]float32, n*nodes*width), InDegree: make([]uint32, n*nodes), RowGroups: make([]int32, n),
	}
	for g := range n {
		b.IDs.Ints, b.Rows = append(b.IDs.Ints, int64(g)), append(b.Rows, int64(g))
		b.NodeOffsets = append(b.NodeOffsets, uint32((g+1)*nodes))
		b.Features[g*nodes*width] = float32(g + 1)
	}
	return b
}

// scoredAll runs a scorer under a Patient with the defaults of a job, and checks that every graph has its scores.
func (p *pressed) scoredAll(t *testing.T, gate *pipeline.Gate, batches []*graph.Batch) *pipeline.Progress {
	t.Helper()
	progress := &pipeline.Progress{}
	patient := pipeline.Patient(p, pipeline.Patience{Within: p.within, Gate: gate, Deadline: p.deadline, MaxPause: p.maxPause, Progress: progress})
	sink := &pipelinetest.Sink{}
	cfg := pipeline.Config{Outputs: 1, Progress: progress}
	began := time.Now()
	result, err := pipeline.Run(t.Context(), cfg, []pipeline.Shard{shardOf("a", batches, sink)}, patient)
	if err != nil {
		t.Fatal(err)
	}
	var rows int64
	for _, b := range batches {
		rows += int64(b.Graphs())
	}
	if result.Counts.Scored != rows || len(sink.Rejected) > 0 {
		t.Errorf("%+v, rejected %v", result.Counts, sink.Rejected)
	}
	t.Logf("%v, %+v, calls %d, bytes %d", time.Since(began), p.counts, progress.Calls.Load(), progress.RequestBytes.Load())
	return progress
}

// TestSlowLink: whatever the link bears gets through, without a storm of calls that reach their deadline.
func TestSlowLink(t *testing.T) {
	t.Parallel()
	small := func() []*graph.Batch { return []*graph.Batch{blob(1000, 4<<10), blob(1000, 4<<10), blob(1000, 4<<10)} }
	tests := map[string]struct {
		how     string
		rate    float64
		latency time.Duration
		gate    func() *pipeline.Gate
		batches []*graph.Batch
		late    int // at most
	}{
		"small graphs":      {"a link of 100 KB/s", 100e3, 0, func() *pipeline.Gate { return pipeline.NewRemoteGate(1, 1) }, small(), 0},
		"slower":            {"a link of 10 KB/s", 10e3, 0, func() *pipeline.Gate { return pipeline.NewRemoteGate(1, 1) }, small(), 6},
		"slower in the run": {"a link of 100 KB/s behind which large calls are expected to be fast", 100e3, 0, func() *pipeline.Gate { return pipeline.NewGate(1) }, small(), 10},
		"with latency":      {"a link of 100 KB/s and 4 s", 100e3, 4 * time.Second, func() *pipeline.Gate { return pipeline.NewRemoteGate(2, 2) }, small(), 0},
		"large graphs": {"a link of 100 KB/s for graphs of 5 and 9 MiB", 100e3, 0, func() *pipeline.Gate { return pipeline.NewRemoteGate(1, 1) },
			[]*graph.Batch{blob(3, 9<<20), blob(4, 5<<20)}, 12},
		"beside a large one": {"a link of 100 KB/s for a graph of 16 MiB beside small ones", 100e3, 0, func() *pipeline.Gate { return pipeline.NewRemoteGate(1, 1) },
			[]*graph.Batch{blob(500, 4<<10), blob(1, 16<<20), blob(500, 4<<10)}, 6},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := &pressed{rate: test.rate, latency: test.latency, deadline: time.Minute, turn: make(chan struct{}, 1)}
				p.scoredAll(t, test.gate(), test.batches)
				if p.late > test.late {
					t.Errorf("%d calls reached their deadline", p.late)
				}
			})
			faulttest.Report(t, faulttest.Row{Case: "10", How: "simulated: " + test.how,
				Outcome: "every graph is scored; no storm of calls that reach their deadline", Times: 1})
		})
	}
}

// TestFullServer: calls fall to what a server takes, in number and in size, and rise again.
func TestFullServer(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		calls int   // beside which it takes one more
		bytes int64 // that it takes in one
		full  int   // refusals, at most
	}{
		"two calls":              {1, 1 << 30, 150},
		"one call":               {0, 1 << 30, 150},
		"calls of 20 KiB":        {5, 20 << 10, 150},
		"one call of one graph":  {0, 5 << 10, 400},
		"one call of two graphs": {0, 10 << 10, 400},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				relief := time.Now().Add(2 * time.Minute)
				p := &pressed{deadline: time.Minute, latency: 200 * time.Millisecond}
				p.refuses = func(bytes int64, calls int) bool {
					return time.Now().Before(relief) && (calls > test.calls || bytes > test.bytes)
				}
				var batches []*graph.Batch
				for range 20 {
					batches = append(batches, blob(500, 4<<10))
				}
				began := time.Now()
				progress := p.scoredAll(t, pipeline.NewGate(2), batches)
				if time.Since(began) < 2*time.Minute {
					return // it was done before
				}
				if p.full > test.full || p.full == 0 {
					t.Errorf("%d refusals", p.full)
				}
				if calls, bytes := progress.Calls.Load(), progress.RequestBytes.Load(); calls != 6 || bytes < 1<<20 {
					t.Errorf("at the end %d calls, %d bytes", calls, bytes)
				}
			})
			faulttest.Report(t, faulttest.Row{Case: "13", How: "simulated: for two minutes a server takes " + name + " at once, then all",
				Outcome: "calls fall to that, and are as many and as large as before at the end", Times: 1})
		})
	}
}

// TestPushback: nobody calls a server before it said so, and with another server the others go on.
func TestPushback(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 50} {
		synctest.Test(t, func(t *testing.T) {
			until := time.Now().Add(3 * time.Minute)
			p := &pressed{deadline: time.Minute, latency: time.Second, after: 17 * time.Second}
			p.refuses = func(int64, int) bool { return time.Now().Before(until) }
			var batches []*graph.Batch
			for range 12 {
				batches = append(batches, blob(n, 4<<10))
			}
			began := time.Now()
			patient := pipeline.Patient(p, pipeline.Patience{Within: p.within, Budget: time.Hour})
			if _, err := pipeline.Run(t.Context(), pipeline.Config{Outputs: 1}, []pipeline.Shard{shardOf("a", batches, &pipelinetest.Sink{})}, patient); err != nil {
				t.Fatal(err)
			}
			// Only those that were under way when the first was refused came too early.
			if p.early > 5 || time.Since(began) > 5*time.Minute {
				t.Errorf("%d calls before the time, %d refused, %v", p.early, p.full, time.Since(began))
			}
		})
	}
}

// TestBudgetAndProgress: a run ends where nothing is scored for that long, and goes on as long as anything is.
func TestBudgetAndProgress(t *testing.T) {
	t.Parallel()
	t.Run("some", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			p := &pressed{deadline: time.Minute}
			var last time.Time
			p.refuses = func(int64, int) bool { // a call in 40 s has luck
				if time.Since(last) < 40*time.Second {
					return true
				}
				last = time.Now()
				return false
			}
			began := time.Now()
			p.scoredAll(t, pipeline.NewGate(2), []*graph.Batch{blob(40, 1<<20)})
			if time.Since(began) < 5*time.Minute {
				t.Errorf("only %v", time.Since(began))
			}
		})
	})
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			p := &pressed{deadline: time.Minute}
			p.refuses = func(int64, int) bool { return time.Since(began) > 10*time.Minute }
			p.latency = 5 * time.Second
			var batches []*graph.Batch
			for range 2000 {
				batches = append(batches, blob(1, 1<<10))
			}
			patient := pipeline.Patient(p, pipeline.Patience{Within: p.within})
			_, err := pipeline.Run(t.Context(), pipeline.Config{Outputs: 1}, []pipeline.Shard{shardOf("a", batches, &pipelinetest.Sink{})}, patient)
			if took := time.Since(began) - 10*time.Minute; err == nil || took < time.Minute || took > 3*time.Minute {
				t.Errorf("%v, %v after the last answer", err, took)
			}
		})
	})
}

// TestBusyServer: a server that refuses at random, as others use it as well, costs no graph.
func TestBusyServer(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		full := []float64{0.5, 0.8}[seed%2]
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 2))
			// Short pauses: else it is refused all that the budget has time for, once in some thousand times.
			p := &pressed{deadline: time.Minute, latency: 10 * time.Millisecond, maxPause: time.Second}
			p.refuses = func(int64, int) bool { return random.Float64() < full }
			p.scoredAll(t, pipeline.NewGate(2), []*graph.Batch{blob(300, 4<<10), blob(1, 64<<10), blob(300, 4<<10)})
		})
	}
}
