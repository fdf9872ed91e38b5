package cli

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"graphscore/jobs/run"
	"graphscore/pipeline/exit"
	"graphscore/pipeline/pipelinetest"
	"graphscore/writers/record"
)

func TestMain(m *testing.M) {
	flag.Bool("update", false, "write what commands print into the golden files, and into those that scripts compare with")
	testscript.Main(leakless{m}, map[string]func(){
		"graphscore": func() {
			expected := []goleak.Option{goleak.IgnoreCurrent()}
			if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" { // OpenTelemetry keeps its connections, and has no way to close them
				expected = append(expected, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
					goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
			}
			code := mainAt(os.Getenv(clockVariable))
			if err := goleak.Find(expected...); err != nil {
				fmt.Fprintln(os.Stderr, "left behind:", err)
				code = 99
			}
			os.Exit(code)
		},
	})
}

// clockVariable has the time at which the clock of graphscore stays in a script, in RFC 3339; that of the machine where it is
// empty.
const clockVariable = "CLOCK"

// mainAt is Main with a clock.
func mainAt(clock string) int {
	if clock == "" {
		return Main(os.Args[1:], os.Stdout, os.Stderr)
	}
	now, err := time.Parse(time.RFC3339, clock)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 98
	}
	e := newEnv(os.Args[1:], os.Stdout, os.Stderr)
	run.RedirectGRPCLog(grpcErrors{e}) // as Main does
	e.start, e.now = now, func() time.Time { return now }
	return e.main()
}

// leakless fails where the tests, or the servers that they started, leave a goroutine behind.
type leakless struct{ m *testing.M }

func (l leakless) Run() int {
	// Scripts have sockets in their folders, and compare the width of lines with paths. testscript takes GOTMPDIR first.
	short := pipelinetest.ShortTempDir(len("/var/tmp"))
	if err := errors.Join(os.Setenv("TMPDIR", short), os.Setenv("GOTMPDIR", short)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
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
//	agree CODE ARGS...             weights FILE [TENSOR...]
//	exits CODE COMMAND...          shows CODE COMMAND...          graphs FILE COUNT [options]
//	scorer NAME [options]          holds DIR                      watcher NAME FILE [options]
//	rows FILE                      sums DIR                       cut FILE BYTES           narrow FILE
//	json FILE KEY.KEY WANT         record FILE                    port NAME
//	scrape URL FILE PATTERN        collector NAME FILE
//	at TIME CODE ARGS...           evening AFTER JOB:ALERT...    dawn                     held DIR at|CODE ...
//	answers CODE COMMAND...        logs CODE COMMAND...
//
// The variable CLOCK stops the clock of a script's commands at a time: a script whose dates count from today sets it, or
// midnight may pass in it.
//
// Scripts say what happens: exit codes, files, keys of JSON. What is printed is in testdata/golden, a file a command,
// see goldens; the flag -update writes those files, and the ones that cmp compares with.
func TestScripts(t *testing.T) {
	t.Parallel()
	fixtures, err := filepath.Abs("../../../readers/testdata")
	if err != nil {
		t.Fatal(err)
	}
	update := flag.Lookup("update").Value.(flag.Getter).Get().(bool)
	golden, err := openGoldens("testdata/golden", update)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { golden.finish(t) })
	older, err := filepath.Abs("testdata/older") // made by bfb954a
	if err != nil {
		t.Fatal(err)
	}
	molecules, err := filepath.Abs("../../../jobs/examples/molecules")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		ContinueOnError:     true,
		UpdateScripts:       update,
		Setup: func(env *testscript.Env) error {
			env.Setenv("FIXTURES", fixtures)
			env.Setenv("EXAMPLE", molecules)
			env.Setenv("OLDER", older)
			env.Setenv("GORACE", os.Getenv("GORACE"))
			env.Values[nightsKey{}] = &nights{}
			golden.setup(env, strings.TrimPrefix(filepath.Base(env.WorkDir), "script-"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"agree": agree, "foresees": foresees, "answers": answers, "logs": logs, "exits": exits, "shows": shows, "graphs": graphs, "weights": weights, "cut": cut, "scorer": scorer, "holds": holds, "rows": rows, "sums": sums,
			"json": jsonValue, "record": runRecord, "narrow": narrow,
			"at": at, "evening": evening, "dawn": dawn, "held": held,
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
	if got := exitCode(ts, args[1], args[2:]...); got != want {
		ts.Fatalf("exit code %d, expected %d", got, want)
	}
	checkSpeech(ts, want, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
}

// exitCode runs a command and returns its exit code.
func exitCode(ts *testscript.TestScript, command string, args ...string) int {
	var failed *exec.ExitError
	switch err := ts.Exec(command, args...); {
	case errors.As(err, &failed):
		return failed.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	return 0
}

// agree CODE ARGS...: run ends with CODE over a job, and before it doctor does too, and plan, unless such a run begins
// to score: then plan ends with 0. CODE may be "same": then it is that of plan.
func agree(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: agree CODE ARGS ...")
	}
	if args[0] == "same" {
		code := exitCode(ts, "graphscore", append([]string{"plan"}, args[1:]...)...)
		args = append([]string{strconv.Itoa(code)}, args[1:]...)
	}
	code, err := strconv.Atoi(args[0])
	ts.Check(err)
	foreseen := args[0]
	if exit.Ended(code) {
		foreseen = strconv.Itoa(exit.Done)
	}
	exits(ts, false, append([]string{foreseen, "graphscore", "plan"}, args[1:]...))
	exits(ts, false, append([]string{args[0], "graphscore", "doctor"}, args[1:]...))
	exits(ts, false, append([]string{args[0], "graphscore", "run"}, args[1:]...))
}

// foresees CODE ARGS...: backfill ends with CODE over a job, and every date with the code and the message that a dry run
// had for it just before.
func foresees(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: foresees CODE ARGS ...")
	}
	command := append([]string{args[0], "graphscore", "backfill", "--json"}, args[1:]...)
	var dry, real record.Backfill
	exits(ts, false, append(command, "--dry-run"))
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &dry))
	exits(ts, false, command)
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &real))
	for i := range dry.Dates {
		foreseen, ended := &dry.Dates[i], &real.Dates[i]
		if foreseen.Outcome == record.DateWouldRun {
			foreseen.Outcome = record.DateScored
		}
		if foreseen.Outcome != ended.Outcome || foreseen.ExitCode != ended.ExitCode || foreseen.Error != ended.Error {
			ts.Fatalf("%s: foreseen %s, %d %q; it was %s, %d %q", ended.Date, foreseen.Outcome, foreseen.ExitCode, foreseen.Error,
				ended.Outcome, ended.ExitCode, ended.Error)
		}
	}
}

// forbidden is what no user may see: traces of Go, of gRPC, of values that were not there.
var forbidden = regexp.MustCompile(`(?i)panic:|goroutine|runtime error|stack trace|\.go:\d+|rpc error|%!|<nil>|traceback`)

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
	outcome := code == exit.Done || code == exit.Partly || code == exit.CheckFailed
	if mistakes > 1 || mistakes == 1 && outcome || mistakes == 0 && !outcome && code != exit.NoInput {
		ts.Fatalf("%d errors on stderr for exit code %d", mistakes, code)
	}
}
