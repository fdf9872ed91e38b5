//go:build e2e

package e2e

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
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
