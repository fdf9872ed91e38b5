package local

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
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

// TestHostileModels: a model folder that asks for more memory than its size justifies is refused by name.
func TestHostileModels(t *testing.T) { // not parallel: it measures what is allocated
	const million = 1_000_000
	names := make([]string, million)
	for i := range names {
		names[i] = "t" + strconv.Itoa(i)
	}
	good := safetensors(header("lin.weight", "t.0", "t.1", "scaler"), 16)
	for name, test := range map[string]struct{ config, weights, want string }{
		"100 MB of brackets":         {strings.Repeat("[", 100<<20), good, "config.json cannot be read: it is larger than 1 MiB"},
		"1 MB of brackets":           {strings.Repeat("[", maxConfig), good, "config.json: it does not say what a model is"},
		"objects in objects":         {strings.Repeat(`{"a":`, maxConfig/5), good, "config.json: it does not say what a model is"},
		"a million tensor names":     {stepsConfig, safetensors(header(names...), 4*million), "no model has so many tensors"},
		"100 MB of brackets, header": {stepsConfig, safetensors(strings.Repeat("[", 100<<20), 0), "no model has so many tensors"},
		"4 MB of brackets, header":   {stepsConfig, safetensors(strings.Repeat("[", maxHeader), 0), "its header is not JSON"},
		"a name of 4 MB":             {stepsConfig, safetensors(header(strings.Repeat("n", maxHeader-60)), 4), "no tensor 'scaler' (ignored); the file has \"nnn"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := stepsFolder(t, test.config)
			if err := os.WriteFile(filepath.Join(dir, "one.safetensors"), []byte(test.weights), 0o600); err != nil {
				t.Fatal(err)
			}
			var err error
			took := mutation.Allocated(func() { _, err = ReadModel(dir) })
			if err == nil || !strings.Contains(err.Error(), test.want) || len(err.Error()) > 1000 {
				t.Errorf("error %.300v, want %q", err, test.want)
			}
			if most := uint64(64 << 20); took > most {
				t.Errorf("%d bytes allocated, at most %d are due", took, most)
			}
		})
	}
}

// TestMutatedConfigs shows that no config.json ends the process, takes much memory, or is refused without its folder's name.
func TestMutatedConfigs(t *testing.T) { mutation.Run(t, anyConfig(t)) }

// TestMutatedWeights is the same of files of weights.
func TestMutatedWeights(t *testing.T) { mutation.Run(t, anyWeights(t)) }

func FuzzConfig(f *testing.F)  { mutation.Fuzz(f, anyConfig(f)) }
func FuzzWeights(f *testing.F) { mutation.Fuzz(f, anyWeights(f)) }
