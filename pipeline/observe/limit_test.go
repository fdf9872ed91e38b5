package observe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestLimiter: 342 warnings of one cause in ten seconds are one a second, none is lost from the counts, and other causes
// and levels pass.
func TestLimiter(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	l := NewLimiter(slog.NewJSONHandler(&b, &slog.HandlerOptions{ReplaceAttr: WithUnits}))
	start := time.Date(2026, 11, 27, 2, 0, 0, 0, time.UTC)
	line := func(l slog.Handler, at time.Duration, level slog.Level, message, err string) {
		r := slog.NewRecord(start.Add(at), level, message, 0)
		r.AddAttrs(slog.Int("attempt", 1), slog.Duration("pause", 93240216), slog.Any("error", errors.New(err)))
		if err := l.Handle(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	shard := l.WithAttrs([]slog.Attr{slog.String("shard", "a")})
	for i := range 342 {
		h := []slog.Handler{l, shard}[i%2]
		line(h, time.Duration(i)*10*time.Second/342, slog.LevelWarn, "scoring again", fmt.Sprintf("port %d: refused", 4000+i))
	}
	line(l, time.Second, slog.LevelWarn, "scoring again", "another cause")
	line(l, time.Second, slog.LevelError, "scoring again", "port 1: refused")
	line(l, time.Second, slog.LevelInfo, "scoring again", "port 1: refused")
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	warnings, counted, others := 0, 0, 0
	for text := range strings.Lines(b.String()) {
		var doc struct {
			Level, Error string
			Repeated     int
			Pause        float64 `json:"pause_seconds"`
		}
		if err := json.Unmarshal([]byte(text), &doc); err != nil || doc.Pause != 0.093240216 {
			t.Fatalf("%s: %v", text, err)
		}
		if doc.Level == "WARN" && strings.HasPrefix(doc.Error, "port") {
			warnings, counted = warnings+1, counted+1+doc.Repeated
		} else {
			others++
		}
	}
	if warnings > 11 || counted != 342 || others != 3 {
		t.Errorf("%d warnings, which count %d, and %d others in\n%s", warnings, counted, others, b.String())
	}
	before := b.Len()
	if err := l.Flush(t.Context()); err != nil || b.Len() != before {
		t.Error("a second flush writes something")
	}
}

// TestOtherLinesPass: warnings that are not of attempts are left out only where they say the same.
func TestOtherLinesPass(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	log := slog.New(NewLimiter(slog.NewTextHandler(&b, nil)))
	for _, file := range []string{"a1", "a2", "a3", "a3"} {
		log.Warn("ignored", "file", file)
	}
	if n := strings.Count(b.String(), "\n"); n != 3 {
		t.Errorf("%d lines in %s", n, b.String())
	}
}

// TestManyCauses: what cannot be told apart any more passes.
func TestManyCauses(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	log := slog.New(NewLimiter(slog.NewTextHandler(&b, nil)))
	for i := range 2 * limitCauses {
		log.Warn(strings.Repeat("x", i))
	}
	if n := strings.Count(b.String(), "\n"); n != 2*limitCauses {
		t.Errorf("%d lines", n)
	}
}
