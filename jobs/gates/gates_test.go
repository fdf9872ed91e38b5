package gates

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"graphscore/pipeline/diff"
	"graphscore/pipeline/display"
)

// A limit holds where it holds for every score column, and the farthest one is named.
func TestDriftLimitHolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-2, 2), 1, 5).Draw(t, "mean changes")
		limit := rapid.OneOf(rapid.Float64Range(0, 2), rapid.Just(math.Abs(values[0]))).Draw(t, "limit")
		report := &diff.Report{Old: diff.Side{Nodes: 1}, New: diff.Side{Nodes: 1}}
		most := 0.0
		for _, v := range values {
			report.Outputs = append(report.Outputs, diff.Output{Compared: 1, MeanChange: v})
			most = max(most, math.Abs(v))
		}
		l := driftLimit{name: "drift.mean", limit: limit, joined: true, of: func(o *diff.Output) float64 { return math.Abs(o.MeanChange) }}
		gate := l.judge(report)
		if gate.Passed != (most <= limit) || gate.Value != most || gate.Passed != (gate.Message == "") {
			t.Fatalf("%+v of %v", gate, values)
		}
	})
}

// Numbers that differ are written so that they do.
func TestDistinguish(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.Float64().Draw(t, "value")
		b := rapid.OneOf(rapid.Float64(), rapid.Just(math.Nextafter(a, 1)), rapid.Just(a)).Draw(t, "limit")
		if x, y := distinguish(a, b); (x == y) != (a == b) {
			t.Fatalf("%v is %s, %v is %s", a, x, b, y)
		}
	})
	if x, y := distinguish(100*0.0125, 100*0.007); x != "1.25" || y != "0.7" {
		t.Errorf("%s, %s", x, y)
	}
}

func TestSpan(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		36 * time.Hour: "36h", 90 * time.Minute: "1h30m", 10 * time.Minute: "10m", 30 * time.Second: "30s",
		36*time.Hour + time.Second: "36h0m1s", 10*time.Hour + 10*time.Minute: "10h10m", 0: "0s",
	} {
		if got := display.Span(d); got != want {
			t.Errorf("%v is %s, want %s", d, got, want)
		}
	}
	if got := spanAbove(36*time.Hour+time.Millisecond, 36*time.Hour); got != "36h0m0.001s" {
		t.Error(got)
	}
}
