package local

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"graphscore/pipeline/graph"
	"graphscore/pipeline/pipelinetest"

	"github.com/google/go-cmp/cmp"
)

const goodConfig = `{"format": "graphscore/1", "name": "sum", "in_features": 2, "outputs": ["a", "b"]}`

func TestReadModel(t *testing.T) {
	t.Parallel()
	blobs := modelFolder(t, goodConfig)
	m, err := ReadModel(blobs)
	if err != nil {
		t.Fatal(err)
	}
	// The digest was worked out in Python, by the formula of the workers.
	want := &graph.Model{
		NoSteps: "layers of graphscore/1 have no names",
		Name:    "sum", InFeatures: 2, Outputs: []string{"a", "b"}, Inputs: graph.Inputs{Weights: true},
		Digest: "sha256:7eb1789bbb6979ddd0dc1e48383af7117ca1df5b8b4596588122cf6236958a94",
	}
	if d := cmp.Diff(want, m); d != "" {
		t.Error(d)
	}
	// As the cache of the Hugging Face hub keeps it: links out of the folder.
	dir := t.TempDir()
	for _, name := range []string{"config.json", "model.safetensors"} {
		if err := os.Symlink(filepath.Join(blobs, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if linked, err := ReadModel(dir); err != nil || linked.Digest != m.Digest {
		t.Errorf("%+v, %v", linked, err)
	}
}

func modelFolder(t *testing.T, config string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"config.json": config, "model.safetensors": safetensors("{}", 0)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// safetensors is a file with a header and so many bytes of values.
func safetensors(header string, data int) string {
	return string(binary.LittleEndian.AppendUint64(nil, uint64(len(header)))) + header + strings.Repeat("\x00", data)
}

func TestReadModelFails(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, config string
		spoil        func(dir string) error
		want         string
	}{
		{"no folder", goodConfig, os.RemoveAll, "it is not a folder with config.json and model.safetensors"},
		{"no config", goodConfig, func(dir string) error { return os.Remove(filepath.Join(dir, "config.json")) }, "config.json does not exist"},
		{"no weights", goodConfig, func(dir string) error { return os.Remove(filepath.Join(dir, "model.safetensors")) }, "model.safetensors does not exist"},
		{"a pipe", goodConfig, func(dir string) error {
			name := filepath.Join(dir, "model.safetensors")
			return errors.Join(os.Remove(name), pipelinetest.Fifo(name))
		}, "model.safetensors cannot be read: it is not a file"},
		{"of transformers", `{"architectures": ["BertModel"], "model_type": "bert"}`, nothing, "config.json: it is the configuration of another program (it has the key model_type), not of a model for graphscore: graphscore/1 needs the keys format, name, in_features, outputs and layers"},
		{"of PyG", `{"in_channels": 3, "hidden_channels": 16, "num_layers": 2}`, nothing, "(it has the key in_channels)"},
		{"no JSON", "{", nothing, "it does not say what a model is"},
		{"another type", `{"in_features": "2"}`, nothing, "it does not say what a model is"},
		{"no width", `{"outputs": ["a"]}`, nothing, "in_features is 0"},
		{"no outputs", `{"in_features": 2}`, nothing, "outputs has 0 names"},
		{"twice", `{"in_features": 2, "outputs": ["a", "a"]}`, nothing, `outputs[1]: "a" is empty, there twice`},
		{"an id", `{"in_features": 2, "outputs": ["graph_id"]}`, nothing, `outputs[0]: "graph_id"`},
		{"huge", strings.Repeat(" ", maxConfig+1), nothing, "it is larger than 1 MiB"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := modelFolder(t, tc.config)
			if err := tc.spoil(dir); err != nil {
				t.Fatal(err)
			}
			_, err := ReadModel(dir)
			var model *ModelError
			if !errors.As(err, &model) || model.Model != dir || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v does not say %q", err, tc.want)
			}
		})
	}
}

func nothing(string) error { return nil }

// A file where a folder is wanted says which folder, and nothing is unpickled.
func TestReadModelOfAFile(t *testing.T) {
	t.Parallel()
	dir := modelFolder(t, goodConfig)
	for name, want := range map[string]string{
		"model.safetensors": "it is not a folder with config.json and model.safetensors: name " + dir,
		"config.json":       "it is not a folder with config.json and model.safetensors: name " + dir,
		"gcn.pt":            `nothing is unpickled here: convert it with safetensors.torch.save_file(torch.load("gcn.pt", weights_only=True), "model.safetensors")`,
		"gcn.pkl":           "nothing is unpickled here",
		"best.ckpt":         "a model of chemprop with python -m graphscore export chemprop best.ckpt --out FOLDER",
		"README.md":         "it is not a folder with config.json and model.safetensors",
	} {
		path := filepath.Join(dir, name)
		f, err := os.OpenFile(path, os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadModel(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
