package local

import (
	"crypto/sha256"
	"encoding/hex"
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

// maxConfig is far more than any config.json has. The workers have the same bound.
const maxConfig = 1 << 20

// ReadModel reads a model folder without a worker: enough to know what parts it makes. Its digest is "sha256:" and the
// hash over those of config.json and of each file of weights, as workers report it; what computes stays unknown. Tensors
// that config.json does not name are refused, and so is a file of another length than its header says, before the file
// is read. Whether layers or steps and tensors fit together is for workers to say. Errors are *ModelError.
func ReadModel(dir string) (*graph.Model, error) {
	h, content, err := configOf(dir)
	if err != nil {
		return nil, err
	}
	sums := sha256.New()
	configSum := sha256.Sum256(content)
	sums.Write(configSum[:])
	for _, name := range h.weights {
		sum, err := readWeights(dir, name, h.checkTensors)
		if err != nil {
			return nil, err
		}
		sums.Write(sum)
	}
	h.model.Digest = "sha256:" + hex.EncodeToString(sums.Sum(nil))
	return &h.model, nil
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
		err = errors.New("it is larger than 1 MiB")
	}
	return content, err
}

// readWeights hashes a file of weights once check accepts the names of its tensors.
func readWeights(dir, name string, check func(names []string) error) ([]byte, error) {
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
		name := filepath.Base(path)
		return fmt.Sprintf("; nothing is unpickled here: convert it with safetensors.torch.save_file(torch.load(%q, weights_only=True), \"model.safetensors\"), "+
			"write config.json beside it, and name the folder of both; "+
			"a model of chemprop with python -m graphscore export chemprop %s --out FOLDER", name, name)
	case ending == ".safetensors" || filepath.Base(path) == "config.json":
		return ": name " + filepath.Dir(path)
	}
	return ""
}
