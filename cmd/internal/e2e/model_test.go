//go:build e2e

package e2e

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"graphscore/pipeline/remote/remotetest"
)

// layers makes a GCN of random weights, the same every time: relu between the layers, nothing after the last.
func layers(widths ...int) []remotetest.Layer {
	random := rand.New(rand.NewPCG(1, 2))
	out := make([]remotetest.Layer, len(widths)-1)
	value := func() float64 { return float64(float32(random.NormFloat64() / 4)) }
	for i := range out {
		for range widths[i+1] {
			row := make([]float64, widths[i])
			for j := range row {
				row[j] = value()
			}
			out[i].Weight, out[i].Bias = append(out[i].Weight, row), append(out[i].Bias, value())
		}
		out[i].ReLU = i+1 < len(out)
	}
	return out
}

// writeModel writes a model folder, and gives it.
func writeModel(t *testing.T, folder string, layers []remotetest.Layer) string {
	t.Helper()
	type tensor struct {
		Type    string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
	}
	head, data := map[string]tensor{}, new(bytes.Buffer)
	add := func(name string, shape []int, rows ...[]float64) {
		from := data.Len()
		for _, row := range rows {
			for _, v := range row {
				_ = binary.Write(data, binary.LittleEndian, math.Float32bits(float32(v))) // a buffer takes all
			}
		}
		head[name] = tensor{"F32", shape, [2]int{from, data.Len()}}
	}
	var specs []map[string]string
	for i, l := range layers {
		weight, bias, activation := fmt.Sprintf("convs.%d.lin.weight", i), fmt.Sprintf("convs.%d.bias", i), "none"
		if l.ReLU {
			activation = "relu"
		}
		add(weight, []int{len(l.Weight), len(l.Weight[0])}, l.Weight...)
		add(bias, []int{len(l.Bias)}, l.Bias)
		specs = append(specs, map[string]string{"type": "gcn", "weight": weight, "bias": bias, "activation": activation})
	}
	header, err := json.Marshal(head)
	if err != nil {
		t.Fatal(err)
	}
	size := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	write(t, filepath.Join(folder, "model.safetensors"), string(size)+string(header)+data.String())
	config, err := json.Marshal(map[string]any{
		"format": "graphscore/1", "name": "test", "in_features": len(layers[0].Weight[0]), "outputs": outputs(layers), "layers": specs,
	})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(folder, "config.json"), string(config))
	return folder
}

func outputs(layers []remotetest.Layer) []string {
	names := []string{"score"}
	for i := 1; i < len(layers[len(layers)-1].Weight); i++ {
		names = append(names, fmt.Sprintf("score%d", i))
	}
	return names
}

// addTensors adds vectors of ones to the weights of a model, which its config.json does not name.
func addTensors(t *testing.T, folder string, width int, names ...string) {
	t.Helper()
	path := filepath.Join(folder, "model.safetensors")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	end := 8 + binary.LittleEndian.Uint64(content)
	head, data := map[string]any{}, content[end:]
	if err := json.Unmarshal(content[8:end], &head); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		from := len(data)
		for range width {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(1))
		}
		head[name] = map[string]any{"dtype": "F32", "shape": []int{width}, "data_offsets": []int{from, len(data)}}
	}
	header, err := json.Marshal(head)
	if err != nil {
		t.Fatal(err)
	}
	size := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	write(t, path, string(size)+string(header)+string(data))
}

// TestModelsThatScoreWrongly: plan, doctor and run refuse a model that would score, but not as it was trained, or
// that no machine could read. Nothing is written.
func TestModelsThatScoreWrongly(t *testing.T) {
	t.Parallel()
	norm := []string{"norms.0.module.bias", "norms.0.module.running_mean", "norms.0.module.running_var", "norms.0.module.weight"}
	for _, test := range []struct {
		name, says string
		make       func(t *testing.T, folder string)
	}{
		{
			"a BatchNorm without a layer", "no layer uses 4 tensors: " + strings.Join(norm, ", ") + "; norms.0.module.running_mean looks like a BatchNorm",
			func(t *testing.T, folder string) { addTensors(t, writeModel(t, folder, layers(16, 8, 1)), 8, norm...) },
		},
		{"a terabyte", "bytes, the file has 1099511627776; save it again", func(t *testing.T, folder string) {
			writeModel(t, folder, layers(16, 8, 1))
			if err := os.Truncate(filepath.Join(folder, "model.safetensors"), 1<<40); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			model, output := filepath.Join(folder, "model"), filepath.Join(folder, "out")
			test.make(t, model)
			for _, command := range []string{"plan", "doctor", "run"} {
				o := run(t, 65, command, "--input", absolute(t, example+"/data"), "--output", output, "--model", model)
				if said := strings.Join(strings.Fields(o.stdout+o.stderr), " "); !strings.Contains(said, test.says) {
					t.Errorf("%s says %q", command, said)
				}
			}
			same(t, sums(t, output), nil)
		})
	}
}

// TestIgnoredTensors: what config.json says no score depends on changes no score, and the counter of a BatchNorm passes.
func TestIgnoredTensors(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	model := writeModel(t, filepath.Join(folder, "model"), layers(16, 8, 1))
	addTensors(t, model, 3, "scaler", "norms.0.num_batches_tracked")
	path := filepath.Join(model, "config.json")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, strings.Replace(string(content), "{", `{"ignored":["scaler"],`, 1))
	run(t, 0, "run", "--input", absolute(t, example+"/data"), "--output", filepath.Join(folder, "out"), "--model", model)
}
