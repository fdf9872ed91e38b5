package cli

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/schollz/progressbar/v3"

	"graphscore/pipeline"
)

// meter adds up the progress of dates. Its methods are safe for concurrent use.
type meter struct {
	mu    sync.Mutex
	under map[*pipeline.Progress]bool // dates under way
	ended tally                       // the sum of those that have ended
}

// tally is how far a backfill is.
type tally struct {
	dates, failed int
	first         time.Time // scoring request of any date, zero before it
	pipeline.Reading
}

func (t *tally) rows() int64 { return t.Scored + t.Quarantined }

func (m *meter) begin(p *pipeline.Progress) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.under == nil {
		m.under = map[*pipeline.Progress]bool{}
	}
	m.under[p] = true
}

func (m *meter) end(p *pipeline.Progress, failed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.under, p)
	m.ended.dates++
	if failed {
		m.ended.failed++
	}
	m.ended.add(p)
}

// read is the sum over all dates.
func (m *meter) read() tally {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.ended
	for p := range m.under {
		t.add(p)
	}
	return t
}

func (t *tally) add(p *pipeline.Progress) {
	t.Add(p.Read())
	if first := p.FirstRequest(); t.first.IsZero() || !first.IsZero() && first.Before(t.first) {
		t.first = first
	}
}

// watched runs work and shows how many dates are done: a bar on a terminal, a line every few seconds elsewhere.
func (b *backfill) watched(ctx context.Context, dates int, work func(context.Context) error) error {
	if b.quiet || dates == 0 {
		return work(ctx)
	}
	return b.beside(func() error { return work(ctx) },
		func(done <-chan struct{}) { b.bar(dates, done) },
		func(done <-chan struct{}) { b.lines(ctx, dates, done) })
}

// bar draws until done.
func (b *backfill) bar(dates int, done <-chan struct{}) {
	bar := progressbar.NewOptions(dates,
		progressbar.OptionSetWriter(b.stderr), progressbar.OptionSetDescription("dates"), progressbar.OptionShowCount(),
		progressbar.OptionSetWidth(20), progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(),
		progressbar.OptionThrottle(barEvery),
	)
	ticks := time.NewTicker(barEvery)
	defer ticks.Stop()
	start := time.Now()
	for {
		t := b.meter.read()
		rate := float64(t.rows()) / max(time.Since(start).Seconds(), 1e-3)
		bar.Describe(barText(fmt.Sprintf("dates, %s graphs/s", humanize.Comma(int64(rate))), t.Quarantined))
		_ = bar.Set(min(t.dates, dates)) // a bar that cannot be drawn stops nothing
		select {
		case <-ticks.C:
		case <-done:
			_ = bar.Clear()
			return
		}
	}
}

// lines logs until done.
func (b *backfill) lines(ctx context.Context, dates int, done <-chan struct{}) {
	ticks := time.NewTicker(lineEvery)
	defer ticks.Stop()
	start := time.Now()
	for {
		select {
		case <-ticks.C:
			t := b.meter.read()
			past := time.Since(start)
			left := "unknown"
			if t.dates > 0 {
				left = (past / time.Duration(t.dates) * time.Duration(dates-t.dates)).Round(time.Second).String()
			}
			b.log.InfoContext(ctx, "backfilling", "dates", t.dates, "of", dates, "failed", t.failed, "graphs", t.rows(),
				"graphs_per_second", fmt.Sprintf("%.0f", float64(t.rows())/past.Seconds()), "left", left, "quarantined", t.Quarantined)
		case <-done:
			return
		}
	}
}
