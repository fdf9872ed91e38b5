package local

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxHeader is the largest header of model.safetensors: about 40,000 tensors. The workers have the same bound.
	maxHeader = 4 << 20
	// namesListed and nameShown bound what a message says of the names in a file.
	namesListed, nameShown = 8, 60
	// counter is a tensor of a BatchNorm that counts training steps: no score depends on it.
	counter = "num_batches_tracked"
)

// tensor is what the header says about one tensor. The offsets count from the end of the header.
type tensor struct {
	Type    string   `json:"dtype"`
	Shape   []uint64 `json:"shape"`
	Offsets []uint64 `json:"data_offsets"`
}

// damaged says that a file is not what its header says, in the words of the workers (python, _header.py).
func damaged(format string, args ...any) error {
	return fmt.Errorf(" is not a whole safetensors file: "+format+"; save it again", args...)
}

// tensorNames reads the header of a safetensors file and compares it with the length of the file, which is all that is
// read: so a file of any size is refused at once. It returns the names in order. Errors are the rest of a sentence
// that begins with the file's name, or *fs.PathError where reading failed.
func tensorNames(f *os.File, size uint64) ([]string, error) {
	var first [8]byte
	if n, err := io.ReadFull(f, first[:]); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, damaged("it has only %d bytes", n)
	} else if err != nil {
		return nil, err
	}
	length := binary.LittleEndian.Uint64(first[:])
	if size < 8 || length > size-8 {
		return nil, damaged("its header would have %d bytes, the file has %d", length, size)
	}
	if length > maxHeader {
		return nil, fmt.Errorf(": its header has %d bytes, more than %d; no model has so many tensors", length, maxHeader)
	}
	header := make([]byte, length)
	if _, err := io.ReadFull(f, header); err != nil {
		return nil, err
	}
	tensors, err := parseHeader(header)
	if err != nil {
		return nil, err
	}
	if err := compareSizes(tensors, 8+length, size); err != nil {
		return nil, err
	}
	names := make([]string, 0, len(tensors))
	for name := range tensors {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// parseHeader reads the JSON of a header, a tensor at a time: a name that occurs twice is refused.
func parseHeader(header []byte) (map[string]tensor, error) {
	notJSON := func(err error) error { return damaged("its header is not JSON: %v", err) }
	if !json.Valid(header) {
		return nil, notJSON(errors.New("a value or a bracket is wrong"))
	}
	d := json.NewDecoder(strings.NewReader(string(header)))
	if open, err := d.Token(); err != nil {
		return nil, notJSON(err)
	} else if open != json.Delim('{') {
		return nil, damaged("its header is not a JSON object")
	}
	tensors := map[string]tensor{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, notJSON(err)
		}
		name, _ := token.(string)
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, notJSON(err)
		}
		if name == "__metadata__" {
			continue
		}
		if _, twice := tensors[name]; twice {
			return nil, notJSON(fmt.Errorf("key '%s' occurs twice in one object", printable(name)))
		}
		var t tensor
		if err := json.Unmarshal(value, &t); err != nil || t.Type == "" || t.Shape == nil || len(t.Offsets) != 2 {
			return nil, damaged("its header does not say type, shape and place of tensor %s", printable(name))
		}
		tensors[name] = t
	}
	return tensors, nil
}

// compareSizes compares what a header says with the length of the file: tensors lie one after another, without gaps,
// from the end of the header, data, to the end of the file, size.
func compareSizes(tensors map[string]tensor, data, size uint64) error {
	names := make([]string, 0, len(tensors))
	for name, t := range tensors {
		begin, end := t.Offsets[0], t.Offsets[1]
		if begin > end || end > size-data {
			return damaged("tensor %s lies outside of the file", printable(name))
		}
		if !t.fits() {
			return damaged("tensor %s has another number of bytes than its type and shape say", printable(name))
		}
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return slices.Compare(tensors[a].Offsets, tensors[b].Offsets) })
	at := data
	for _, name := range names {
		if data+tensors[name].Offsets[0] != at {
			return damaged("tensor %s does not begin where the one before it ends", printable(name))
		}
		at = data + tensors[name].Offsets[1]
	}
	if at != size {
		return damaged("its header describes %d bytes, the file has %d", at, size)
	}
	return nil
}

// fits says whether the bytes of a tensor are those of its shape and type; types that are not known fit.
func (t tensor) fits() bool {
	total := elementBytes(t.Type)
	if total == 0 {
		return true
	}
	want := t.Offsets[1] - t.Offsets[0]
	if slices.Contains(t.Shape, 0) {
		return want == 0
	}
	for _, n := range t.Shape {
		high, low := bits.Mul64(total, n)
		if high > 0 {
			return false
		}
		total = low
	}
	return total == want
}

// elementBytes is the size of one value of a type; 0 is a type that is not known.
func elementBytes(kind string) uint64 {
	switch kind {
	case "C64", "F64", "I64", "U64":
		return 8
	case "F32", "I32", "U32":
		return 4
	case "BF16", "F16", "I16", "U16":
		return 2
	case "BOOL", "F8_E4M3", "F8_E5M2", "F8_E8M0", "I8", "U8":
		return 1
	}
	return 0
}

// checkTensors compares the tensors of a file with config.json: ignored names tensors, and every tensor is named
// somewhere. Any string below its keys counts, but for those of the header: which keys name tensors is for the workers to
// know. The words are theirs (python, _tensors.py), as the rest of a sentence that begins with the file's name.
func (h *modelConfig) checkTensors(names []string) error {
	for _, name := range h.ignored {
		if _, there := slices.BinarySearch(names, name); !there {
			has := "no tensors"
			if len(names) > 0 {
				has = listed(names)
			}
			return fmt.Errorf(": no tensor '%s' (ignored); the file has %s", printable(name), has)
		}
	}
	used := map[string]bool{}
	for key, value := range h.all {
		if !slices.Contains([]string{"format", "name", "outputs", "level", "weights"}, key) {
			collectStrings(value, used)
		}
	}
	unused := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return used[name] || endsIn(name, counter) })
	if len(unused) == 0 {
		return nil
	}
	what := "tensor " + listed(unused)
	if len(unused) > 1 {
		what = fmt.Sprintf("%d tensors: %s", len(unused), listed(unused))
	}
	looks := ""
	if h.unit == "layer" {
		looks = looksLike(unused)
	}
	return fmt.Errorf(": no %[1]s uses %[2]s%[3]s; scores would be wrong without what the model was trained with: "+
		"describe it in %[1]ss, or name it in ignored of config.json if no score depends on it", h.unit, what, looks)
}

// looksLike says what kind of layer the unused tensors are of, by how a name ends; nothing where no name shows it.
func looksLike(names []string) string {
	for _, look := range []struct {
		like    string
		endings []string
	}{
		{"a BatchNorm, which config.json has no layer for", []string{"running_mean", "running_var"}},
		{"a GraphNorm, which config.json has no layer for", []string{"mean_scale"}},
		{"the attention of a GAT, which config.json has no layer for", []string{"att", "att_src", "att_dst", "att_edge"}},
		{"the root weight of a sage layer, which config.json names under root", []string{"lin_r.weight"}},
		{"the bias of a layer, which config.json names under bias", []string{"bias"}},
	} {
		for _, name := range names {
			if slices.ContainsFunc(look.endings, func(ending string) bool { return endsIn(name, ending) }) {
				return fmt.Sprintf("; %s looks like %s", printable(name), look.like)
			}
		}
	}
	return ""
}

// collectStrings adds every string value of a JSON document.
func collectStrings(value any, into map[string]bool) {
	switch v := value.(type) {
	case string:
		into[v] = true
	case []any:
		for _, item := range v {
			collectStrings(item, into)
		}
	case map[string]any:
		for _, item := range v {
			collectStrings(item, into)
		}
	}
}

func endsIn(name, ending string) bool { return name == ending || strings.HasSuffix(name, "."+ending) }

func listed(names []string) string {
	shown := make([]string, 0, namesListed)
	for _, name := range names[:min(len(names), namesListed)] {
		shown = append(shown, printable(name))
	}
	if len(names) > namesListed {
		return strings.Join(shown, ", ") + ", ..."
	}
	return strings.Join(shown, ", ")
}

// printable is a name for a message: itself, or quoted and cut where it is long or not printable.
func printable(name string) string {
	if name != "" && utf8.RuneCountInString(name) <= nameShown && !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return name
	}
	quoted := fmt.Sprintf("%q", name)
	if len(quoted) > nameShown {
		quoted = strings.ToValidUTF8(quoted[:nameShown-3], "") + "..."
	}
	return quoted
}
