package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	testscript.Main(leakless{m}, map[string]func(){
		"graphscore": func() {
			expected := []goleak.Option{goleak.IgnoreCurrent()}
			if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" { // OpenTelemetry keeps its connections, and has no way to close them
				expected = append(expected, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
					goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
			}
			code := Main(os.Args[1:], os.Stdout, os.Stderr)
			if err := goleak.Find(expected...); err != nil {
				fmt.Fprintln(os.Stderr, "left behind:", err)
				code = 99
			}
			os.Exit(code)
		},
	})
}

// leakless fails where the tests, or the servers that they started, leave a goroutine behind.
type leakless struct{ m *testing.M }

func (l leakless) Run() int {
	code := l.m.Run()
	if code != 0 {
		return code
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// TestScripts runs testdata/script: the command line as its users have it, without Python. Beside the commands of
// testscript there are, each explained at its function:
//
//	exits CODE COMMAND...          graphs FILE COUNT [options]    scorer NAME [options]    holds DIR
//	rows FILE                      sums DIR                       cut FILE BYTES           narrow FILE
//	json FILE KEY.KEY WANT         record FILE                    watcher NAME FILE [options]
//	port NAME                      scrape URL FILE PATTERN        collector NAME FILE
//
// UPDATE_SCRIPTS=1 writes what commands print into the files that cmp compares with.
func TestScripts(t *testing.T) {
	t.Parallel()
	fixtures, err := filepath.Abs("../../../readers/testdata")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		ContinueOnError:     true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			env.Setenv("FIXTURES", fixtures)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "graphs": graphs, "cut": cut, "scorer": scorer, "holds": holds, "rows": rows, "sums": sums,
			"json": jsonValue, "record": runRecord, "narrow": narrow,
			"watcher": watcher, "port": port, "scrape": scrape, "collector": collector,
		},
	})
}

// exits CODE COMMAND...: the command ends with exactly that code, and speaks as every command must.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var failed *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &failed):
		got = failed.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, expected %d", got, want)
	}
	checkSpeech(ts, want, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
}

// forbidden is what no user may see: traces of Go, of gRPC, of values that were not there.
var forbidden = regexp.MustCompile(`(?i)panic:|goroutine|runtime error|stack trace|\.go:\d+|rpc error|%!|<nil>|traceback`)

// source is a line of a job file under an error, or the caret below it.
var source = regexp.MustCompile(`^(>?\s*\d+ \||\s*\^)`)

// checkSpeech holds the streams of a command against what is promised of all of them: one sentence an error, its
// log in whole lines, no traces.
func checkSpeech(ts *testscript.TestScript, code int, stdout, stderr string) {
	for name, text := range map[string]string{"stdout": stdout, "stderr": stderr} {
		if found := forbidden.FindString(text); found != "" {
			ts.Fatalf("%s has %q", name, found)
		}
	}
	mistakes := 0
	for line := range strings.Lines(stderr) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "graphscore: error: "):
			mistakes++
		case strings.HasPrefix(line, "graphscore: "), strings.HasPrefix(line, "{"), strings.HasPrefix(line, "time="),
			mistakes == 1 && source.MatchString(line):
		default:
			ts.Fatalf("stderr has a line that is neither an error, a result nor a log: %q", line)
		}
	}
	outcome := code == exitDone || code == exitPartly || code == exitCheckFailed
	if mistakes > 1 || mistakes == 1 && outcome || mistakes == 0 && !outcome && code != exitNoInput {
		ts.Fatalf("%d errors on stderr for exit code %d", mistakes, code)
	}
}
