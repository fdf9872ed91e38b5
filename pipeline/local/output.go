package local

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
)

const (
	keptLines = 20       // for messages about a worker's end
	lineBytes = 16 << 10 // a longer line is cut into several
)

// output takes what a worker prints, line by line. Until it is released it only keeps the last lines: a worker
// that does not start is reported in the error, not in the log. It is safe for concurrent use.
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
	said := parse(line)
	var attributes []any
	if whose := said.call(); len(whose) > 0 {
		attributes = append(attributes, slog.GroupAttrs("call", whose...))
	}
	switch level := said.severity(); {
	case level < slog.LevelInfo:
		o.log.Debug(said.Message, attributes...)
	case level < slog.LevelWarn:
		o.log.Info(said.Message, attributes...)
	case level < slog.LevelError:
		o.log.Warn(said.Message, attributes...)
	default:
		o.log.Error(said.Message, attributes...)
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

// lines returns the last lines, the unfinished one too.
func (o *output) lines() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	lines := append([]string(nil), o.kept...)
	if len(o.rest) > 0 {
		lines = append(lines, string(o.rest))
	}
	return lines
}

// logLine is a line as workers print it: JSON with the names that slog has. Run, Shard and Trace are those of the call
// that it is about, where it is about one.
type logLine struct {
	Level   string `json:"level"`
	Message string `json:"msg"`
	Run     string `json:"run"`
	Shard   string `json:"shard"`
	Trace   string `json:"trace"`
}

// parse reads a line. Lines of another form come from libraries or from Python itself, and nobody expects them.
func parse(line string) logLine {
	var l logLine
	if err := json.Unmarshal([]byte(line), &l); err != nil || l.Message == "" {
		return logLine{Level: slog.LevelWarn.String(), Message: line}
	}
	return l
}

func (l logLine) severity() slog.Level {
	var level slog.Level
	if level.UnmarshalText([]byte(l.Level)) != nil {
		return slog.LevelWarn
	}
	return level
}

func (l logLine) call() []slog.Attr {
	var whose []slog.Attr
	for _, a := range []slog.Attr{slog.String("run", l.Run), slog.String("shard", l.Shard), slog.String("trace", l.Trace)} {
		if a.Value.String() != "" {
			whose = append(whose, a)
		}
	}
	return whose
}
