package run

import (
	"context"
	"errors"
	"testing"

	"graphscore/jobs"
	"graphscore/pipeline"
	"graphscore/pipeline/graph"
)

// emptySink takes everything.
type emptySink struct{}

func (emptySink) Write(context.Context, *graph.Batch, *graph.Scores) error { return nil }
func (emptySink) Reject(context.Context, graph.Rejection) error            { return nil }
func (emptySink) Commit(context.Context) error                             { return nil }
func (emptySink) Close() error                                             { return nil }

func budgeted(t *testing.T, text string, graphs int64, codes map[string]int64) *budget {
	t.Helper()
	a, err := jobs.ParseAllowance(text)
	if err != nil {
		t.Fatal(err)
	}
	return newBudget(&jobs.Job{Output: jobs.Output{Path: "out"}, Limits: jobs.Limits{MaxQuarantined: &a}}, graphs, codes)
}

func reject(sink pipeline.Sink, codes ...graph.Code) error {
	for _, code := range codes {
		if err := sink.Reject(context.Background(), graph.Rejection{Row: 7, Code: code, Message: "why"}); err != nil {
			return err
		}
	}
	return nil
}

// The first graph that is too much ends the run, and the error names count, bound, the most frequent reason and that graph.
func TestBudget(t *testing.T) {
	t.Parallel()
	b := budgeted(t, "0.5%", 1000, map[string]int64{"null_value": 2})
	sink := b.of("a.parquet", emptySink{})
	if err := reject(sink, graph.TooLarge, graph.TooLarge, graph.TooLarge); err != nil {
		t.Fatalf("5 of 1,000: %v", err)
	}
	err := reject(sink, graph.NullValue)
	want := "6 of 1,000 graphs in quarantine, more than limits.max_quarantined = 0.5%; most often for null_value (3); the last is row 7 of a.parquet (null_value: why); what is committed stays, and graphscore quarantine out lists what of it is in quarantine; mend the cause or raise the limit, and the same command continues"
	if err == nil || err.Error() != want || ExitCode(err) != 4 {
		t.Errorf("%d: %v", ExitCode(err), err)
	}
	var outcome *OutcomeError
	if !errors.As(err, &outcome) || !outcome.Said {
		t.Errorf("%#v", outcome)
	}
}

// Graphs of a shard that is not committed, as its file was refused, do not count; those of one that is do.
func TestBudgetForgetsWhatIsNotCommitted(t *testing.T) {
	t.Parallel()
	b := budgeted(t, "2", 1000, nil)
	refused, done := b.of("a.parquet", emptySink{}), b.of("a.parquet", emptySink{})
	if err := errors.Join(reject(refused, graph.NullValue, graph.NullValue), refused.Close(), refused.Close()); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(reject(done, graph.NullValue, graph.NullValue), done.Commit(t.Context()), done.Close()); err != nil {
		t.Fatal(err)
	}
	if err := reject(b.of("a.parquet", emptySink{}), graph.NullValue); err == nil {
		t.Error("the third is not too much")
	}
}

// A job without a bound has none.
func TestNoBudget(t *testing.T) {
	t.Parallel()
	b := newBudget(&jobs.Job{}, 1, map[string]int64{"null_value": 9})
	if err := b.check(); err != nil {
		t.Error(err)
	}
	if _, same := b.of("a.parquet", emptySink{}).(emptySink); !same {
		t.Error("the graphs are counted")
	}
}
