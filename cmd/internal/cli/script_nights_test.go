package cli

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/tools/txtar"

	"graphscore/writers"
)

// nightsFile is what the nights of testdata/script/nights.txtar leave in textfiles, and which alerts are to fire then.
// The tests of jobs/deploy ask promtool whether they do.
const nightsFile = "../../../jobs/deploy/testdata/nights.txtar"

// measured are metrics of the machine, or of a clock that does not stay.
var measured = regexp.MustCompile(`_memory_bytes|_startup_seconds`)

// nightsKey is where a script keeps its nights.
type nightsKey struct{}

// nights are those of one script.
type nights struct {
	now      time.Time // of the last command
	evenings txtar.Archive
}

func nightsOf(ts *testscript.TestScript) *nights { return ts.Value(nightsKey{}).(*nights) }

// at TIME CODE ARGS...: graphscore, run with a clock that stays at TIME, in RFC 3339, ends with CODE. It runs in the
// process of the test, so that paths must be absolute.
func at(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: at TIME CODE ARGS ...")
	}
	now, err := time.Parse(time.RFC3339, args[0])
	ts.Check(err)
	nightsOf(ts).now = now
	e := newEnv(args[2:], ts.Stdout(), ts.Stderr())
	e.start, e.now = now, func() time.Time { return now }
	if code := strconv.Itoa(e.main()); code != args[1] {
		ts.Fatalf("exit code %s, expected %s", code, args[1])
	}
}

// evening AFTER JOB:ALERT...: so long after the last command exactly these alerts are to fire, on what lies in prom.
func evening(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: evening AFTER JOB:ALERT ...")
	}
	n := nightsOf(ts)
	after, err := time.ParseDuration(args[0])
	ts.Check(err)
	files, err := filepath.Glob(ts.MkAbs("prom/*.prom"))
	ts.Check(err)
	var b strings.Builder
	fmt.Fprintf(&b, "# firing after %s: %s\n", after, strings.Join(slices.Sorted(slices.Values(args[1:])), " "))
	for _, file := range files {
		for line := range strings.Lines(ts.ReadFile(file)) {
			if !strings.HasPrefix(line, "#") && !measured.MatchString(line) {
				b.WriteString(strings.ReplaceAll(line, ts.Getenv("WORK"), "/work"))
			}
		}
	}
	n.evenings.Files = append(n.evenings.Files, txtar.File{Name: n.now.Format(time.RFC3339), Data: []byte(b.String())})
}

// dawn ends the nights: what they left is as the file says that the alerts are tested with.
func dawn(ts *testscript.TestScript, _ bool, _ []string) {
	got := txtar.Format(&nightsOf(ts).evenings)
	if flag.Lookup("update").Value.(flag.Getter).Get().(bool) {
		ts.Check(os.WriteFile(nightsFile, got, 0o666))
		return
	}
	want, err := os.ReadFile(nightsFile)
	ts.Check(err)
	if string(want) != string(got) {
		ts.Fatalf("the nights left other metrics than %s has: see them with -update", nightsFile)
	}
}

// held DIR CODE COMMAND...: the command ends with CODE while another run holds the output.
func held(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: held DIR CODE COMMAND ...")
	}
	o, err := writers.Open(context.Background(), writers.Config{
		Dir: ts.MkAbs(args[0]), RunID: "20260102T030405Z-00000001", Version: "test",
	})
	ts.Check(err)
	if args[1] == "at" {
		at(ts, false, args[2:])
	} else {
		exits(ts, false, args[1:])
	}
	ts.Check(o.Close())
}
