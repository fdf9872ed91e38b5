package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"graphscore/jobs/backfill"
	"graphscore/pipeline"
	"graphscore/pipeline/display"
)

const (
	barEvery  = 200 * time.Millisecond // how often the bar on a terminal moves
	lineEvery = 5 * time.Second        // how often a line is logged elsewhere
)

func isTerminal(w io.Writer) bool {
	f, is := raw(w).(*os.File)
	return is && term.IsTerminal(int(f.Fd()))
}

// shown is how far a command is: so many of all, what the bar says, and the line that is logged elsewhere.
type shown struct {
	all     int64
	options []progressbar.Option
	read    func(elapsed time.Duration) (done int64, text string)
	log     func(ctx context.Context, elapsed time.Duration)
}

// show runs work, and until it is done a bar on a terminal or a line every few seconds elsewhere.
func (e *env) show(ctx context.Context, s shown, work func(context.Context) error) error {
	if e.quiet || s.all == 0 {
		return work(ctx)
	}
	var g errgroup.Group
	done := make(chan struct{})
	g.Go(func() error {
		if isTerminal(e.stderr) && e.voice == nil {
			e.bar(s, done)
		} else {
			every(lineEvery, done, func(elapsed time.Duration) { s.log(ctx, elapsed) })
		}
		return nil
	})
	g.Go(func() error {
		defer close(done)
		return work(ctx)
	})
	return g.Wait()
}

// every calls what at even intervals until done, with the time since the first.
func every(interval time.Duration, done <-chan struct{}, what func(elapsed time.Duration)) {
	ticks := time.NewTicker(interval)
	defer ticks.Stop()
	start := time.Now()
	for {
		select {
		case <-ticks.C:
			what(time.Since(start))
		case <-done:
			return
		}
	}
}

// bar draws until done.
func (e *env) bar(s shown, done <-chan struct{}) {
	bar := progressbar.NewOptions64(s.all, append(barOptions(columns(e.stderr), os.Getenv("TERM"), s.options), progressbar.OptionSetWriter(oneLine{raw(e.stderr)}))...)
	draw := func(elapsed time.Duration) {
		n, text := s.read(elapsed)
		bar.Describe(text)
		_ = bar.Set64(min(n, s.all)) // a bar that cannot be drawn stops nothing
	}
	draw(0)
	every(barEvery, done, draw)
	_ = bar.Clear()
}

// wideBar is the number of columns that a bar takes with all that it says of a million graphs, narrowText what it says
// without counts, speed and times beside the bar.
const wideBar, narrowText = 76, 34

// barOptions are those of a bar that fits a terminal of so many columns: a narrow one has no counts, speed and times. A dumb
// terminal, which may lack block characters, has a bar of ASCII.
func barOptions(columns int, terminal string, wide []progressbar.Option) []progressbar.Option {
	options := []progressbar.Option{progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(barEvery)}
	if columns >= wideBar {
		options = append(append(options, progressbar.OptionShowCount(), progressbar.OptionSetWidth(20), progressbar.OptionSetPredictTime(true)), wide...)
	} else {
		options = append(options, progressbar.OptionSetWidth(max(columns-narrowText, 1)), progressbar.OptionSetPredictTime(false),
			progressbar.OptionSetElapsedTime(false))
	}
	if terminal == "dumb" {
		options = append(options, progressbar.OptionSetTheme(progressbar.ThemeASCII))
	}
	return options
}

// oneLine is a terminal on which no bar wraps: what its line has no room for is left out.
type oneLine struct{ terminal io.Writer }

// Write takes a line that begins anew after each \r. It leaves the last column free, where some terminals wrap.
func (l oneLine) Write(text []byte) (int, error) {
	most := max(columns(l.terminal)-1, 1)
	parts := strings.Split(string(text), "\r")
	for i, part := range parts {
		if runes := []rune(part); len(runes) > most {
			parts[i] = string(runes[:most])
		}
	}
	if _, err := io.WriteString(l.terminal, strings.Join(parts, "\r")); err != nil {
		return 0, err
	}
	return len(text), nil
}

// columns is the width of a terminal, 80 where it does not say.
func columns(w io.Writer) int {
	if f, is := raw(w).(*os.File); is {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
			return n
		}
	}
	return display.Width
}

// barText is the text before a bar: what is done, and the graphs in quarantine so far where there are any.
func barText(what string, quarantined int64) string {
	if quarantined == 0 {
		return what
	}
	return fmt.Sprintf("%s, %s quarantined", what, humanize.Comma(quarantined))
}

// showRun runs work, which scores so many graphs, and shows how far it is.
func (e *env) showRun(ctx context.Context, p *pipeline.Progress, graphs int64, work func(context.Context) error) error {
	return e.show(ctx, shown{
		all:     graphs,
		options: []progressbar.Option{progressbar.OptionSetItsString("graphs"), progressbar.OptionShowIts()},
		read: func(time.Duration) (int64, string) {
			return p.Rows(), barText("scoring", p.Quarantined.Load())
		},
		log: func(ctx context.Context, elapsed time.Duration) {
			n := p.Rows()
			rate := float64(n) / elapsed.Seconds()
			left := "unknown"
			if rate > 0.001 { // or the time left would not fit
				left = (time.Duration(float64(graphs-n)/rate) * time.Second).Round(time.Second).String()
			}
			e.log.InfoContext(ctx, "scoring", "graphs", n, "of", graphs, "graphs_per_second", fmt.Sprintf("%.0f", rate),
				"left", left, "quarantined", p.Quarantined.Load())
		},
	}, work)
}

// showBackfill runs work, which is so many dates, and shows how far it is.
func (e *env) showBackfill(ctx context.Context, read func() backfill.Tally, dates int, work func(context.Context) error) error {
	return e.show(ctx, shown{
		all: int64(dates),
		read: func(elapsed time.Duration) (int64, string) {
			t := read()
			rate := float64(t.Rows()) / max(elapsed.Seconds(), 1e-3)
			return int64(t.Dates), barText(fmt.Sprintf("dates, %s graphs/s", humanize.Comma(int64(rate))), t.Quarantined)
		},
		log: func(ctx context.Context, elapsed time.Duration) {
			t := read()
			left := "unknown"
			if t.Dates > 0 {
				left = (elapsed / time.Duration(t.Dates) * time.Duration(dates-t.Dates)).Round(time.Second).String()
			}
			e.log.InfoContext(ctx, "backfilling", "dates", t.Dates, "of", dates, "failed", t.Failed, "graphs", t.Rows(),
				"graphs_per_second", fmt.Sprintf("%.0f", float64(t.Rows())/elapsed.Seconds()), "left", left, "quarantined", t.Quarantined)
		},
	}, work)
}
