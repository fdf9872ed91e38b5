package local

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"graphscore/pipeline/graph"
)

// maxConfig is far more than any config.json has.
const maxConfig = 16 << 20

// ReadModel reads a model folder without a worker: enough to know what parts it makes. Its digest is "sha256:" and the
// hash over those of config.json and of model.safetensors, as workers report it; what computes stays unknown. Tensors
// that config.json does not name are refused, and so is a file of another length than its header says, before the file
// is read. Whether layers and tensors fit together is for workers to say. Errors are *ModelError.
func ReadModel(dir string) (*graph.Model, error) {
	content, err := readConfig(filepath.Join(dir, "config.json"))
	if err != nil {
		return nil, unreadable(dir, "config.json", err)
	}
	var c struct {
		Name       string   `json:"name"`
		InFeatures int      `json:"in_features"`
		Outputs    []string `json:"outputs"`
		Ignored    []string `json:"ignored"`
	}
	var all map[string]any
	if err := errors.Join(json.Unmarshal(content, &c), json.Unmarshal(content, &all)); err != nil {
		return nil, &ModelError{Model: dir, Message: fmt.Sprintf("config.json: it does not say what a model is: %v", err)}
	}
	if key := foreignKey(all); key != "" {
		return nil, &ModelError{Model: dir, Message: fmt.Sprintf("config.json: it is the configuration of another program (it has the key %s), not of a model for graphscore: graphscore/1 needs the keys format, name, in_features, outputs and layers", key)}
	}
	if c.InFeatures < 1 || len(c.Outputs) == 0 {
		return nil, &ModelError{Model: dir, Message: fmt.Sprintf("config.json: in_features is %d and outputs has %d names; both must be given", c.InFeatures, len(c.Outputs))}
	}
	if i := graph.BadOutput(graph.NodeLevel, c.Outputs); i >= 0 {
		return nil, &ModelError{Model: dir, Message: fmt.Sprintf("config.json: outputs[%d]: %q is empty, there twice, or the name of an id column; rename it", i, c.Outputs[i])}
	}
	weightsSum, err := readWeights(dir, func(names []string) error { return checkTensors(all, c.Ignored, names) })
	if err != nil {
		return nil, err
	}
	configSum := sha256.Sum256(content)
	sum := sha256.Sum256(slices.Concat(configSum[:], weightsSum))
	return &graph.Model{Name: c.Name, Digest: "sha256:" + hex.EncodeToString(sum[:]), InFeatures: c.InFeatures, Outputs: c.Outputs}, nil
}

// foreignKey is a key that the config.json of another program has, such as transformers, diffusers or PyG; "" where
// there is none, or where the file says its format. python/src/graphscore/_model.py has the same keys.
func foreignKey(config map[string]any) string {
	if config["format"] != nil {
		return ""
	}
	for _, key := range []string{
		"model_type", "architectures", "transformers_version", "_class_name", "model_name", "model_config",
		"in_channels", "hidden_channels", "num_layers",
	} {
		if config[key] != nil {
			return key
		}
	}
	return ""
}

func readConfig(path string) ([]byte, error) {
	f, _, err := open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err == nil && len(content) > maxConfig {
		err = errors.New("it is larger than 16 MiB")
	}
	return content, err
}

// readWeights hashes model.safetensors once check accepts the names of its tensors.
func readWeights(dir string, check func(names []string) error) ([]byte, error) {
	const name = "model.safetensors"
	path := filepath.Join(dir, name)
	f, size, err := open(path)
	if err != nil {
		return nil, unreadable(dir, name, err)
	}
	defer f.Close()
	names, err := tensorNames(f, size)
	if err == nil {
		err = check(names)
	}
	var reading *fs.PathError
	if errors.As(err, &reading) {
		return nil, unreadable(dir, name, err)
	}
	if err != nil {
		return nil, &ModelError{Model: dir, Message: path + err.Error()}
	}
	h := sha256.New()
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, unreadable(dir, name, err)
	}
	if _, err := io.Copy(h, f); err != nil {
		return nil, unreadable(dir, name, err)
	}
	return h.Sum(nil), nil
}

// open opens a regular file and returns its length too.
func open(path string) (*os.File, uint64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, errors.New("it is not a file") // opening a pipe blocks
	}
	f, err := os.Open(path)
	return f, uint64(info.Size()), err
}

func unreadable(dir, name string, err error) error {
	if info, statErr := os.Stat(dir); statErr != nil || !info.IsDir() {
		return &ModelError{Model: dir, Message: "it is not a folder with config.json and model.safetensors" + remedy(dir, statErr == nil)}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return &ModelError{Model: dir, Message: name + " does not exist"}
	}
	var cause *fs.PathError
	if errors.As(err, &cause) {
		err = cause.Err
	}
	return &ModelError{Model: dir, Message: fmt.Sprintf("%s cannot be read: %v", name, err)}
}

// remedy says what to do about a file that is named where a model folder is wanted.
func remedy(path string, exists bool) string {
	ending := strings.ToLower(filepath.Ext(path))
	switch {
	case !exists:
		return ""
	case slices.Contains([]string{".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"}, ending):
		return fmt.Sprintf("; nothing is unpickled here: convert it with safetensors.torch.save_file(torch.load(%q, weights_only=True), \"model.safetensors\"), "+
			"write config.json beside it, and name the folder of both", filepath.Base(path))
	case ending == ".safetensors" || filepath.Base(path) == "config.json":
		return ": name " + filepath.Dir(path)
	}
	return ""
}
