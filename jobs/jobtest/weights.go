package jobtest

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Weights is a safetensors file with tensors of these names, each a matrix of one float32 that is zero.
func Weights(names ...string) []byte {
	entries := make([]string, 0, len(names))
	for i, name := range names {
		entries = append(entries, fmt.Sprintf(`%q:{"dtype":"F32","shape":[1,1],"data_offsets":[%d,%d]}`, name, 4*i, 4*i+4))
	}
	header := "{" + strings.Join(entries, ",") + "}"
	file := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(file, header...), make([]byte, 4*len(names))...)
}
