package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/sync/errgroup"
)

const (
	barEvery  = 200 * time.Millisecond // how often the bar on a terminal moves
	lineEvery = 5 * time.Second        // how often a line is logged elsewhere
)

// watched runs work and shows how far it is: a bar on a terminal, a line every few seconds elsewhere.
func (r *run) watched(ctx context.Context, rows int64, work func(context.Context) error) error {
	shown := work
	work = func(ctx context.Context) error { return r.sampled(ctx, shown) }
	if r.quiet || rows == 0 || r.part != nil {
		return work(ctx)
	}
	return r.beside(func() error { return work(ctx) },
		func(done <-chan struct{}) { r.bar(rows, done) },
		func(done <-chan struct{}) { r.lines(ctx, rows, done) })
}

// beside runs work, and until it is done bar on a terminal or lines elsewhere.
func (e *env) beside(work func() error, bar, lines func(done <-chan struct{})) error {
	var g errgroup.Group
	done := make(chan struct{})
	g.Go(func() error {
		if isTerminal(e.stderr) {
			bar(done)
		} else {
			lines(done)
		}
		return nil
	})
	g.Go(func() error {
		defer close(done)
		return work()
	})
	return g.Wait()
}

// bar draws until done.
func (r *run) bar(rows int64, done <-chan struct{}) {
	bar := progressbar.NewOptions64(rows,
		progressbar.OptionSetWriter(r.stderr),
		progressbar.OptionSetItsString("graphs"), progressbar.OptionShowIts(), progressbar.OptionShowCount(),
		progressbar.OptionSetWidth(20), progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(),
		progressbar.OptionThrottle(barEvery),
	)
	ticks := time.NewTicker(barEvery)
	defer ticks.Stop()
	for {
		bar.Describe(barText("scoring", r.progress.Quarantined.Load()))
		_ = bar.Set64(min(r.progress.Rows(), rows)) // a bar that cannot be drawn stops nothing
		select {
		case <-ticks.C:
		case <-done:
			_ = bar.Clear()
			return
		}
	}
}

// barText stands before a bar: what is done, and the graphs in quarantine so far where there are any.
func barText(what string, quarantined int64) string {
	if quarantined == 0 {
		return what
	}
	return fmt.Sprintf("%s, %s quarantined", what, humanize.Comma(quarantined))
}

// lines logs until done.
func (r *run) lines(ctx context.Context, rows int64, done <-chan struct{}) {
	ticks := time.NewTicker(lineEvery)
	defer ticks.Stop()
	start := time.Now()
	for {
		select {
		case <-ticks.C:
			n := r.progress.Rows()
			rate := float64(n) / time.Since(start).Seconds()
			left := "unknown"
			if rate > 0.001 { // or the time left would not fit
				left = (time.Duration(float64(rows-n)/rate) * time.Second).Round(time.Second).String()
			}
			r.log.InfoContext(ctx, "scoring", "graphs", n, "of", rows, "graphs_per_second", fmt.Sprintf("%.0f", rate),
				"left", left, "quarantined", r.progress.Quarantined.Load())
		case <-done:
			return
		}
	}
}
