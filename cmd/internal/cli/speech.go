package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"

	"graphscore/jobs/run"
	"graphscore/pipeline"
	"graphscore/pipeline/display"
	"graphscore/pipeline/observe"
	"graphscore/writers/record"
)

// formatJSON is the log format that makes every line of standard error JSON.
const formatJSON = "json"

// openVoice makes what a command says on standard error JSON, whatever the level of its log: a result is said with
// --quiet, too.
func (e *env) openVoice() {
	e.voice = slog.New(slog.NewJSONHandler(e.stderr, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: observe.WithUnits}))
}

// say says one sentence of a result on standard error: a line for people, or with --log-format json one of the log, which
// has the attributes as well.
func (e *env) say(level slog.Level, sentence string, attributes ...any) {
	sentence = oneSentence(sentence)
	switch {
	case e.voice == nil:
		fmt.Fprintf(e.stderr, "graphscore: %s\n", sentence)
	case level >= slog.LevelError:
		e.voice.Error(sentence, attributes...)
	case level >= slog.LevelWarn:
		e.voice.Warn(sentence, attributes...)
	default:
		e.voice.Info(sentence, attributes...)
	}
}

// source is a line of a job file under an error, or the caret below it.
var source = regexp.MustCompile(`^(>?\s*\d+ \||\s*\^)`)

// oneSentence returns a sentence harmless, and without lines of its own but those of the source of a job: a name with the end
// of a line in it forges none.
func oneSentence(text string) string {
	var b strings.Builder
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		switch {
		case i == 0:
		case source.MatchString(line):
			b.WriteString("\n")
		default:
			b.WriteString(`\n`)
		}
		b.WriteString(display.Harmless(line))
	}
	return b.String()
}

// report says an error. Results that are no failures of the process were said already.
func (e *env) report(err error) {
	var outcome *run.OutcomeError
	if errors.As(err, &outcome) && outcome.Said {
		return
	}
	var bug *pipeline.PanicError
	if errors.As(err, &bug) && e.log != nil {
		e.log.Debug("recovered", "stack", string(bug.Stack))
	}
	if e.voice != nil {
		e.say(slog.LevelError, err.Error(), "code", run.ExitCode(err))
		return
	}
	e.say(slog.LevelError, "error: "+strings.TrimSpace(err.Error()))
}

// sayRefused says which files could not be read, of a date where there is one.
func (e *env) sayRefused(of string, files []record.RefusedFile) {
	for _, f := range files {
		e.say(slog.LevelWarn, display.Line(of+"refused: "+f.Reason), "file", f.File)
	}
}

// sayUnfinished says which files their writers have not finished.
func (e *env) sayUnfinished(paths []string) {
	for _, path := range paths {
		e.say(slog.LevelWarn, "not finished: "+display.Line(path), "file", path)
	}
}

// sayUnread says what planning, or a scan of the plan, could not read, and the hint of the scan.
func (e *env) sayUnread(in *run.Input, scanned *run.Scanned) []record.RefusedFile {
	files := in.RefusedFiles(scanned)
	e.sayRefused("", files)
	e.sayUnfinished(in.Plan.LeftOut.Unfinished)
	if scanned.Hint != "" {
		e.say(slog.LevelWarn, scanned.Hint)
	}
	return files
}
