package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"graphscore/jobs/jobtest"
	"graphscore/pipeline/pipelinetest/mutation"
)

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
