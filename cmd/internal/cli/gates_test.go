package cli

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"graphscore/pipeline/diff"
	scoringv1 "graphscore/proto/graphscore/v1"
)

// The age of the input counts from the start of the run, by its clock.
func TestInputAgeByTheClock(t *testing.T) {
	t.Parallel()
	n := newNightly(t)
	n.more = "gates: {max_input_age: 36h}\n"
	n.input(3, "2026-03-01")
	written := fixed(t, "2026-03-02T00:00:00Z")()
	if err := os.Chtimes(filepath.Join(n.dir, "data/dt=2026-03-01/a.parquet"), written, written); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		now  string
		want int
	}{
		{"2026-03-03T12:00:00Z", exitDone}, {"2026-03-03T12:00:01Z", exitCheckFailed}, {"2026-03-01T00:00:00Z", exitDone},
	} {
		_, stderr, err := n.command(t.Context(), fixed(t, test.now), unsignalled, "run", "--date", "2026-03-01")
		if code := exitCode(err); code != test.want || n.succeeded("2026-03-01") != (test.want == exitDone) {
			t.Errorf("at %s: exit code %d, want %d\n%s", test.now, code, test.want, stderr)
		}
	}
}

// A date that waits for the one before it, to be compared with it, does not wait longer than the backfill lasts.
func TestStoppedWhileWaitingForItsTurn(t *testing.T) {
	t.Parallel()
	n := newNightly(t)
	n.more = "gates: {drift: {ks: 1}}\n"
	n.input(5, "2026-01-01")
	n.input(3, "2026-01-02")
	n.server.Before = func(ctx context.Context, q *scoringv1.ScoreRequest) error {
		if q.GetGraphs() == 3 {
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	}
	ctx, stop := context.WithCancel(t.Context())
	var g errgroup.Group
	g.Go(func() error {
		defer stop()
		part := filepath.Join(n.dir, "out/dt=2026-01-02/a.parquet")
		for range 1000 {
			if _, err := os.Stat(part); err == nil {
				return nil
			}
			time.Sleep(10 * time.Millisecond)
		}
		return os.ErrDeadlineExceeded
	})
	_, stderr, err := n.command(ctx, time.Now, unsignalled, "backfill", "--since", "2026-01-01", "--until", "2026-01-03", "--parallel", "2")
	if waiting := g.Wait(); err == nil || waiting != nil || n.succeeded("2026-01-01") || n.succeeded("2026-01-02") {
		t.Errorf("%v, %v\n%s", err, waiting, stderr)
	}
}

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
		gate := l.hold(report)
		if gate.Passed != (most <= limit) || gate.Value != most || gate.Passed != (gate.Message == "") {
			t.Fatalf("%+v of %v", gate, values)
		}
	})
}

// Numbers that differ are written so that they do.
func TestApart(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.Float64().Draw(t, "value")
		b := rapid.OneOf(rapid.Float64(), rapid.Just(math.Nextafter(a, 1)), rapid.Just(a)).Draw(t, "limit")
		if x, y := apart(a, b); (x == y) != (a == b) {
			t.Fatalf("%v is %s, %v is %s", a, x, b, y)
		}
	})
	if x, y := apart(100*0.0125, 100*0.007); x != "1.25" || y != "0.7" {
		t.Errorf("%s, %s", x, y)
	}
}

func TestSpan(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		36 * time.Hour: "36h", 90 * time.Minute: "1h30m", 10 * time.Minute: "10m", 30 * time.Second: "30s",
		36*time.Hour + time.Second: "36h0m1s", 10*time.Hour + 10*time.Minute: "10h10m", 0: "0s",
	} {
		if got := span(d); got != want {
			t.Errorf("%v is %s, want %s", d, got, want)
		}
	}
	if got := spanAbove(36*time.Hour+time.Millisecond, 36*time.Hour); got != "36h0m0.001s" {
		t.Error(got)
	}
}
