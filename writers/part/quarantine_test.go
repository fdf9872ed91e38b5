package part

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"graphscore/pipeline/display"
	"graphscore/pipeline/graph"
)

// An id commands no terminal that shows the file, and is read back as it was.
func TestQuarantineLineIsHarmless(t *testing.T) {
	t.Parallel()
	const id = "a\x1b[31m\a\r\x7f\u009b2J\u202eb"
	line := QuarantineLine("a", graph.Rejection{GraphID: id, Code: graph.TooLarge})
	var back quarantined
	if err := json.Unmarshal(line, &back); err != nil || back.GraphID != id || string(line) != display.Harmless(string(line)) {
		t.Errorf("%q, %v", line, err)
	}
}

func TestQuarantineReaderBroken(t *testing.T) {
	t.Parallel()
	line := string(QuarantineLine("a", graph.Rejection{GraphID: int64(1), Row: 7, Code: graph.TooLarge}))
	for name, c := range map[string]struct{ content, want string }{
		"none":         {"", "EOF"},
		"cut":          {line[:20], "line 1: it is cut short"},
		"no JSON":      {line + "hello\n", "line 2: it is not the JSON"},
		"twice":        {line + line, "line 2: its row 7 does not come after row 7"},
		"another file": {strings.ReplaceAll(line, `"a"`, `"b"`), `it is about "b"`},
		"no code":      {strings.ReplaceAll(line, "too_large", ""), "it has no code"},
		"fraction":     {strings.ReplaceAll(line, `"graph_id":1`, `"graph_id":1.5`), "graph_id is not an integer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			must(t, os.Mkdir(filepath.Join(dir, QuarantineDir), 0o777))
			must(t, os.WriteFile(filepath.Join(dir, QuarantineDir, "a.parquet.jsonl"), []byte(c.content), 0o666))
			q, err := OpenQuarantine(filepath.Join(dir, QuarantineName("a.parquet")), "a")
			must(t, err)
			defer q.Close()
			for err == nil {
				_, err = q.Next()
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Error(err)
			}
		})
	}
}
