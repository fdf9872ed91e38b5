package local

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"graphscore/pipeline/graph"
)

const stepsConfig = `{"format": "graphscore/2", "name": "bonds", "level": "edge",
 "inputs": {"x": 9, "edge_attr": 3, "edge_type": 4, "graph_attr": 0, "edge_weight": false},
 "outputs": ["a", "b"], "weights": ["one.safetensors", "two.safetensors"], "ignored": ["scaler"], "std": true,
 "steps": [{"name": "h", "op": "linear", "inputs": ["x"], "weight": "lin.weight", "tables": ["t.0", "t.1"]}]}`

// stepsFolder is a model of steps with so many files of weights of the same tensors.
func stepsFolder(t testing.TB, config string, tensors ...string) string {
	t.Helper()
	dir := t.TempDir()
	weights := safetensors(header(tensors...), 4*len(tensors))
	for name, content := range map[string]string{"config.json": config, "one.safetensors": weights, "two.safetensors": weights} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestReadModelOfSteps(t *testing.T) {
	t.Parallel()
	dir := stepsFolder(t, stepsConfig, "lin.weight", "t.0", "t.1", "scaler")
	m, err := ReadModel(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := &graph.Model{
		NoSteps: "it has 2 files of weights, each with its own values of a step; take a folder with one of them",
		Name:    "bonds", InFeatures: 9, Level: graph.EdgeLevel, Inputs: graph.Inputs{EdgeWidth: 3, EdgeTypes: 4},
		Outputs: []string{"a", "b", "a_std", "b_std"},
		// Worked out in Python, by the formula of the workers.
		Digest: "sha256:0d900467125d917d6a31f3628bc15bca1f6345c5e4521eb868d8ce6519f2e7d6",
	}
	if d := cmp.Diff(want, m); d != "" {
		t.Error(d)
	}
	if read, err := ReadHeader(dir); err != nil || read.Level != graph.EdgeLevel || read.Digest != "" {
		t.Errorf("ReadHeader = %+v, %v", read, err)
	}
}

// Edge weights that a model of steps reads are needed; those of layers may be absent.
func TestReadModelNeedsWeights(t *testing.T) {
	t.Parallel()
	reads := strings.Replace(stepsConfig, `"edge_weight": false`, `"edge_weight": true`, 1)
	m, err := ReadModel(stepsFolder(t, reads, "lin.weight", "t.0", "t.1", "scaler"))
	if err != nil || !m.Inputs.Weights || !m.Inputs.NeedWeights {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestReadModelOfStepsFails(t *testing.T) {
	t.Parallel()
	all := []string{"lin.weight", "t.0", "t.1", "scaler"}
	for _, tc := range []struct {
		name, old, with string
		tensors         []string
		want            string
	}{
		{"no level", `"level": "edge",`, "", all, "config.json: level is missing: node, edge or graph"},
		{"another level", `"edge",`, `"pair",`, all, `config.json: level is "pair", known are node, edge and graph`},
		{"no features", `"x": 9`, `"x": 0`, all, "config.json: inputs: x is 0, it must be from 1 to 2147483647"},
		{"negative", `"edge_attr": 3`, `"edge_attr": -3`, all, "config.json: inputs: edge_attr is -3"},
		{"huge", `"edge_type": 4`, `"edge_type": 4294967296`, all, "config.json: inputs: edge_type is 4294967296"},
		{"no outputs", `["a", "b"]`, `[]`, all, "config.json: outputs has no names"},
		{"an id", `"b"]`, `"source"]`, all, `config.json: outputs[1]: "source" is empty, there twice, or the name of an id column`},
		{"meets a deviation", `"b"]`, `"a_std"]`, all, `config.json: outputs[2]: "a_std"`},
		{"no weights", `["one.safetensors", "two.safetensors"]`, `[]`, all, "config.json: weights names no file"},
		{"no ensemble", `, "two.safetensors"`, "", all, "config.json: std is true, but weights names one file"},
		{"twice", `"two.safetensors"`, `"one.safetensors"`, all, "config.json: weights[1]: one.safetensors must be the name of another .safetensors file of the folder"},
		{"out of the folder", `"two.safetensors"`, `"../two.safetensors"`, all, "config.json: weights[1]: ../two.safetensors must be"},
		{"a pickle", `"two.safetensors"`, `"model.bin"`, all, "config.json: weights[1]: model.bin must be"},
		{"many types", `"edge_type": 4`, `"edge_type": 16777217`, all, "config.json: inputs: edge_type is 16777217, it must be from 0 to 16777216"},
		{"absent", `"two.safetensors"`, `"three.safetensors"`, all, "three.safetensors does not exist"},
		{"a tensor too many", "", "", append(all, "bias"), "one.safetensors: no step uses tensor bias; scores would be wrong without what the model was trained with: describe it in steps, or name it in ignored"},
		{"not ignored", `"scaler"`, `"scales"`, all, "one.safetensors: no tensor 'scales' (ignored); the file has lin.weight, scaler, t.0, t.1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := stepsFolder(t, strings.Replace(stepsConfig, tc.old, tc.with, 1), tc.tensors...)
			if _, err := ReadModel(dir); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v does not say %q", err, tc.want)
			}
		})
	}
}

// Of one file of weights, the names of the steps are known; what they are, workers say.
func TestNamesOfSteps(t *testing.T) {
	t.Parallel()
	config := strings.NewReplacer(`, "two.safetensors"`, "", `"std": true`, `"std": false`).Replace(stepsConfig)
	h, err := parseConfig([]byte(config))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]graph.Step{{Name: "h"}}, h.model.Steps); d != "" || h.model.NoSteps != "" {
		t.Errorf("%s %q", d, h.model.NoSteps)
	}
}
