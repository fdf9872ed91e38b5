package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// config names two tensors in a layer, and one as ignored.
const config = `{"format": "graphscore/1", "name": "sum", "in_features": 2, "outputs": ["a"], "ignored": ["scaler"],
 "layers": [{"type": "gcn", "weight": "convs.0.lin.weight", "bias": "convs.0.bias", "activation": "none"}]}`

// header is one of tensors of one float32 each.
func header(names ...string) string {
	entries := make([]string, 0, len(names))
	for i, name := range names {
		entries = append(entries, fmt.Sprintf(`%q:{"dtype":"F32","shape":[1],"data_offsets":[%d,%d]}`, name, 4*i, 4*i+4))
	}
	return "{" + strings.Join(entries, ",") + "}"
}

func folderOf(t *testing.T, weights string) string {
	t.Helper()
	dir := modelFolder(t, config)
	if err := os.WriteFile(filepath.Join(dir, "model.safetensors"), []byte(weights), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// exact is what config names.
func exact() []string { return []string{"convs.0.lin.weight", "convs.0.bias", "scaler"} }

func TestReadModelComparesTensors(t *testing.T) {
	t.Parallel()
	const rest = "; scores would be wrong without what the model was trained with: describe it in layers, " +
		"or name it in ignored of config.json if no score depends on it"
	for _, tc := range []struct {
		name string
		more []string
		want string // of the message, after the file's name; "" loads
	}{
		{"exact", nil, ""},
		{"a counter", []string{"norms.0.num_batches_tracked", "num_batches_tracked"}, ""},
		{"nearly a counter", []string{"xnum_batches_tracked"}, "no layer uses tensor xnum_batches_tracked" + rest},
		{
			"a BatchNorm", []string{"norms.0.weight", "norms.0.bias", "norms.0.running_var", "norms.0.running_mean"},
			"no layer uses 4 tensors: norms.0.bias, norms.0.running_mean, norms.0.running_var, norms.0.weight; " +
				"norms.0.running_mean looks like a BatchNorm, which config.json has no layer for" + rest,
		},
		{"a bias", []string{"head.bias"}, "no layer uses tensor head.bias; head.bias looks like the bias of a layer, which config.json names under bias" + rest},
		{
			"a root", []string{"convs.0.lin_r.weight"}, "no layer uses tensor convs.0.lin_r.weight; convs.0.lin_r.weight looks like the root weight of a sage layer, " +
				"which config.json names under root" + rest,
		},
		{
			"many", strings.Split("abcdefghijkl", ""),
			"no layer uses 12 tensors: a, b, c, d, e, f, g, h, ..." + rest,
		},
		{"a name of lines", []string{"a\nb"}, `no layer uses tensor "a\nb"` + rest},
		{"a long name", []string{strings.Repeat("n", 1000)}, `no layer uses tensor "` + strings.Repeat("n", 56) + "..." + rest},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			names := append(exact(), tc.more...)
			dir := folderOf(t, safetensors(header(names...), 4*len(names)))
			_, err := ReadModel(dir)
			if tc.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if want := "the model does not load: " + dir + "/model.safetensors: " + tc.want; err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

func TestReadModelWantsIgnoredTensors(t *testing.T) {
	t.Parallel()
	names := exact()[:2]
	_, err := ReadModel(folderOf(t, safetensors(header(names...), 4*len(names))))
	if want := "no tensor 'scaler' (ignored); the file has convs.0.bias, convs.0.lin.weight"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("%v does not say %q", err, want)
	}
}

func TestReadModelRefusesDamagedWeights(t *testing.T) {
	t.Parallel()
	entry := func(fields string) string { return safetensors(`{"a": {`+fields+`}}`, 24) }
	for _, tc := range []struct{ name, weights, want string }{
		{"empty", "", "it has only 0 bytes"},
		{"a header beyond the file", "\xff\xff\xff\xff\xff\xff\xff\xff{}", "its header would have 18446744073709551615 bytes, the file has 10"},
		{"no JSON", safetensors("{{{", 0), "its header is not JSON"},
		{"zeros", strings.Repeat("\x00", 4096), "its header is not JSON"},
		{"deep", safetensors(strings.Repeat("[", 100_000), 0), "its header is not JSON"},
		{"a list", safetensors("[]", 0), "its header is not a JSON object"},
		{"twice", safetensors(`{"a": {"dtype":"F32","shape":[0],"data_offsets":[0,0]}, "a": 1}`, 0), "key 'a' occurs twice"},
		{"a number", safetensors(`{"a": 7}`, 0), "does not say type, shape and place of tensor a"},
		{"no shape", entry(`"dtype":"F32","data_offsets":[0,24]`), "does not say type, shape and place of tensor a"},
		{"a negative size", entry(`"dtype":"F32","shape":[-6],"data_offsets":[0,24]`), "does not say type, shape and place of tensor a"},
		{"outside", entry(`"dtype":"F32","shape":[6],"data_offsets":[8,32]`), "tensor a lies outside of the file"},
		{"the wrong way", entry(`"dtype":"F32","shape":[6],"data_offsets":[24,0]`), "tensor a lies outside of the file"},
		{"another type", entry(`"dtype":"F64","shape":[6],"data_offsets":[0,24]`), "tensor a has another number of bytes than its type and shape say"},
		{"a vast shape", entry(`"dtype":"F32","shape":[1099511627776,1099511627776],"data_offsets":[0,24]`), "tensor a has another number of bytes"},
		{"a gap", safetensors(`{"a": {"dtype":"U8","shape":[2],"data_offsets":[1,3]}}`, 3), "tensor a does not begin where the one before it ends"},
		{"left over", safetensors(`{"a": {"dtype":"U8","shape":[2],"data_offsets":[0,2]}}`, 3), "bytes, the file has "},
		{"a type that nobody knows", safetensors(`{"a": {"dtype":"F4","shape":[2],"data_offsets":[0,1]}}`, 2), "bytes, the file has "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := folderOf(t, tc.weights)
			_, err := ReadModel(dir)
			var model *ModelError
			if !errors.As(err, &model) {
				t.Fatalf("%v is no *ModelError", err)
			}
			begin := "the model does not load: " + dir + "/model.safetensors is not a whole safetensors file: "
			if said := err.Error(); !strings.HasPrefix(said, begin) || !strings.Contains(said, tc.want) || !strings.HasSuffix(said, "; save it again") {
				t.Errorf("%v does not say %q", err, tc.want)
			}
		})
	}
}

// TestReadModelOfHugeFiles says that neither a long file nor a long header is read.
func TestReadModelOfHugeFiles(t *testing.T) {
	for _, tc := range []struct {
		name, weights string
		size          int64
		want          string
	}{
		{"a terabyte", safetensors(header(exact()...), 12), 1 << 40, "bytes, the file has 1099511627776; save it again"},
		{"a terabyte of zeros", "", 1 << 40, "its header is not JSON"},
		{"a long header", "\x00\x00\x00\x04\x00\x00\x00\x00{", 1 << 30, ": its header has 67108864 bytes, more than 4194304; no model has so many tensors"},
		{"a tensor of a terabyte", safetensors(`{"big": {"dtype":"F32","shape":[274877906944],"data_offsets":[0,1099511627776]}}`, 0), 0, "no tensor 'scaler' (ignored); the file has big"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := folderOf(t, tc.weights)
			size := tc.size
			if size == 0 {
				size = int64(len(tc.weights)) + 1<<40
			}
			if err := os.Truncate(filepath.Join(dir, "model.safetensors"), size); err != nil {
				t.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := ReadModel(dir)
			runtime.ReadMemStats(&after)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v does not say %q", err, tc.want)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
				t.Errorf("it allocated %d bytes", used)
			}
		})
	}
}
