package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"graphscore/jobs/jobtest"
	"graphscore/pipeline/exit"
	"graphscore/pipeline/pipelinetest/mutation"
)

// full is a stream on a device without space.
type full struct{}

// Write implements io.Writer.
func (full) Write([]byte) (int, error) {
	return 0, &fs.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.ENOSPC}
}

// A command whose result cannot be written ends with an error, whatever prints it.
func TestResultsThatNobodyGets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := jobtest.NewGraphs().WriteFile(filepath.Join(dir, "in", "a.parquet"), 2); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"--help"}, {"run", "--help"}, {"version"}, {"inspect", filepath.Join(dir, "in")}, {"inspect", filepath.Join(dir, "in"), "--json"}, {"completion", "bash"},
	} {
		var errs bytes.Buffer
		if code := newEnv(args, full{}, &errs).main(); code != exit.IO || !strings.Contains(errs.String(), "no space left on device") {
			t.Errorf("%q ends with %d: %s", args, code, &errs)
		}
	}
}

// An argument that is empty, as of "$UNSET" in a script, is wrong usage of every command.
func TestEmptyArguments(t *testing.T) {
	t.Parallel()
	for _, command := range []string{
		"backfill", "diff", "doctor", "finish", "inspect", "plan", "quarantine", "report", "run", "status", "submit", "validate", "verify",
	} {
		var out, errs bytes.Buffer
		args := []string{command, ""}
		if command == "diff" {
			args = append(args, "out")
		}
		if code := newEnv(args, &out, &errs).main(); code != exit.Usage {
			t.Errorf("%s ends with %d: %s", command, code, &errs)
		}
	}
}

// Whatever a file is called, and whatever is in it: no command prints what a terminal could take as a command, and what is
// JSON stays so, with the name in it.
func TestNamesAreHarmless(t *testing.T) {
	t.Parallel()
	for what, hostile := range map[string]string{
		"escape": "\x1b[31m", "bell": "\a", "carriage return": "\r", "delete": "\x7f", "C1": "\u009b2J", "override": "\u202e", "isolate": "\u2066",
		"line separator": "\u2028", "newline": "\ngraphscore: error: forged",
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir, name := t.TempDir(), "a"+hostile+"b"
			graphs := jobtest.NewGraphs()
			graphs.Features = "node_feat" + hostile
			write := func(path string) {
				if err := graphs.WriteFile(filepath.Join(dir, path), 2); err != nil {
					t.Fatal(err)
				}
			}
			write("columns/a.parquet")
			graphs.Features = "node_feat"
			graphs.Bad[0] = "nan"
			write("files/" + name + ".parquet")
			write(name + "/a.parquet")
			key, _ := json.Marshal(name)
			for file, content := range map[string]string{
				"key.yaml":           fmt.Sprintf("input: {path: files}\n%s: 1\n", key),
				"value.yaml":         fmt.Sprintf("name: %s\ninput: {path: %s}\noutput: {path: %s}\nmodel: {path: model}\n", key, key, key),
				"raw.yaml":           "name: \"" + name + "\"\ninput: {path: files}\noutput: {path: out}\nmodel: {path: model}\n",
				"plan.json":          "{\"format\":\"graphscore-plan/" + name + "\"}",
				"model/config.json":  fmt.Sprintf(`{"format":"graphscore/1","name":%[1]s,"in_features":2,"outputs":[%[1]s],"layers":[],%[1]s:1}`, key),
				"other/config.json":  fmt.Sprintf(`{"format":"graphscore/2","level":%s}`, key),
				"broken/config.json": name,
			} {
				if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			in := func(file string) string { return filepath.Join(dir, file) }
			for _, args := range [][]string{
				{"inspect", in("columns")}, {"inspect", in("files")}, {"inspect", in(name)}, {"validate", in("key.yaml")}, {"plan", in("key.yaml")},
				{"validate", in("value.yaml")}, {"plan", in("value.yaml")}, {"status", in("value.yaml")}, {"plan", in("raw.yaml")},
				{"report", in(name)}, {"quarantine", in(name)}, {"diff", in(name), in("files")}, {"run", in("raw.yaml"), "--plan", in("plan.json")},
				{"plan", in("value.yaml"), "--input", in("files"), "--model", in("model"), "--output", in("out")},
				{"plan", in("value.yaml"), "--input", in("files"), "--model", in("other"), "--output", in("out")},
				{"plan", in("value.yaml"), "--input", in("files"), "--model", in("broken"), "--output", in("out")},
				{name}, {"plan", name}, {"plan", "--" + name}, {"run", "--log-format", name},
			} {
				for _, more := range [][]string{nil, {"--json"}, {"--log-format", "text"}, {"--log-format", "json"}} {
					var out, errs bytes.Buffer
					newEnv(append(args, more...), &out, &errs).main()
					for stream, text := range map[string]string{"standard output": out.String(), "standard error": errs.String()} {
						if fault := mutation.Text(text); fault != "" {
							t.Errorf("%q: %s: %s", append(args, more...), stream, fault)
						}
						if strings.Contains("\n"+text, "\ngraphscore: error: forged") {
							t.Errorf("%q: %s has a line that is not of graphscore: %q", append(args, more...), stream, text)
						}
					}
					if len(more) == 1 && !json.Valid(out.Bytes()) {
						t.Errorf("%q: no JSON: %q", append(args, more...), &out)
					}
				}
			}
		})
	}
}
