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

	"graphscore/pipeline/graph"
)

// maxConfig is far more than any config.json has.
const maxConfig = 16 << 20

// ReadModel reads a model folder without a worker: enough to know what parts it makes. Its digest is "sha256:" and the
// hash over those of config.json and of model.safetensors, as workers report it; what computes stays unknown. Whether
// its layers and tensors fit together is for workers to say. Errors are *ModelError.
func ReadModel(dir string) (*graph.Model, error) {
	config, configSum, err := digest(filepath.Join(dir, "config.json"), true)
	if err != nil {
		return nil, unreadable(dir, "config.json", err)
	}
	_, weightsSum, err := digest(filepath.Join(dir, "model.safetensors"), false)
	if err != nil {
		return nil, unreadable(dir, "model.safetensors", err)
	}
	var c struct {
		Name       string   `json:"name"`
		InFeatures int      `json:"in_features"`
		Outputs    []string `json:"outputs"`
	}
	if err := json.Unmarshal(config, &c); err != nil {
		return nil, &ModelError{Model: dir, Message: fmt.Sprintf("config.json: it does not say what a model is: %v", err)}
	}
	if c.InFeatures < 1 || len(c.Outputs) == 0 {
		return nil, &ModelError{Model: dir, Message: fmt.Sprintf("config.json: in_features is %d and outputs has %d names; both must be given", c.InFeatures, len(c.Outputs))}
	}
	if i := graph.BadOutput(c.Outputs); i >= 0 {
		return nil, &ModelError{Model: dir, Message: fmt.Sprintf("config.json: outputs[%d]: %q is empty, there twice, or the name of an id column; rename it", i, c.Outputs[i])}
	}
	sum := sha256.Sum256(slices.Concat(configSum, weightsSum))
	return &graph.Model{Name: c.Name, Digest: "sha256:" + hex.EncodeToString(sum[:]), InFeatures: c.InFeatures, Outputs: c.Outputs}, nil
}

// digest hashes a file, and returns its content too where keep is set.
func digest(path string, keep bool) (content, sum []byte, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, errors.New("it is not a file") // opening a pipe blocks
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	h := sha256.New()
	if !keep {
		_, err = io.Copy(h, f)
		return nil, h.Sum(nil), err
	}
	content, err = io.ReadAll(io.LimitReader(io.TeeReader(f, h), maxConfig+1))
	if err == nil && len(content) > maxConfig {
		err = errors.New("it is larger than 16 MiB")
	}
	return content, h.Sum(nil), err
}

func unreadable(dir, name string, err error) error {
	if info, statErr := os.Stat(dir); statErr != nil || !info.IsDir() {
		return &ModelError{Model: dir, Message: "it is not a folder with config.json and model.safetensors"}
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
