package cli

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/dustin/go-humanize"

	"graphscore/jobs/submit"
)

// progressOf is the last look at a submission.
type progressOf struct {
	last atomic.Pointer[submit.Progress]
}

func (p *progressOf) set(now submit.Progress) { p.last.Store(&now) }

func (p *progressOf) get() submit.Progress {
	if last := p.last.Load(); last != nil {
		return *last
	}
	return submit.Progress{}
}

// showSubmit runs work, which follows so many shards, and shows how far they are.
func (e *env) showSubmit(ctx context.Context, p *progressOf, shards int, work func(context.Context) error) error {
	return e.show(ctx, shown{
		all: int64(shards),
		read: func(time.Duration) (int64, string) {
			now := p.get()
			text := fmt.Sprintf("shards, %d running", now.Running)
			if now.Failed > 0 {
				text += fmt.Sprintf(", %d failed", now.Failed)
			}
			return int64(now.Done), text + ", " + humanize.Comma(int64(now.Rate)) + " graphs/s"
		},
		log: func(ctx context.Context, _ time.Duration) {
			now := p.get()
			left := "unknown"
			if now.Rate > 0.001 {
				left = (time.Duration(float64(now.OfGraphs-now.Graphs)/now.Rate) * time.Second).String()
			}
			e.log.InfoContext(ctx, "following shards", "done", now.Done, "of", now.Shards, "running", now.Running, "waiting", now.Waiting,
				"failed", now.Failed, "graphs", now.Graphs, "of_graphs", now.OfGraphs, "graphs_per_second", fmt.Sprintf("%.0f", now.Rate), "left", left)
		},
	}, work)
}
