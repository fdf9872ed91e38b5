package local

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
)

const (
	keptLines = 20       // for messages about a worker's end
	lineBytes = 16 << 10 // a longer line is cut into several
)

// output takes what a worker prints, line by line. Until it is released it only keeps the last lines: a worker
// that does not start is told of in the error, not in the log. It is safe for concurrent use.
type output struct {
	log *slog.Logger

	mu       sync.Mutex
	rest     []byte
	kept     []string
	released bool
}

// Write takes some bytes. It never fails: a worker must not stall because of its log.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rest = append(o.rest, p...)
	for {
		line, rest, found := bytes.Cut(o.rest, []byte{'\n'})
		if !found && len(o.rest) < lineBytes {
			return len(p), nil
		}
		o.take(string(line))
		o.rest = append(o.rest[:0], rest...)
	}
}

func (o *output) take(line string) {
	line = strings.TrimRight(strings.ToValidUTF8(line, "\uFFFD"), "\r \t")
	if line == "" {
		return
	}
	if len(o.kept) == keptLines {
		o.kept = o.kept[1:]
	}
	o.kept = append(o.kept, line)
	if o.released {
		o.print(line)
	}
}

func (o *output) print(line string) {
	switch level, text := severity(line); level {
	case slog.LevelDebug:
		o.log.Debug(text)
	case slog.LevelWarn:
		o.log.Warn(text)
	case slog.LevelError:
		o.log.Error(text)
	default:
		o.log.Info(text)
	}
}

// release logs what was kept and from now on every line at once.
func (o *output) release() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.released {
		return
	}
	o.released = true
	for _, line := range o.kept {
		o.print(line)
	}
}

// begin forgets the lines of the process before.
func (o *output) begin() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.kept, o.rest = nil, o.rest[:0]
}

// lines gives the last lines, the unfinished one too.
func (o *output) lines() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	lines := append([]string(nil), o.kept...)
	if len(o.rest) > 0 {
		lines = append(lines, string(o.rest))
	}
	return lines
}

// severity takes the level from a line as workers print it. Lines of another form come from libraries or from
// Python itself, and nobody expects them.
func severity(line string) (slog.Level, string) {
	text, ours := strings.CutPrefix(line, "graphscore-server: ")
	if !ours {
		return slog.LevelWarn, line
	}
	for prefix, level := range map[string]slog.Level{
		"debug: ": slog.LevelDebug, "warning: ": slog.LevelWarn, "error: ": slog.LevelError, "critical: ": slog.LevelError,
	} {
		if rest, found := strings.CutPrefix(text, prefix); found {
			return level, rest
		}
	}
	return slog.LevelInfo, text
}
