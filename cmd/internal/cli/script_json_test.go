package cli

import (
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"graphscore/pipeline/exit"
)

// answers CODE COMMAND...: with --json and --log-format json the command ends with that code, every line on standard error
// is an object of a log, and standard output is one object on one line with that code and an error, which is "" for 0.
func answers(ts *testscript.TestScript, neg bool, args []string) {
	code := ended(ts, neg, slices.Concat(args, []string{"--json", "--log-format", "json"}))
	checkLog(ts, ts.ReadFile("stderr"))
	stdout := ts.ReadFile("stdout")
	if strings.Count(stdout, "\n") != 1 {
		ts.Fatalf("standard output is not one line: %s", stdout)
	}
	object := theObject(ts, stdout)
	if got := object["code"]; got != float64(code) {
		ts.Fatalf("code is %v, and the process ended with %d", got, code)
	}
	later, _ := object["exit_code"].(float64) // of a run that plan foresees
	if got, is := object["error"].(string); !is || (got == "") != (code == exit.Done && later == exit.Done) {
		ts.Fatalf("error is %#v for code %d", object["error"], code)
	}
}

// logs CODE COMMAND...: with --log-format json the command ends with that code, and every line on standard error is an object
// of a log. An error of the process is one line, with its code.
func logs(ts *testscript.TestScript, neg bool, args []string) {
	ended(ts, neg, slices.Concat(args, []string{"--log-format", "json"}))
	checkLog(ts, ts.ReadFile("stderr"))
}

// ended runs a command that ends with the code before it.
func ended(ts *testscript.TestScript, neg bool, args []string) int {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: CODE COMMAND ...")
	}
	code, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := exitCode(ts, args[1], args[2:]...); got != code {
		ts.Fatalf("exit code %d, expected %d", got, code)
	}
	return code
}

// checkLog checks that every line is an object with a time, a level and a message.
func checkLog(ts *testscript.TestScript, stderr string) {
	for line := range strings.Lines(stderr) {
		object := theObject(ts, line)
		for _, key := range []string{"time", "level", "msg"} {
			if text, is := object[key].(string); !is || text == "" {
				ts.Fatalf("a line of the log has no %s: %s", key, line)
			}
		}
	}
}

// theObject is the one object that a text is.
func theObject(ts *testscript.TestScript, text string) map[string]any {
	var object map[string]any
	d := json.NewDecoder(strings.NewReader(text))
	if err := d.Decode(&object); err != nil {
		ts.Fatalf("no object: %v: %s", err, text)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		ts.Fatalf("more follows the object: %s", text)
	}
	return object
}
