package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"graphscore/pipeline"
	"graphscore/pipeline/faulttest"
	"graphscore/pipeline/graph"
	"graphscore/pipeline/pipelinetest"
)

// shardOf wires batches and a sink as a shard.
func shardOf(name string, batches []*graph.Batch, sink *pipelinetest.Sink) pipeline.Shard {
	return pipeline.Shard{
		Name: name, Rows: pipelinetest.Rows(batches),
		Open:   func(context.Context) (pipeline.Source, error) { return &pipelinetest.Source{Batches: batches}, nil },
		Create: func(context.Context) (pipeline.Sink, error) { return sink, nil },
	}
}

// line makes a batch of n graphs that are chains of two nodes with one feature.
func line(n int) *graph.Batch {
	b := graph.NewBuilder(graph.BuilderConfig{Width: 1, GraphIDs: graph.Int64})
	for i := range n {
		b.Add(&graph.Row{
			Row: int64(i), IntID: int64(i), Nodes: 2, Width: 1, NumNodes: -1,
			Features: []float32{float32(i), 1}, Sources: []int64{0}, Targets: []int64{1},
		})
	}
	return b.Batch()
}

// TestRunConserves: whatever the cuts, calls and delays, every row comes out once, in order, with its score.
func TestRunConserves(t *testing.T) {
	t.Parallel()
	times, tally := 0, &faulttest.Tally{}
	defer func() {
		faulttest.Report(t, faulttest.Row{Case: "P1", How: "random graphs, requests and order of answers (rapid)",
			Outcome: "the scores and rejections of a run of one call", Times: times, Tally: tally})
	}()
	rapid.Check(t, func(rt *rapid.T) {
		shape := pipelinetest.Shape{
			Width: rapid.IntRange(1, 4).Draw(rt, "width"), Weighted: rapid.Bool().Draw(rt, "weighted"),
			NodeIDs: rapid.Bool().Draw(rt, "node ids"),
		}
		batches := pipelinetest.Batches(rt, shape)
		run := func(cfg pipeline.Config, scorer pipeline.Scorer) *pipelinetest.Sink {
			sink := &pipelinetest.Sink{}
			cfg.Outputs = 2
			result, err := pipeline.Run(t.Context(), cfg, []pipeline.Shard{shardOf("s", batches, sink)}, scorer)
			if err != nil {
				rt.Fatalf("Run: %v", err)
			}
			if c := result.Counts; c.Rows != pipelinetest.Rows(batches) || c.Rows != c.Scored+c.Quarantined {
				rt.Fatalf("counts: %+v", c)
			}
			if !sink.Committed || !sink.Closed {
				rt.Fatalf("committed %v, closed %v", sink.Committed, sink.Closed)
			}
			rows := int(pipelinetest.Rows(batches))
			tally.Add(&faulttest.Tally{Graphs: rows, Lost: rows - int(result.Counts.Scored) - len(sink.Rejected)})
			return sink
		}
		want := run(pipeline.Config{}, &pipelinetest.Scorer{Outputs: 2})
		random := pipeline.Config{
			Calls:         rapid.IntRange(1, 8).Draw(rt, "calls"),
			RequestGraphs: rapid.IntRange(1, 5).Draw(rt, "graphs"),
			RequestBytes:  rapid.Int64Range(1, 1000).Draw(rt, "bytes"),
			InFlightBytes: rapid.Int64Range(1, 1000).Draw(rt, "in flight"),
		}
		late := &pipelinetest.Scorer{Outputs: 2, Before: func(context.Context, *graph.Batch) error {
			time.Sleep(time.Duration(rand.IntN(200)) * time.Microsecond)
			return nil
		}}
		got := run(random, late)
		if diff := cmp.Diff(want.Lines, got.Lines); diff != "" {
			rt.Errorf("lines differ with %+v:\n%s", random, diff)
		}
		if diff := cmp.Diff(want.Rejected, got.Rejected); diff != "" {
			rt.Errorf("rejections differ:\n%s", diff)
		}
		times++
	})
}

func TestRunRefusesOneInput(t *testing.T) {
	t.Parallel()
	broken := errors.New("reading b.parquet: it is cut off")
	good, bad, never := &pipelinetest.Sink{}, &pipelinetest.Sink{}, &pipelinetest.Sink{}
	batches := []*graph.Batch{line(50)}
	shards := []pipeline.Shard{
		shardOf("bad", batches, bad), shardOf("missing", nil, never), shardOf("good", batches, good),
	}
	shards[0].Open = func(context.Context) (pipeline.Source, error) {
		return &pipelinetest.Source{Batches: batches, Err: broken}, nil
	}
	shards[1].Open = func(context.Context) (pipeline.Source, error) { return nil, broken }
	// Less room than the refused shard leaves behind unless it gives its bytes back.
	cfg := pipeline.Config{Outputs: 1, RequestGraphs: 1, InFlightBytes: 64, ShardsAtOnce: 1}
	result, err := pipeline.Run(t.Context(), cfg, shards, &pipelinetest.Scorer{})
	if err != nil {
		t.Fatalf("Run: %v", err)
	}
	for i, want := range []pipeline.Outcome{pipeline.RefusedInput, pipeline.RefusedInput, pipeline.Scored} {
		if got := result.Shards[i].Outcome; got != want {
			t.Errorf("shard %d: %s, want %s", i, got, want)
		}
	}
	if !errors.Is(result.Shards[0].Err, broken) || bad.Committed || !bad.Closed || !good.Committed {
		t.Errorf("err %v, committed %v, closed %v, good %v", result.Shards[0].Err, bad.Committed, bad.Closed, good.Committed)
	}
	if result.Counts.Rows != 50 || result.Shards[0].Counts.Rows != 0 {
		t.Errorf("counts: %+v, of the refused shard %+v", result.Counts, result.Shards[0].Counts)
	}
}

func TestRunEndsWithTheFirstError(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	tests := map[string]struct {
		scorer pipeline.Scorer
		sink   *pipelinetest.Sink
		want   string
	}{
		"scorer": {
			scorer: &pipelinetest.Scorer{Before: func(context.Context, *graph.Batch) error { return boom }},
			sink:   &pipelinetest.Sink{}, want: "boom",
		},
		"write":  {scorer: &pipelinetest.Scorer{}, sink: &pipelinetest.Sink{WriteErr: boom}, want: "boom"},
		"commit": {scorer: &pipelinetest.Scorer{}, sink: &pipelinetest.Sink{CommitErr: boom}, want: "boom"},
		"panic": {
			scorer: &pipelinetest.Scorer{Before: func(context.Context, *graph.Batch) error { panic("index 7") }},
			sink:   &pipelinetest.Sink{}, want: "a bug in graphscore: index 7",
		},
		"outputs": {scorer: &pipelinetest.Scorer{Outputs: 2}, sink: &pipelinetest.Sink{}, want: "the number of outputs is 2, expected 1"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shards := []pipeline.Shard{shardOf("a", []*graph.Batch{line(9)}, test.sink)}
			result, err := pipeline.Run(t.Context(), pipeline.Config{Outputs: 1, RequestGraphs: 2}, shards, test.scorer)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("Run: %v, want %q", err, test.want)
			}
			if test.sink.Committed || !test.sink.Closed || result.Shards[0].Outcome != pipeline.Failed {
				t.Errorf("committed %v, closed %v, %s", test.sink.Committed, test.sink.Closed, result.Shards[0].Outcome)
			}
		})
	}
}

func TestRunStopsWithTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	sink := &pipelinetest.Sink{}
	stuck := &pipelinetest.Scorer{Before: func(ctx context.Context, _ *graph.Batch) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	}}
	shards := []pipeline.Shard{shardOf("a", []*graph.Batch{line(9)}, sink), shardOf("b", []*graph.Batch{line(9)}, &pipelinetest.Sink{})}
	_, err := pipeline.Run(ctx, pipeline.Config{Outputs: 1, ShardsAtOnce: 1, Calls: 1}, shards, stuck)
	if !errors.Is(err, context.Canceled) || sink.Committed {
		t.Errorf("Run: %v, committed %v", err, sink.Committed)
	}
}

// lateSink commits when it is told to.
type lateSink struct {
	*pipelinetest.Sink
	may <-chan struct{}
}

func (s lateSink) Commit(ctx context.Context) error {
	select {
	case <-s.may:
		return s.Sink.Commit(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestRunReadsAhead: a shard is opened while the one before it is still to be committed, but not before that one is
// read to the end.
func TestRunReadsAhead(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	opened := make(chan struct{})
	first, second := &pipelinetest.Sink{}, &pipelinetest.Sink{}
	source := &pipelinetest.Source{Batches: []*graph.Batch{line(9), line(9)}}
	shards := []pipeline.Shard{shardOf("a", source.Batches, first), shardOf("b", []*graph.Batch{line(9)}, second)}
	shards[0].Open = func(context.Context) (pipeline.Source, error) { return source, nil }
	shards[0].Create = func(context.Context) (pipeline.Sink, error) { return lateSink{first, opened}, nil }
	open := shards[1].Open
	shards[1].Open = func(ctx context.Context) (pipeline.Source, error) {
		if _, err := source.Next(ctx); err != io.EOF {
			t.Errorf("the second shard is opened before the first is read: %v", err)
		}
		close(opened)
		return open(ctx)
	}
	_, err := pipeline.Run(ctx, pipeline.Config{Outputs: 1, ShardsAtOnce: 1}, shards, &pipelinetest.Scorer{})
	if err != nil || !first.Committed || !second.Committed {
		t.Errorf("Run: %v, committed %v and %v", err, first.Committed, second.Committed)
	}
}

func TestRunQuarantines(t *testing.T) {
	t.Parallel()
	b := line(6)
	b.Features[2*2] = float32(math.MaxFloat32) // graph 2 overflows
	giant := func(b *graph.Batch, g int) int64 {
		if b.IDs.Ints[g] == 4 {
			return 1000
		}
		return 10
	}
	sink := &pipelinetest.Sink{}
	cfg := pipeline.Config{Outputs: 1, RequestGraphs: 3, MaxGraphBytes: 100, GraphBytes: giant}
	double := &pipelinetest.Scorer{}
	result, err := pipeline.Run(t.Context(), cfg, []pipeline.Shard{shardOf("a", []*graph.Batch{b}, sink)}, overflow{double})
	if err != nil {
		t.Fatalf("Run: %v", err)
	}
	want := map[graph.Code]int64{graph.NonFiniteScore: 1, graph.TooLarge: 1}
	if diff := cmp.Diff(want, result.Counts.Codes); diff != "" {
		t.Errorf("codes: %s", diff)
	}
	if len(sink.Rejected) != 2 || sink.Rejected[0].Row != 2 || sink.Rejected[1].Row != 4 {
		t.Fatalf("rejected: %+v", sink.Rejected)
	}
	if got, want := sink.Rejected[1].Message, "it takes 1000 bytes in a message, the limit is 100"; got != want {
		t.Errorf("message %q, want %q", got, want)
	}
	if got := len(sink.Lines); got != 8 {
		t.Errorf("%d lines, want 8", got)
	}
}

// TestRunFailsEveryGraph: a sink gets values of the right shape even where the scorer gave none.
func TestRunFailsEveryGraph(t *testing.T) {
	t.Parallel()
	refuse := pipeline.Patient(&pipelinetest.Scorer{Before: func(context.Context, *graph.Batch) error {
		return &trouble{code: graph.Refused}
	}}, pipeline.Patience{})
	sink := &pipelinetest.Sink{}
	result, err := pipeline.Run(t.Context(), pipeline.Config{Outputs: 2}, []pipeline.Shard{shardOf("a", []*graph.Batch{line(5)}, sink)}, refuse)
	if err != nil || result.Counts.Quarantined != 5 || len(sink.Rejected) != 5 || len(sink.Lines) != 0 {
		t.Errorf("Run: %v, %+v, %d rejected, %d lines", err, result.Counts, len(sink.Rejected), len(sink.Lines))
	}
}

// overflow multiplies scores until the largest are infinite.
type overflow struct{ pipeline.Scorer }

func (o overflow) Score(ctx context.Context, b *graph.Batch) (*graph.Scores, error) {
	s, err := o.Scorer.Score(ctx, b)
	for i := range s.Values {
		s.Values[i] *= 1e10
	}
	return s, err
}

// TestRunBoundsBytes: no more than the bound is between reader and sink.
func TestRunBoundsBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		hold := make(chan struct{})
		scorer := &pipelinetest.Scorer{Before: func(ctx context.Context, b *graph.Batch) error {
			most.Store(max(most.Load(), now.Add(1)))
			defer now.Add(-1)
			select {
			case <-hold:
			case <-ctx.Done():
			}
			return nil
		}}
		sink := &pipelinetest.Sink{}
		cfg := pipeline.Config{
			Outputs: 1, RequestGraphs: 1, Calls: 100, InFlightBytes: 35,
			GraphBytes: func(*graph.Batch, int) int64 { return 10 },
		}
		done := make(chan error, 1)
		go func() {
			_, err := pipeline.Run(t.Context(), cfg, []pipeline.Shard{shardOf("a", []*graph.Batch{line(40)}, sink)}, scorer)
			done <- err
		}()
		synctest.Wait()
		if got := now.Load(); got != 3 {
			t.Errorf("%d calls under way with room for 3", got)
		}
		close(hold)
		if err := <-done; err != nil || most.Load() > 3 {
			t.Errorf("Run: %v, at most %d calls", err, most.Load())
		}
		faulttest.Report(t, faulttest.Row{Case: "P6", How: "a scorer that does not answer, room for 35 bytes, requests of 10",
			Outcome: "three calls under way, never more; then all is scored", Times: 1, Tally: &faulttest.Tally{Graphs: 40, Lost: 40 - len(sink.Lines)/2}})
	})
}

func TestRunWantsEveryRow(t *testing.T) {
	t.Parallel()
	sink := &pipelinetest.Sink{}
	sh := shardOf("a", []*graph.Batch{line(3)}, sink)
	sh.Rows = 4
	_, err := pipeline.Run(t.Context(), pipeline.Config{Outputs: 1}, []pipeline.Shard{sh}, &pipelinetest.Scorer{})
	var count *pipeline.CountError
	if !errors.As(err, &count) || sink.Committed {
		t.Errorf("Run: %v, committed %v", err, sink.Committed)
	}
}

func TestRunManyShards(t *testing.T) {
	t.Parallel()
	var shards []pipeline.Shard
	sinks := make([]*pipelinetest.Sink, 20)
	for i := range sinks {
		sinks[i] = &pipelinetest.Sink{}
		shards = append(shards, shardOf(fmt.Sprint(i), []*graph.Batch{line(i), line(3)}, sinks[i]))
	}
	var ended atomic.Int64
	type begun struct{}
	cfg := pipeline.Config{
		Outputs: 1, ShardsAtOnce: 3, Calls: 2, RequestGraphs: 2, InFlightBytes: 50, Progress: &pipeline.Progress{},
		Begin: func(ctx context.Context, name string) (context.Context, func(pipeline.ShardResult)) {
			return context.WithValue(ctx, begun{}, name), func(r pipeline.ShardResult) {
				if r.Name == name && r.Outcome == pipeline.Scored {
					ended.Add(1)
				}
			}
		},
	}
	scorer := &pipelinetest.Scorer{Before: func(ctx context.Context, _ *graph.Batch) error {
		if name := ctx.Value(begun{}); name == nil || name != pipeline.ShardName(ctx) {
			return fmt.Errorf("a call of shard %v has the context of %q", name, pipeline.ShardName(ctx))
		}
		return nil
	}}
	result, err := pipeline.Run(t.Context(), cfg, shards, scorer)
	if err != nil || ended.Load() != 20 {
		t.Fatalf("Run: %v, %d ended", err, ended.Load())
	}
	r := cfg.Progress.Read()
	if r.InFlight != 0 || r.Shards != 20 || r.Scored != result.Counts.Scored || r.Nodes != result.Counts.Nodes || r.Edges != result.Counts.Edges {
		t.Errorf("%+v after %+v", r, result.Counts)
	}
	for i, s := range sinks {
		if len(s.Lines) != 2*(i+3) {
			t.Errorf("shard %d: %d lines, want %d", i, len(s.Lines), 2*(i+3))
		}
	}
	if want := int64(20*19/2 + 60); result.Counts.Scored != want {
		t.Errorf("%d scored, want %d", result.Counts.Scored, want)
	}
}

func TestConfigValidate(t *testing.T) {
	t.Parallel()
	_, err := pipeline.Run(t.Context(), pipeline.Config{}, nil, &pipelinetest.Scorer{})
	if err == nil || !strings.Contains(err.Error(), "Outputs is 0") {
		t.Errorf("Run: %v", err)
	}
}

// TestAnswered: it is said once that the scorer gets no further call, before the last part is committed. Shards that are refused
// or empty count as well.
func TestAnswered(t *testing.T) {
	t.Parallel()
	for _, many := range []bool{false, true} {
		scorer := &counting{Scorer: &pipelinetest.Scorer{Outputs: 1}}
		shards := []pipeline.Shard{scorer.shard("0")}
		if many {
			refused, empty := scorer.shard("refused"), shardOf("empty", nil, &pipelinetest.Sink{})
			refused.Open = func(context.Context) (pipeline.Source, error) { return nil, errors.New("no file") }
			shards = append(shards, refused, scorer.shard("2"), scorer.shard("3"), empty)
		}
		cfg := pipeline.Config{Outputs: 1, RequestGraphs: 1, Answered: func() {
			scorer.said.Add(1)
			if !many && scorer.committed.Load() {
				t.Error("the only part was committed before the scorer was no longer needed")
			}
		}}
		if _, err := pipeline.Run(t.Context(), cfg, shards, scorer); err != nil {
			t.Fatal(err)
		}
		if said, late := scorer.said.Load(), scorer.late.Load(); said != 1 || late != 0 || !scorer.committed.Load() {
			t.Errorf("%d shards: the last call was said %d times, and %d came after it", len(shards), said, late)
		}
	}
}

// counting counts the calls that come after what should have been the last.
type counting struct {
	pipeline.Scorer
	said, late atomic.Int64
	committed  atomic.Bool // a part
}

func (c *counting) Score(ctx context.Context, b *graph.Batch) (*graph.Scores, error) {
	c.late.Add(c.said.Load())
	return c.Scorer.Score(ctx, b)
}

// shard is one of two batches.
func (c *counting) shard(name string) pipeline.Shard {
	sh := shardOf(name, []*graph.Batch{line(3), line(2)}, &pipelinetest.Sink{})
	create := sh.Create
	sh.Create = func(ctx context.Context) (pipeline.Sink, error) {
		sink, err := create(ctx)
		return committing{sink, &c.committed}, err
	}
	return sh
}

type committing struct {
	pipeline.Sink
	committed *atomic.Bool
}

func (c committing) Commit(ctx context.Context) error {
	c.committed.Store(true)
	return c.Sink.Commit(ctx)
}
