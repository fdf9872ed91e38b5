package cli

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"graphscore/jobs/run"
	"graphscore/pipeline/exit"
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
		{"2026-03-03T12:00:00Z", exit.Done}, {"2026-03-03T12:00:01Z", exit.CheckFailed}, {"2026-03-01T00:00:00Z", exit.Done},
	} {
		_, stderr, err := n.command(t.Context(), fixed(t, test.now), "run", "--date", "2026-03-01")
		if code := run.ExitCode(err); code != test.want || n.succeeded("2026-03-01") != (test.want == exit.Done) {
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
		for range 12000 {
			if _, err := os.Stat(part); err == nil {
				return nil
			}
			time.Sleep(10 * time.Millisecond)
		}
		return os.ErrDeadlineExceeded
	})
	_, stderr, err := n.command(ctx, time.Now, "backfill", "--since", "2026-01-01", "--until", "2026-01-03", "--parallel", "2")
	if waiting := g.Wait(); err == nil || waiting != nil || n.succeeded("2026-01-01") || n.succeeded("2026-01-02") {
		t.Errorf("%v, %v\n%s", err, waiting, stderr)
	}
}
