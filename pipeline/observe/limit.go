package observe

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"sync"
	"time"
)

const (
	// limitEvery is the least time between two warnings of one cause.
	limitEvery = time.Second
	// limitCauses is how many causes are distinguished at once.
	limitCauses = 256
	// repeatedKey is the attribute that counts the warnings of a cause that were left out before a line.
	repeatedKey = "repeated"
)

// Limiter is a handler of logs that passes at most one warning a second of each cause: its message with all attributes of
// the line, or for one that counts an "attempt" its message and its error without the numbers in it, whatever else it
// says. The next line of a cause says how many were left out, as "repeated". Lines of other levels pass. It is safe for
// concurrent use, and its clock is that of the lines.
type Limiter struct {
	next  slog.Handler
	state *limits // that of all handlers made from one
}

type limits struct {
	mu     sync.Mutex
	causes map[string]*cause
}

// cause is what is known of one.
type cause struct {
	last    time.Time // of a line that passed
	left    int       // out since
	record  slog.Record
	handler slog.Handler // of the record
}

// NewLimiter returns a limiter in front of next.
func NewLimiter(next slog.Handler) *Limiter {
	return &Limiter{next, &limits{causes: map[string]*cause{}}}
}

// Enabled is that of the handler behind.
func (l *Limiter) Enabled(ctx context.Context, level slog.Level) bool {
	return l.next.Enabled(ctx, level)
}

// WithAttrs returns a limiter that counts with this one.
func (l *Limiter) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &Limiter{l.next.WithAttrs(attrs), l.state}
}

// WithGroup returns a limiter that counts with this one.
func (l *Limiter) WithGroup(name string) slog.Handler {
	return &Limiter{l.next.WithGroup(name), l.state}
}

// Handle passes a line on, or leaves it out.
func (l *Limiter) Handle(ctx context.Context, r slog.Record) error {
	if r.Level != slog.LevelWarn {
		return l.next.Handle(ctx, r)
	}
	repeated, pass := l.state.take(l.next, r)
	if !pass {
		return nil
	}
	return l.next.Handle(ctx, counted(r, repeated))
}

// Flush passes the last line of every cause of which lines were left out since. It is called when no more are to come.
func (l *Limiter) Flush(ctx context.Context) error {
	l.state.mu.Lock()
	defer l.state.mu.Unlock()
	causes := slices.SortedFunc(maps.Values(l.state.causes), func(a, b *cause) int {
		return cmp.Or(a.record.Time.Compare(b.record.Time), cmp.Compare(a.record.Message, b.record.Message))
	})
	clear(l.state.causes)
	for _, c := range causes {
		if c.left > 0 {
			if err := c.handler.Handle(ctx, counted(c.record, c.left-1)); err != nil {
				return err
			}
		}
	}
	return nil
}

// take reports whether a line passes, and how many of its cause were left out before it.
func (s *limits) take(handler slog.Handler, r slog.Record) (repeated int, pass bool) {
	key := causeOf(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.causes[key]
	if c == nil {
		if len(s.causes) >= limitCauses {
			return 0, true // so many different ones are no repetition
		}
		c = &cause{}
		s.causes[key] = c
	} else if passed := r.Time.Sub(c.last); passed >= 0 && passed < limitEvery {
		c.left, c.record, c.handler = c.left+1, r.Clone(), handler
		return 0, false
	}
	repeated, c.left, c.last = c.left, 0, r.Time
	return repeated, true
}

var numbers = regexp.MustCompile(`[0-9]+`)

// causeOf returns what lines of one cause have in common, and no others.
func causeOf(r slog.Record) string {
	said, failure, attempt := r.Message, r.Message, false
	r.Attrs(func(a slog.Attr) bool {
		said += "\x00" + a.String()
		attempt = attempt || a.Key == "attempt"
		if a.Key == "error" {
			failure += "\x00" + numbers.ReplaceAllString(a.Value.String(), "0")
		}
		return true
	})
	if attempt {
		return failure
	}
	return said
}

// counted is a line that says how many were left out before it.
func counted(r slog.Record, repeated int) slog.Record {
	if repeated > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int(repeatedKey, repeated))
	}
	return r
}

// WithUnits is for slog.HandlerOptions.ReplaceAttr: it writes a duration as seconds, under a key that says so.
func WithUnits(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		return slog.Float64(a.Key+"_seconds", a.Value.Duration().Seconds())
	}
	return a
}
