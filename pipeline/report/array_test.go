package report

import (
	"slices"
	"testing"

	"graphscore/writers/record"
)

func TestArrayFacts(t *testing.T) {
	t.Parallel()
	two := []record.Member{
		{Index: 0, Count: 2, Host: "n1", Seconds: 2.25, BLAS: "SkylakeX", Counts: record.Counts{Scored: 1234, Quarantined: 1}},
		{Index: 1, Count: 2, Host: "n2", Seconds: 0.5, ExitCode: 3},
	}
	expected := []Fact{
		{"shard 0/2", "1,234 scored, 1 quarantined in 2.2 s on n1, exit code 0, SkylakeX"},
		{"shard 1/2", "0 scored, 0 quarantined in 0.5 s on n2, exit code 3"},
	}
	if got := arrayFacts(two); !slices.Equal(got, expected) {
		t.Errorf("got %q", got)
	}
	many := arrayFacts(make([]record.Member, shardsListed+7))
	if n := len(many); n != shardsListed+1 || many[n-1] != (Fact{"more shards", "7 shards: see array in the run record"}) {
		t.Errorf("got %d facts, the last is %q", n, many[n-1])
	}
	if arrayFacts(nil) != nil {
		t.Error("a run of one process has shards")
	}
}
