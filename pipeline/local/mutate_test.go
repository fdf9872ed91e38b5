package local

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"graphscore/pipeline/pipelinetest/mutation"
)

// anyModel is the reader of model folders, one file of which is changed. The others are those of the folder, which is whole.
func anyModel(t testing.TB, dir, file string, seeds map[string][]byte) *mutation.Target {
	t.Helper()
	if _, err := ReadModel(dir); err != nil {
		t.Fatal(err)
	}
	return &mutation.Target{
		Seeds: seeds, Base: 4 << 20, Times: 256,
		Known: func(err error) bool {
			var model *ModelError
			return errors.As(err, &model) && strings.Contains(err.Error(), dir)
		},
		Read: func(t *testing.T, content []byte) error {
			if err := os.WriteFile(filepath.Join(dir, file), content, 0o600); err != nil {
				t.Fatal(err)
			}
			m, err := ReadModel(dir)
			header, headerErr := ReadHeader(dir)
			if err != nil {
				return err
			}
			if headerErr != nil || header.Name != m.Name || len(m.Outputs) == 0 || len(m.Digest) != len("sha256:")+64 {
				t.Errorf("model %+v, header %+v, %v", m, header, headerErr)
			}
			return nil
		},
	}
}

// anyConfig is the reader of config.json, of either format.
func anyConfig(t testing.TB) *mutation.Target {
	t.Helper()
	dir := stepsFolder(t, stepsConfig, "lin.weight", "t.0", "t.1", "scaler")
	if err := os.WriteFile(filepath.Join(dir, weights), []byte(safetensors(header(exact()...), 4*len(exact()))), 0o600); err != nil {
		t.Fatal(err)
	}
	return anyModel(t, dir, "config.json", map[string][]byte{"layers": []byte(config), "steps": []byte(stepsConfig)})
}

// anyWeights is the reader of the headers of files of weights.
func anyWeights(t testing.TB) *mutation.Target {
	t.Helper()
	all := []string{"lin.weight", "t.0", "t.1", "scaler"}
	metadata := `{"__metadata__":{"format":"pt"},"lin.weight":{"dtype":"F16","shape":[2,3],"data_offsets":[0,12]},"t.0":{"dtype":"I64","shape":[],"data_offsets":[12,20]},` +
		`"t.1":{"dtype":"F32","shape":[0,4],"data_offsets":[20,20]},"scaler":{"dtype":"F64","shape":[1],"data_offsets":[20,28]}}`
	return anyModel(t, stepsFolder(t, stepsConfig, all...), "two.safetensors", map[string][]byte{
		"plain": []byte(safetensors(header(all...), 4*len(all))), "types": []byte(safetensors(metadata, 28)),
	})
}

// TestMutatedConfigs shows that no config.json ends the process, takes much memory, or is refused without its folder's name.
func TestMutatedConfigs(t *testing.T) { mutation.Run(t, anyConfig(t)) }

// TestMutatedWeights is the same of files of weights.
func TestMutatedWeights(t *testing.T) { mutation.Run(t, anyWeights(t)) }

func FuzzConfig(f *testing.F)  { mutation.Fuzz(f, anyConfig(f)) }
func FuzzWeights(f *testing.F) { mutation.Fuzz(f, anyWeights(f)) }
