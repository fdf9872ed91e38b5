package local

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"graphscore/pipeline/graph"
)

// The formats of config.json, and the file of weights that a model of the first has.
const (
	format1 = "graphscore/1"
	format2 = "graphscore/2"
	weights = "model.safetensors"
)

// modelConfig is what config.json says to a reader that does not compute.
type modelConfig struct {
	model graph.Model
	// unit is what a part of the model is called, "layer" or "step".
	unit string
	// weights are the files of weights, in order; ignored the tensors that no score depends on.
	weights, ignored []string
	// all is the whole configuration.
	all map[string]any
}

// ReadHeader reads config.json of a model folder: all of the model but its digest. Errors are *ModelError.
func ReadHeader(dir string) (*graph.Model, error) {
	h, _, err := configOf(dir)
	if err != nil {
		return nil, err
	}
	return &h.model, nil
}

// configOf reads config.json of a model folder, and returns its bytes as well. Errors are *ModelError.
func configOf(dir string) (*modelConfig, []byte, error) {
	content, err := readConfig(filepath.Join(dir, "config.json"))
	if err != nil {
		return nil, nil, unreadable(dir, "config.json", err)
	}
	h, err := parseConfig(content)
	if err != nil {
		return nil, nil, &ModelError{Model: dir, Message: "config.json: " + err.Error()}
	}
	return h, content, nil
}

// shortened is the message of an error, cut where it repeats a long value of the file.
func shortened(err error) string {
	const most = 200
	if text := []rune(err.Error()); len(text) > most {
		return string(text[:most]) + "..."
	}
	return err.Error()
}

// parseConfig reads the header of either format. Errors are the rest of a sentence that begins with "config.json: ".
func parseConfig(content []byte) (*modelConfig, error) {
	h := &modelConfig{}
	var c struct {
		Format     any      `json:"format"`
		Name       string   `json:"name"`
		InFeatures int      `json:"in_features"`
		Outputs    []string `json:"outputs"`
		Ignored    []string `json:"ignored"`
		Level      string   `json:"level"`
		Inputs     inputs   `json:"inputs"`
		Weights    []string `json:"weights"`
		Std        bool     `json:"std"`
	}
	err := json.Unmarshal(content, &h.all)
	if err == nil {
		err = json.Unmarshal(content, &c)
	}
	if err != nil {
		return nil, fmt.Errorf("it does not say what a model is: %s", shortened(err))
	}
	if key := foreignKey(h.all); key != "" {
		return nil, fmt.Errorf("it is the configuration of another program (it has the key %s), not of a model for graphscore: "+
			"graphscore/1 needs the keys format, name, in_features, outputs and layers", key)
	}
	h.ignored = c.Ignored
	if c.Format != format2 {
		h.unit, h.weights = "layer", []string{weights}
		h.model = graph.Model{Name: c.Name, InFeatures: c.InFeatures, Outputs: c.Outputs, Inputs: graph.Inputs{Weights: true}}
		h.model.NoSteps = "layers of graphscore/1 have no names"
		if c.InFeatures < 1 || len(c.Outputs) == 0 {
			return nil, fmt.Errorf("in_features is %d and outputs has %d names; both must be given", c.InFeatures, len(c.Outputs))
		}
		return h, h.checkOutputs()
	}
	level, err := graph.ParseLevel(c.Level)
	if err != nil {
		return nil, err
	}
	if c.Level == "" {
		return nil, errors.New("level is missing: node, edge or graph")
	}
	in, err := c.Inputs.inputs()
	if err != nil {
		return nil, err
	}
	if len(c.Outputs) == 0 {
		return nil, errors.New("outputs has no names")
	}
	h.unit, h.weights = "step", c.Weights
	h.model = graph.Model{Name: c.Name, InFeatures: c.Inputs.X, Level: level, Inputs: in, Outputs: c.Outputs}
	h.nameSteps()
	if c.Std && len(c.Weights) == 1 {
		return nil, errors.New("std is true, but weights names one file: one model has no deviation")
	}
	if c.Std {
		h.model.Outputs = slices.Clone(c.Outputs)
		for _, name := range c.Outputs {
			h.model.Outputs = append(h.model.Outputs, name+"_std")
		}
	}
	return h, cmp.Or(h.checkOutputs(), checkWeights(h.weights))
}

// nameSteps names the steps whose values can be had, as workers do: see no_steps of python/src/graphscore/_model.py. What is
// wrong with them is for workers to say.
func (h *modelConfig) nameSteps() {
	if n := len(h.weights); n > 1 {
		h.model.NoSteps = fmt.Sprintf("it has %d files of weights, each with its own values of a step; take a folder with one of them", n)
		return
	}
	list, _ := h.all["steps"].([]any)
	for _, one := range list {
		step, _ := one.(map[string]any)
		if name, is := step["name"].(string); is {
			h.model.Steps = append(h.model.Steps, graph.Step{Name: name})
		}
	}
}

// inputs is the key inputs of graphscore/2: the width of each column that the model reads, 0 for those that it does not.
type inputs struct {
	X          int  `json:"x"`
	EdgeAttr   int  `json:"edge_attr"`
	EdgeType   int  `json:"edge_type"`
	GraphAttr  int  `json:"graph_attr"`
	EdgeWeight bool `json:"edge_weight"`
}

func (i inputs) inputs() (graph.Inputs, error) {
	for _, width := range []struct {
		key             string
		value, min, max int
	}{
		{"x", i.X, 1, math.MaxInt32}, {"edge_attr", i.EdgeAttr, 0, math.MaxInt32}, {"edge_type", i.EdgeType, 0, graph.MaxExactInt},
		{"graph_attr", i.GraphAttr, 0, math.MaxInt32},
	} {
		if width.value < width.min || width.value > width.max {
			return graph.Inputs{}, fmt.Errorf("inputs: %s is %d, it must be from %d to %d", width.key, width.value, width.min, width.max)
		}
	}
	return graph.Inputs{EdgeWidth: i.EdgeAttr, EdgeTypes: i.EdgeType, GraphWidth: i.GraphAttr, Weights: i.EdgeWeight, NeedWeights: i.EdgeWeight}, nil
}

func (h *modelConfig) checkOutputs() error {
	if i := graph.BadOutput(h.model.Level, h.model.Outputs); i >= 0 {
		return fmt.Errorf("outputs[%d]: %q is empty, there twice, or the name of an id column; rename it", i, h.model.Outputs[i])
	}
	return nil
}

// checkWeights refuses names that are no file of the folder itself.
func checkWeights(names []string) error {
	if len(names) == 0 {
		return errors.New("weights names no file")
	}
	for i, name := range names {
		if !strings.HasSuffix(name, ".safetensors") || strings.ContainsAny(name, "/\\\x00") || slices.Contains(names[:i], name) {
			return fmt.Errorf("weights[%d]: %s must be the name of another .safetensors file of the folder", i, printable(name))
		}
	}
	return nil
}
