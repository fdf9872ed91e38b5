//go:build e2e

package e2e

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/parquet/file"

	"graphscore/pipeline/faulttest"
)

// A bad graph among many goes to quarantine; the rows of all others are those of a run without it.
func TestBadGraphs(t *testing.T) {
	t.Parallel()
	folder, model := t.TempDir(), absolute(t, example+"/model")
	clean := copyFile(t, example+"/data/held-back.parquet", filepath.Join(folder, "clean", "a.parquet"))
	spoiled := filepath.Join(folder, "spoiled", "a.parquet")
	if err := os.Mkdir(filepath.Dir(spoiled), 0o777); err != nil {
		t.Fatal(err)
	}
	python(t, "spoil.py", clean, spoiled, "0=nan", "400=edge", "401=width", "402=count", "700=null", "701=huge", "998=nan")
	run(t, 0, "run", "--input", clean, "--output", filepath.Join(folder, "clean-out"), "--model", model)
	run(t, 3, "run", "--input", spoiled, "--output", filepath.Join(folder, "out"), "--model", model)

	want := map[int64]string{
		0: "non_finite_feature", 400: "edge_out_of_range", 401: "feature_width", 402: "node_count", 700: "null_value",
		701: "non_finite_score", 998: "non_finite_feature",
	}
	lines, err := os.ReadFile(filepath.Join(folder, "out", "_quarantine", "a.parquet.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var before int64 = -1
	gone := map[string]bool{}
	for line := range strings.Lines(string(lines)) {
		var entry struct {
			GraphID      *string `json:"graph_id"`
			File, Code   string
			RowGroup     *int `json:"row_group"`
			Row          int64
			Message      string
			Nodes, Edges *int64
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		if want[entry.Row] != entry.Code || entry.Row <= before || entry.File != "a.parquet" || entry.Message == "" || entry.RowGroup == nil || entry.Nodes == nil || entry.Edges == nil {
			t.Errorf("quarantine has %s", line)
		}
		if entry.GraphID != nil {
			gone[*entry.GraphID] = true
		}
		before = entry.Row
		delete(want, entry.Row)
	}
	if len(want) > 0 || len(gone) != 6 {
		t.Errorf("quarantine lacks %v and names %v", want, gone)
	}

	all, got := readScores(t, filepath.Join(folder, "clean-out", "a.parquet"), "charge"), readScores(t, filepath.Join(folder, "out", "a.parquet"), "charge")
	missing := map[string]bool{}
	for key, score := range all {
		if now, there := got[key]; !there {
			missing[key.graph] = true
		} else if math.Float32bits(now) != math.Float32bits(score) {
			t.Errorf("%v has score %v beside bad graphs, %v without", key, now, score)
		}
	}
	if len(missing) != 7 {
		t.Errorf("%d graphs have no scores, expected 7", len(missing))
	}
	for id := range gone {
		if !missing[id] {
			t.Errorf("graph %s is in quarantine and has scores", id)
		}
	}
	reportBad(t, folder, gone, missing)
}

// reportBad reports what [TestBadGraphs] compared.
func reportBad(t *testing.T, folder string, gone, missing map[string]bool) {
	t.Helper()
	graphs, found := graphsOf(t, filepath.Join(folder, "clean-out")), graphsOf(t, filepath.Join(folder, "out"))
	for id := range missing {
		if !gone[id] { // that which lost its id: quarantine has none for it
			found[id] += found["<nil>"]
			delete(found, "<nil>")
		}
	}
	tally, outcome := faulttest.Compare(found, graphs), "3, in quarantine with a code each, the scores of all others equal to the bit"
	faulttest.Report(t, faulttest.Row{Case: "17", How: "seven of 1,000 real molecules: NaN, null, another width or count, an edge that names no node, features near the largest float",
		Outcome: outcome, Times: 7, Tally: tally})
	faulttest.Report(t, faulttest.Row{Case: "11b", How: "features near the largest float, of which a real model makes scores that are not finite, among 1,000 molecules",
		Outcome: outcome, Times: 1, Tally: tally})
}

// A file that is damaged, behind a footer that is whole, among others.
func TestBadFile(t *testing.T) {
	t.Parallel()
	folder, model := t.TempDir(), absolute(t, example+"/model")
	for _, name := range []string{"train-00000", "train-00001", "held-back"} {
		copyFile(t, example+"/data/"+name+".parquet", filepath.Join(folder, "in", name+".parquet"))
	}
	bad := filepath.Join(folder, "in", "train-00000.parquet")
	zero(t, bad, "node_feat.list.element.list.element")
	output := filepath.Join(folder, "out")
	o := run(t, 3, "run", "--input", filepath.Join(folder, "in"), "--output", output, "--model", model, "--json")
	r := o.record(t)
	if r.Counts.FilesRefused != 1 || len(r.Refused) != 1 || r.Refused[0].File != bad || r.Counts.Scored == 0 || r.Counts.RowsIn != r.Counts.Scored {
		t.Errorf("refused %v, counts %+v", r.Refused, r.Counts)
	}
	if !strings.Contains(o.stderr, "graphscore: refused: reading "+bad) {
		t.Errorf("stderr does not tell of %s:\n%s", bad, o.stderr)
	}
	if got := sums(t, output); len(got) != 2 {
		t.Errorf("there are %v, expected the two parts of the others", got)
	}
	if _, err := os.Stat(filepath.Join(output, "_SUCCESS")); err == nil {
		t.Error("there is _SUCCESS beside a refused file")
	}
	// Mended: only what is missing is done.
	copyFile(t, example+"/data/train-00000.parquet", bad)
	r = run(t, 0, "run", "--input", filepath.Join(folder, "in"), "--output", output, "--model", model, "--json").record(t)
	if r.Counts.ShardsSkipped != 2 || r.Counts.Scored == 0 {
		t.Errorf("counts %+v", r.Counts)
	}
}

// zero overwrites the middle of a column, in the last row group.
func zero(t *testing.T, path, column string) {
	t.Helper()
	f, err := file.OpenParquetFile(path, false)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	meta := f.MetaData()
	chunk, err := meta.RowGroup(f.NumRowGroups() - 1).ColumnChunk(meta.Schema.ColumnIndexByName(column))
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	size := chunk.TotalCompressedSize()
	middle := content[chunk.DataPageOffset()+size/3:]
	copy(middle, make([]byte, size/3))
	write(t, path, string(content))
}

// Model folders that cannot be served, and one that does not fit.
func TestBrokenModels(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		code int
		says string
		make func(t *testing.T, folder string)
	}{
		{"not there", 65, "does not exist", func(*testing.T, string) {}},
		{"a file", 65, "is not a folder", func(t *testing.T, folder string) { write(t, folder, "model") }},
		{"no weights", 65, "has no model.safetensors", func(t *testing.T, folder string) {
			copyFile(t, example+"/model/config.json", folder+"/config.json")
		}},
		{"a pickle", 65, "model.pt, which is never unpickled", func(t *testing.T, folder string) {
			copyFile(t, example+"/model/config.json", folder+"/config.json")
			write(t, folder+"/model.pt", "cos\nsystem\n(S'touch /tmp/pwned'\ntR.")
		}},
		{"an ONNX file whose tensors lie in ../../../etc/passwd", 65, "has no model.safetensors", func(t *testing.T, folder string) {
			copyFile(t, example+"/model/config.json", folder+"/config.json")
			write(t, folder+"/model.onnx", "\x08\x0a:0\n.B\x01wj\x27\n\x08location\x12\x1b../../../etc/passwd\x70\x01")
		}},
		{"no config", 65, "has no config.json", func(t *testing.T, folder string) {
			copyFile(t, example+"/model/model.safetensors", folder+"/model.safetensors")
		}},
		{"cut weights", 65, "is not a whole safetensors file", func(t *testing.T, folder string) {
			content, err := os.ReadFile(example + "/model/model.safetensors")
			if err != nil {
				t.Fatal(err)
			}
			copyFile(t, example+"/model/config.json", folder+"/config.json")
			write(t, folder+"/model.safetensors", string(content[:len(content)/2]))
		}},
		{"weights that are no numbers", 65, "not finite", func(t *testing.T, folder string) {
			broken := layers(16, 8, 1)
			broken[0].Weight[3][5] = math.NaN()
			writeModel(t, folder, broken)
		}},
		{"weights of in and out", 65, "its transpose would fit", func(t *testing.T, folder string) {
			turned := layers(8, 16) // 16 x 8: what a layer of 16 features and 8 outputs has, transposed
			turned[0].Bias = turned[0].Bias[:8]
			writeModel(t, folder, append(turned, layers(8, 1)...))
			config, err := os.ReadFile(filepath.Join(folder, "config.json"))
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(folder, "config.json"), strings.Replace(string(config), `"in_features":8`, `"in_features":16`, 1))
		}},
		{"layers that do not fit", 65, "returns 8", func(t *testing.T, folder string) {
			writeModel(t, folder, append(layers(16, 8), layers(9, 1)...))
		}},
		{"another width than the data", 78, "the model wants 5", func(t *testing.T, folder string) { writeModel(t, folder, layers(5, 8, 1)) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			model, output := filepath.Join(folder, "model"), filepath.Join(folder, "out")
			test.make(t, model)
			o := run(t, test.code, "run", "--input", absolute(t, example+"/data"), "--output", output, "--model", model, "--workers", "2")
			if said := o.sentence(t); !strings.Contains(said, test.says) || !strings.Contains(said, "model") {
				t.Errorf("it says %q", said)
			}
			same(t, sums(t, output), nil)
			if test.code == 65 {
				faulttest.Report(t, faulttest.Row{Case: "28", How: "a model folder: " + test.name, Outcome: "65 before anything is scored, nothing written", Times: 1})
			}
		})
	}
}

// An interpreter that cannot run workers.
func TestPythonIsMissing(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	empty := write(t, folder+"/python", "#!/bin/sh\nexec /bin/sh -c 'echo No module named graphscore >&2; exit 1'\n")
	if err := os.Chmod(empty, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, python := range []string{folder + "/absent", folder, empty} {
		o := run(t, 69, "run", "--input", absolute(t, example+"/data"), "--output", folder+"/out", "--model", absolute(t, example+"/model"), "--python", python)
		if said := o.sentence(t); !strings.Contains(said, python) || !strings.Contains(said, "make build") {
			t.Errorf("it says %q", said)
		}
	}
}
