package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"

	"graphscore/pipeline/graph"
)

// RetryConfig says how long Retry goes on.
type RetryConfig struct {
	// Budget is the time from the first failure of a batch after which no further attempt is made. Default 60 s.
	Budget time.Duration
	// Pause is the first pause, MaxPause the longest that we choose. Defaults 100 ms and 5 s.
	Pause, MaxPause time.Duration
	// Progress counts the retries. Default: not counted.
	Progress *Progress
	// Log gets a line for every retry. Default: nothing is logged.
	Log *slog.Logger
}

// WithDefaults returns a copy with every unset field at its default.
func (c RetryConfig) WithDefaults() RetryConfig {
	setDefault((*int64)(&c.Budget), int64(time.Minute))
	setDefault((*int64)(&c.Pause), int64(100*time.Millisecond))
	setDefault((*int64)(&c.MaxPause), int64(5*time.Second))
	if c.Progress == nil {
		c.Progress = &Progress{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Retry repeats calls of next whose error is [Retryable], after pauses that grow and are drawn at random, or
// as long as the error's [Pushback] says. At least one more attempt is made, however short the budget.
func Retry(next Scorer, cfg RetryConfig) Scorer { return &retrier{next: next, cfg: cfg.WithDefaults()} }

type retrier struct {
	next Scorer
	cfg  RetryConfig
}

func (r *retrier) Score(ctx context.Context, b *graph.Batch) (*graph.Scores, error) {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval = r.cfg.Pause, r.cfg.MaxPause
	var first time.Time
	for attempt := 1; ; attempt++ {
		s, err := r.next.Score(ctx, b)
		var again Retryable
		if err == nil || ctx.Err() != nil || !errors.As(err, &again) || !again.Retryable() {
			return s, err
		}
		if first.IsZero() {
			first = time.Now()
		} else if time.Since(first) >= r.cfg.Budget {
			return nil, fmt.Errorf("giving up after %d attempts: %w", attempt, err)
		}
		pause := pauses.NextBackOff()
		var pushback Pushback
		if errors.As(err, &pushback) {
			pause = max(pause, pushback.RetryAfter())
		}
		r.cfg.Progress.Retries.Add(1)
		r.cfg.Log.WarnContext(ctx, "scoring again", "shard", shardName(ctx), "attempt", attempt, "pause", pause, "graphs", b.Graphs(), "error", err)
		if err := sleep(ctx, pause); err != nil {
			return nil, err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Isolate scores the halves of a batch that next refuses with a [Refusing] error, again and again, until the
// graphs that cause it are alone: those end in Scores.Failed.
func Isolate(next Scorer) Scorer { return &isolator{next: next} }

type isolator struct{ next Scorer }

func (i *isolator) Score(ctx context.Context, b *graph.Batch) (*graph.Scores, error) {
	s, err := i.next.Score(ctx, b)
	var refusing Refusing
	if err == nil || !errors.As(err, &refusing) {
		return s, err
	}
	code, message, refused := refusing.Refused()
	if !refused {
		return nil, err
	}
	if b.Graphs() == 1 {
		return &graph.Scores{Failed: []graph.Failure{{Code: code, Message: message}}}, nil
	}
	middle := b.Graphs() / 2
	left, err := i.Score(ctx, b.Slice(0, middle))
	if err != nil {
		return nil, err
	}
	right, err := i.Score(ctx, b.Slice(middle, b.Graphs()))
	if err != nil {
		return nil, err
	}
	return join(left, right, b, middle), nil
}

// join puts the scores of b's first graphs and of the others together. A side of which every graph failed has
// no values: its rows are filled with zeros.
func join(left, right *graph.Scores, b *graph.Batch, middle int) *graph.Scores {
	outputs := max(left.Outputs, right.Outputs)
	split := int(b.NodeOffsets[middle] - b.NodeOffsets[0])
	s := &graph.Scores{Outputs: outputs, Values: make([]float32, b.Nodes()*outputs), Failed: left.Failed}
	copy(s.Values, left.Values)
	copy(s.Values[split*outputs:], right.Values)
	for _, f := range right.Failed {
		f.Graph += middle
		s.Failed = append(s.Failed, f)
	}
	s.Timing.Pack = left.Timing.Pack + right.Timing.Pack
	s.Timing.Model = left.Timing.Model + right.Timing.Model
	return s
}
